#include "dataset/read.h"

#include <algorithm>
#include <initializer_list>
#include <string>
#include <string_view>

#include "base/status.h"
#include "base/strings.h"
#include "dataset/formats.h"

namespace lbw::dataset {

namespace {

constexpr uint64_t kIndexed = 320;  // nodes of PictureIndex's maps for a picture

// What the format has no use for; pictures are the readers' matter.
bool IsExtra(Format format, const std::string& path) {
  const std::string ending = EndingOf(path);
  const auto is = [&](std::initializer_list<std::string_view> endings) {
    return std::find(endings.begin(), endings.end(), ending) != endings.end();
  };
  switch (format) {
    case Format::kVoc:
      return !IsPictureName(path) && !is({"xml", "txt"});
    case Format::kCoco:
      return !IsPictureName(path) && !is({"json"});
    case Format::kYolo:
      return !IsPictureName(path) && !is({"txt", "yaml", "yml", "names", "data"});
    case Format::kClassCsv:
      return !IsPictureName(path) && !is({"csv"});
    case Format::kCifar:
      return !is({"bin"}) && Lower(FileNameOf(path)) != "batches.meta.txt";
    case Format::kAuto:
    case Format::kClassFolders:
    case Format::kPictures:
      break;
  }
  return !IsPictureName(path);
}

}  // namespace

absl::Status NoteUnused(const ReadContext& context, const std::vector<RawPicture>& pictures,
                        std::set<std::string> used, std::string_view detail) {
  for (const RawPicture& picture : pictures) {
    LBW_RETURN_IF_ERROR(context.ticker.Items());
    used.insert(picture.path);
  }
  for (const std::string& path : context.pictures.all()) {
    LBW_RETURN_IF_ERROR(context.ticker.Items());
    if (used.count(path) != 0) continue;
    context.defects.Add(DefectKind::kAnnotationMissing, DefectAction::kLeftOut, path, detail);
  }
  return absl::OkStatus();
}

absl::StatusOr<RawDataset> ReadAnnotations(const FileTree& tree, const ReadOptions& options,
                                           DefectList& defects, const Tick& tick) {
  Format format = options.format;
  if (format == Format::kAuto) {
    LBW_ASSIGN_OR_RETURN(format, FindFormat(tree, tick));
  }
  Ticker ticker(tick);
  LBW_RETURN_IF_ERROR(ticker.File());
  const PictureIndex pictures(tree);
  Budget budget(options.limits);
  // Names of pictures stand in the index in several orders.
  for (const std::string& path : pictures.all()) {
    LBW_RETURN_IF_ERROR(ticker.Items());
    LBW_RETURN_IF_ERROR(budget.Keep(kIndexed + 6 * path.size(), path));
  }
  const ReadContext context{tree, pictures, options, defects, budget, ticker};
  absl::StatusOr<RawDataset> raw = BadDataset("no such format");
  switch (format) {
    case Format::kAuto:
    case Format::kVoc:
      raw = ReadVoc(context);
      break;
    case Format::kCoco:
      raw = ReadCoco(context);
      break;
    case Format::kYolo:
      raw = ReadYolo(context);
      break;
    case Format::kClassFolders:
      raw = ReadClassFolders(context);
      break;
    case Format::kClassCsv:
      raw = ReadClassCsv(context);
      break;
    case Format::kCifar:
      raw = ReadCifar(context);
      break;
    case Format::kPictures:
      raw = ReadPictures(context);
      break;
  }
  LBW_RETURN_IF_ERROR(raw.status());
  raw->format = format;
  for (const auto& [path, entry] : tree.files()) {
    LBW_RETURN_IF_ERROR(ticker.Items());
    if (!IsExtra(format, path)) continue;
    defects.Add(DefectKind::kExtraFile, DefectAction::kNoted, path, "not read");
  }
  return raw;
}

}  // namespace lbw::dataset
