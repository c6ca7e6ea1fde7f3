#include "client/cpp/comparison_view.h"

#include <algorithm>
#include <numeric>
#include <optional>
#include <tuple>

#include "absl/strings/match.h"
#include "base/strings.h"
#include "client/cpp/format.h"
#include "client/cpp/names.h"
#include "client/cpp/table.h"
#include "client/cpp/view_parts.h"

namespace lbw::client {
namespace {

constexpr size_t kMostPictures = 100;
constexpr size_t kMarked = 5;

std::string Version(const v1::Comparison& comparison) { return ShortName(comparison.version()); }
std::string Reference(const v1::Comparison& comparison) {
  return ShortName(comparison.reference());
}

std::string AgreementText(const v1::AgreementScores& agreement) {
  if (agreement.has_same_top1()) {
    return base::StrCat("the same best class for ", Percent(agreement.same_top1()), " %");
  }
  return base::StrCat("agreement ", Decimal(LBW_OPTIONAL(agreement, map_50), 4));
}

// The SQNR below which a value is marked: that of the kMarked least alike; at most every third.
std::optional<double> MarkLimit(const v1::Comparison& comparison) {
  std::vector<double> all;
  for (const v1::ComparedValue& value : comparison.values()) {
    if (value.has_sqnr_db()) all.push_back(value.sqnr_db());
  }
  const size_t marked = std::min(kMarked, all.size() / 3);
  if (marked == 0) return std::nullopt;
  std::sort(all.begin(), all.end());
  return all[marked - 1];
}

void AddValues(const v1::Comparison& comparison, std::string& out) {
  const std::optional<double> limit = MarkLimit(comparison);
  Table table({{"value"},
               {"node"},
               {"weight"},
               {"SQNR dB", Align::kRight},
               {"cosine", Align::kRight},
               {"largest difference", Align::kRight},
               {""}});
  for (const v1::ComparedValue& value : comparison.values()) {
    const bool is_marked = limit && value.has_sqnr_db() && value.sqnr_db() <= *limit;
    table.AddRow({value.value(), value.node(), value.weight().empty() ? "head" : value.weight(),
                  Decimal(LBW_OPTIONAL(value, sqnr_db), 2), Decimal(LBW_OPTIONAL(value, cosine), 6),
                  Measured(value.max_abs_difference()), is_marked ? kMark : ""});
  }
  if (!table.empty()) out += "\n" + table.Render();
}

void AddPictures(const v1::Comparison& comparison, std::string& out) {
  Table table({{"picture, worst first"},
               {"matched", Align::kRight},
               {"only " + Version(comparison), Align::kRight},
               {"only " + Reference(comparison), Align::kRight},
               {"mean IoU", Align::kRight},
               {"score difference", Align::kRight},
               {""}});
  const std::vector<int> order = WorstPictures(comparison);
  for (size_t i = 0; i < order.size() && i < kMostPictures; ++i) {
    const v1::ComparedPicture& one = comparison.compared(order[i]);
    if (!one.error().empty()) {
      table.AddRow({one.name(), "-", "-", "-", "-", "-", one.error()});
      continue;
    }
    table.AddRow({one.name(), base::StrCat(one.matched()), base::StrCat(one.only_version()),
                  base::StrCat(one.only_reference()), Decimal(LBW_OPTIONAL(one, mean_iou), 3),
                  Decimal(LBW_OPTIONAL(one, max_score_difference), 3)});
  }
  if (!table.empty()) out += "\n" + table.Render();
  if (order.size() > kMostPictures) {
    base::StrAppend(&out, "and ", Grouped(order.size() - kMostPictures), " pictures more\n");
  }
}

void AddSums(const v1::Comparison& comparison, std::string& out) {
  uint64_t matched = 0;
  uint64_t version = 0;
  uint64_t reference = 0;
  for (const v1::ComparedPicture& one : comparison.compared()) {
    matched += one.matched();
    version += one.only_version();
    reference += one.only_reference();
  }
  base::StrAppend(&out, Grouped(matched), " matched, ", Grouped(version), " only ",
                  Printable(Version(comparison)), ", ", Grouped(reference), " only ",
                  Printable(Reference(comparison)), "; ", AgreementText(comparison.agreement()),
                  "\n");
}

}  // namespace

std::string RenderComparison(const v1::Comparison& comparison) {
  std::string out = Printable(base::StrCat(Version(comparison), " against ", Reference(comparison),
                                           " on ", Grouped(comparison.pictures()), " pictures of ",
                                           OnWhat(comparison.dataset(), comparison.split()))) +
                    "\n";
  AddValues(comparison, out);
  AddPictures(comparison, out);
  AddSums(comparison, out);
  return out;
}

std::vector<int> WorstPictures(const v1::Comparison& comparison) {
  std::vector<int> places(static_cast<size_t>(comparison.compared_size()));
  std::iota(places.begin(), places.end(), 0);
  const auto key = [&](int place) {
    const v1::ComparedPicture& one = comparison.compared(place);
    const uint64_t alone = uint64_t{one.only_version()} + one.only_reference();
    // Smaller is worse.
    return std::make_tuple(!one.error().empty(), -static_cast<double>(alone),
                           one.has_mean_iou() ? one.mean_iou() : 1.0,
                           one.has_max_score_difference() ? -one.max_score_difference() : 0.0);
  };
  std::stable_sort(places.begin(), places.end(), [&](int a, int b) { return key(a) < key(b); });
  return places;
}

std::string PictureWord(const v1::Comparison& comparison, const v1::ComparedPicture& picture) {
  std::string text = base::StrCat(picture.name(), ": ", picture.matched(), " matched, ",
                                  picture.only_version(), " only ", Version(comparison), ", ",
                                  picture.only_reference(), " only ", Reference(comparison));
  if (picture.has_mean_iou()) {
    base::StrAppend(&text, ", mean IoU ", Decimal(picture.mean_iou(), 2));
  }
  return text;
}

std::string ComparisonWord(const v1::Comparison& comparison) {
  return base::StrCat(Version(comparison), " against ", Reference(comparison), ": ",
                      AgreementText(comparison.agreement()));
}

std::string FindPictureFile(absl::Span<const std::string> paths, const std::string& name) {
  std::string found;
  for (const std::string& path : paths) {
    if (path == name) return path;
    if (!absl::EndsWith(path, "/" + name)) continue;
    if (!found.empty()) return "";
    found = path;
  }
  return found;
}

}  // namespace lbw::client
