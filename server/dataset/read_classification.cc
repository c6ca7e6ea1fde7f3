#include <algorithm>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "base/status.h"
#include "base/strings.h"
#include "dataset/formats.h"
#include "dataset/text.h"
#include "dataset/tree_stream.h"
#include "detect/image/image.h"

namespace lbw::dataset {
namespace {

// Fields of a line of CSV; a quoted one may hold commas and doubled quotes (RFC 4180), but no end
// of a line. Empty where a quote is not closed.
std::vector<std::string> Fields(const std::string& line) {
  std::vector<std::string> fields(1);
  bool quoted = false;
  for (size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (quoted && c == '"' && i + 1 < line.size() && line[i + 1] == '"') {
      fields.back().push_back('"');
      ++i;
    } else if (c == '"') {
      quoted = !quoted;
    } else if (c == ',' && !quoted) {
      fields.emplace_back();
    } else {
      fields.back().push_back(c);
    }
  }
  return quoted ? std::vector<std::string>() : fields;
}

// The first column that is called so, or -1.
int ColumnOf(const std::vector<std::string>& header, std::initializer_list<const char*> names) {
  for (const char* name : names) {
    for (size_t i = 0; i < header.size(); ++i) {
      if (Lower(header[i]) == name) return static_cast<int>(i);
    }
  }
  return -1;
}

struct Columns {
  int path = -1;
  int label = -1;
  int split = -1;
};

absl::StatusOr<Columns> ReadHeader(const std::string& path, const std::string& line) {
  const std::vector<std::string> header = Fields(line);
  Columns columns;
  columns.path = ColumnOf(header, {"path", "filename", "file", "image", "picture", "name"});
  columns.label = ColumnOf(header, {"label", "class", "category", "target"});
  columns.split = ColumnOf(header, {"split", "subset", "set"});
  const bool boxes = ColumnOf(header, {"xmin", "x_min", "xmax"}) >= 0;
  if (columns.path >= 0 && columns.label >= 0 && !boxes) return columns;
  return BadDataset(base::StrCat(
      path, " line 1: a header with path and label is expected, found: ", line.substr(0, 200)));
}

// Which class a label of a CSV means, by the rule of read.h.
class Labels {
 public:
  Labels(const ReadOptions& options, const std::set<std::string>& labels)
      : options_(options), given_(options.classes.begin(), options.classes.end()) {
    bool named = false;  // a class of the caller's is called by a label's number
    for (const std::string& label : labels) {
      const bool number = CanonicalNumber(label).has_value();
      numbers_ = numbers_ && number;
      named = named || (number && given_.count(label) != 0);
    }
    numbers_ = numbers_ && !named;
    places_ = !named && !given_.empty() && options.class_map.empty();
  }

  std::string NameOf(const std::string& label) const {
    const std::optional<std::string> number = CanonicalNumber(label);
    if (!number.has_value()) return label;
    uint64_t place = 0;
    // Among words, leading zeros are text.
    const bool may_be_place = places_ && (numbers_ || *number == label);
    if (may_be_place && absl::SimpleAtoi(*number, &place) && place < options_.classes.size()) {
      return options_.classes[static_cast<size_t>(place)];
    }
    const bool mapped = options_.class_map.count(label) != 0;
    return numbers_ && !mapped ? *number : label;
  }

  // Of all that NameOf answered.
  std::vector<std::string> Classes(std::set<std::string> names) const {
    if (places_ && numbers_) return options_.classes;
    std::set<std::string> taken;
    for (const std::string& name : names) taken.insert(CanonicalNumber(name).value_or(""));
    const std::vector<std::string> ordered = InClassOrder(names);
    uint64_t largest = 0;
    const auto most = static_cast<uint64_t>(options_.limits.max_classes);
    const bool counts =
        numbers_ && absl::SimpleAtoi(*CanonicalNumber(ordered.back()), &largest) && largest < most;
    if (!counts) return ordered;
    for (uint64_t i = 0; i <= largest; ++i) {
      if (taken.count(base::StrCat(i)) == 0) names.insert(base::StrCat(i));
    }
    return InClassOrder(names);
  }

