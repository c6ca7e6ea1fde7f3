#include "dataset/read.h"

#include "base/status.h"
#include "base/strings.h"
#include "dataset/formats.h"

namespace lbw::dataset {

absl::StatusOr<RawDataset> ReadAnnotations(const FileTree& tree, const ReadOptions& options,
                                           DefectList& defects) {
  Format format = options.format;
  if (format == Format::kAuto) {
    LBW_ASSIGN_OR_RETURN(format, FindFormat(tree));
  }
  const PictureIndex pictures(tree);
  const ReadContext context{tree, pictures, options, defects};
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
  }
  LBW_RETURN_IF_ERROR(raw.status());
  raw->format = format;
  if (static_cast<int64_t>(raw->pictures.size()) > options.limits.max_pictures) {
    return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kLimitExceeded,
                       base::StrCat("too many pictures: pictures=", raw->pictures.size(),
                                    " limit=", options.limits.max_pictures));
  }
  return raw;
}

}  // namespace lbw::dataset