 private:
  const ReadOptions& options_;
  const std::set<std::string> given_;
  bool numbers_ = true;  // every label
  bool places_ = false;  // a number is one of the caller's classes
};

absl::Status NameLabels(const ReadContext& context, const std::set<std::string>& found,
                        RawDataset& raw) {
  const Labels labels(context.options, found);
  std::set<std::string> names;
  for (RawPicture& picture : raw.pictures) {
    LBW_RETURN_IF_ERROR(context.ticker.Items());
    picture.label = labels.NameOf(*picture.label);
    names.insert(*picture.label);
  }
  raw.classes = labels.Classes(std::move(names));
  return absl::OkStatus();
}

// torchvision's ImageFolder numbers classes by their text: "10" before "2".
void NoteOrder(const ReadContext& context, const std::set<std::string>& labels,
               const std::vector<std::string>& classes) {
  if (!context.options.classes.empty()) return;
  const std::vector<std::string> by_text(labels.begin(), labels.end());
  size_t first = 0;
  while (first < classes.size() && classes[first] == by_text[first]) ++first;
  if (first == classes.size()) return;
  const auto from = [first](const std::vector<std::string>& names) {
    constexpr size_t kShown = 4;
    std::string text;
    for (size_t i = first; i < std::min(first + kShown, names.size()); ++i) {
      base::StrAppend(&text, text.empty() ? "" : ", ", Shown(names[i], 30));
    }
    return text + (first + kShown < names.size() ? ", ..." : "");
  };
  context.defects.Add(
      DefectKind::kClassOrder, DefectAction::kNoted, classes[first],
      base::StrCat("classes from index ", first, " on, by number, as here: ", from(classes),
                   "; by text, as torchvision's ImageFolder has them: ", from(by_text)));
}

constexpr int64_t kSide = 32;
constexpr size_t kPlane = static_cast<size_t>(kSide * kSide);
constexpr size_t kRecord = 1 + 3 * kPlane;

absl::StatusOr<RawPicture> CifarPicture(const std::string& path, std::string_view record,
                                        size_t index, const std::vector<std::string>& classes) {
  detect::Image image;
  image.width = kSide;
  image.height = kSide;
  image.rgb.resize(3 * kPlane);
  for (size_t i = 0; i < kPlane; ++i) {
    for (size_t c = 0; c < 3; ++c) {
      image.rgb[3 * i + c] = static_cast<uint8_t>(record[1 + c * kPlane + i]);
    }
  }
  const auto label = static_cast<size_t>(static_cast<uint8_t>(record[0]));
  if (label >= classes.size()) {
    return BadDataset(base::StrCat(path, " record ", index, ": label ", label, " of ",
                                   classes.size(), " classes"));
  }
  RawPicture picture;
  LBW_ASSIGN_OR_RETURN(picture.png, detect::EncodeImage(image, detect::ImageFormat::kPng));
  picture.wanted = absl::StrFormat("%s/%05d.png", path.substr(0, path.rfind('.')), index);
  picture.label = classes[label];
  return picture;
}

}  // namespace

absl::StatusOr<RawDataset> ReadClassFolders(const ReadContext& context) {
  RawDataset raw;
  raw.task = Task::kClassification;
  std::set<std::string> labels;
  for (const std::string& path : context.pictures.all()) {
    LBW_RETURN_IF_ERROR(context.ticker.Items());
    const std::vector<std::string> parts = FoldersOf(path);
    if (parts.empty()) {
      context.defects.Add(DefectKind::kAnnotationMissing, DefectAction::kLeftOut, path,
                          "not in the folder of a class");
      continue;
    }
    RawPicture picture;
    picture.path = path;
    picture.wanted = path;
    picture.label = parts.back();
    for (size_t i = 0; i + 1 < parts.size(); ++i) {
      const std::string split = SplitName(parts[i]);
      if (!split.empty()) picture.splits = {split};
    }
    labels.insert(parts.back());
    LBW_RETURN_IF_ERROR(context.budget.KeepPicture(picture));
    raw.pictures.push_back(std::move(picture));
  }
  raw.classes = InClassOrder(labels);
  NoteOrder(context, labels, raw.classes);
  if (raw.pictures.empty()) return BadDataset("no picture in the folder of a class");
  return raw;
}

namespace {

std::string Trimmed(const std::string& text) {
  return std::string(absl::StripAsciiWhitespace(text));
}

absl::Status ReadCsv(const ReadContext& context, const std::string& path,
                     std::set<std::string>& labels, RawDataset& raw) {
  const DatasetLimits& limits = context.options.limits;
  LBW_ASSIGN_OR_RETURN(LineReader lines, LineReader::Open(context.tree, path, limits.max_list_bytes,
                                                          limits.max_line_bytes, context.ticker));
  LBW_ASSIGN_OR_RETURN(bool more, lines.Next());
  if (!more) return absl::OkStatus();
  LBW_ASSIGN_OR_RETURN(const Columns columns, ReadHeader(path, lines.line()));
  while (true) {
    LBW_ASSIGN_OR_RETURN(more, lines.Next());
    if (!more) return absl::OkStatus();
    const std::vector<std::string> fields = Fields(lines.line());
    const auto field = [&](int column) {
      return column >= 0 && static_cast<size_t>(column) < fields.size()
                 ? Trimmed(fields[static_cast<size_t>(column)])
                 : std::string();
    };
    if (field(columns.path).empty() || field(columns.label).empty()) {
      context.defects.Add(
          DefectKind::kAnnotationBroken, DefectAction::kLeftOut, path,
          base::StrCat("line ", lines.number(),
                       fields.empty() ? ": a quote is not closed" : ": path or label is missing"));
      continue;
    }
    RawPicture picture;
    picture.wanted = field(columns.path);
    picture.annotation_file = path;
    picture.label = field(columns.label);
    if (const std::string split = field(columns.split); !split.empty())
      picture.splits = {Shown(Lower(split))};
    LBW_RETURN_IF_ERROR(context.budget.KeepPicture(picture));
    labels.insert(*picture.label);
    raw.pictures.push_back(std::move(picture));
  }
}

absl::Status ReadBin(const ReadContext& context, const std::string& path, RawDataset& raw) {
  LBW_ASSIGN_OR_RETURN(const FileTree::Entry entry,
                       context.tree.Locate(path, context.options.limits.max_list_bytes));
  if (entry.size_bytes == 0 || entry.size_bytes % kRecord != 0) {
    return BadDataset(
        base::StrCat(path, " has ", entry.size_bytes, " bytes, not a multiple of ", kRecord));
  }
  const std::string stem = Lower(StemOf(path));
  const bool test = stem.rfind("test", 0) == 0;
  const bool train = stem.rfind("data_batch", 0) == 0 || stem.rfind("train", 0) == 0;
  std::string record(kRecord, '\0');
  for (size_t i = 0; i * kRecord < entry.size_bytes; ++i) {
    LBW_RETURN_IF_ERROR(context.ticker.Bytes(kRecord));
    LBW_RETURN_IF_ERROR(context.tree.ReadAt(
        entry, i * kRecord,
        absl::MakeSpan(reinterpret_cast<std::byte*>(record.data()), record.size())));
    LBW_ASSIGN_OR_RETURN(RawPicture picture, CifarPicture(path, record, i, raw.classes));
    if (test || train) picture.splits = {test ? "test" : "train"};
    LBW_RETURN_IF_ERROR(context.budget.KeepPicture(picture));
    raw.pictures.push_back(std::move(picture));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<RawDataset> ReadClassCsv(const ReadContext& context) {
  RawDataset raw;
  raw.task = Task::kClassification;
  std::set<std::string> labels;
  for (const auto& [path, entry] : context.tree.files()) {
    LBW_RETURN_IF_ERROR(context.ticker.Items());
    if (EndingOf(path) == "csv") LBW_RETURN_IF_ERROR(ReadCsv(context, path, labels, raw));
  }
  if (raw.pictures.empty()) return BadDataset("no CSV file with a path and a label a line");
  LBW_RETURN_IF_ERROR(NameLabels(context, labels, raw));
  LBW_RETURN_IF_ERROR(FindPictures(context, PlaceRule::kPath, raw.pictures));
  LBW_RETURN_IF_ERROR(NoteUnused(context, raw.pictures, {}, "in no line of a CSV file"));
  return raw;
}

absl::StatusOr<RawDataset> ReadCifar(const ReadContext& context) {
  RawDataset raw;
  raw.task = Task::kClassification;
  raw.classes = context.options.classes;
  std::vector<std::string> bins;
  for (const auto& [path, entry] : context.tree.files()) {
    LBW_RETURN_IF_ERROR(context.ticker.Items());
    if (EndingOf(path) == "bin") bins.push_back(path);
    if (Lower(FileNameOf(path)) == "batches.meta.txt" && raw.classes.empty()) {
      LBW_ASSIGN_OR_RETURN(const std::string text,
                           context.tree.Read(path, context.options.limits.max_names_file_bytes));
      raw.classes = LinesOf(text);
      for (const std::string& name : raw.classes) {
        LBW_RETURN_IF_ERROR(
            CheckNameLength(base::StrCat(path, ": names"), name, context.options.limits));
      }
    }
  }
  for (int i = 0; raw.classes.size() < 10 && i < 10; ++i) {
    if (static_cast<size_t>(i) == raw.classes.size()) raw.classes.push_back(base::StrCat(i));
  }
  for (const std::string& path : bins) {
    LBW_RETURN_IF_ERROR(context.ticker.File());
    LBW_RETURN_IF_ERROR(ReadBin(context, path, raw));
  }
  if (raw.pictures.empty()) return BadDataset("no .bin file of CIFAR's");
  return raw;
}

}  // namespace lbw::dataset
