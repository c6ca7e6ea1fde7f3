// Scenes as a folder in the layout of PASCAL VOC.
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <system_error>

#include "base/random.h"
#include "base/status.h"
#include "dataset/scenes.h"

namespace lbw::dataset {
namespace {

namespace fs = std::filesystem;

constexpr int kMaxScenes = 1'000'000;

absl::Status DiskError(const fs::path& path, const std::string& why) {
  return base::Error(absl::StatusCode::kInternal, base::reason::kInternal,
                     base::StrCat("cannot write ", path.string(), ": ", why));
}

absl::Status WriteFile(const fs::path& path, const std::string& bytes) {
  std::ofstream out(path, std::ios::binary);
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  out.close();
  return out ? absl::OkStatus() : DiskError(path, std::strerror(errno));
}

absl::Status MakeFolders(const fs::path& folder) {
  std::error_code error;
  const bool exists = fs::exists(folder, error);
  if (!error && exists && (!fs::is_directory(folder, error) || !fs::is_empty(folder, error))) {
    return base::Error(absl::StatusCode::kFailedPrecondition, base::reason::kAlreadyExists,
                       base::StrCat(folder.string(), " is there and is not an empty folder"));
  }
  for (const char* name : {"Annotations", "JPEGImages", "ImageSets/Main"}) {
    fs::create_directories(folder / name, error);
    if (error) return DiskError(folder / name, error.message());
  }
  return absl::OkStatus();
}

absl::Status CheckCount(const char* name, int count) {
  if (count >= 0 && count <= kMaxScenes) return absl::OkStatus();
  return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadArgument,
                     base::StrCat(name, " must be 0..", kMaxScenes, ": ", name, "=", count))
      .Field(name);
}

std::string ObjectXml(const Annotation& annotation) {
  const auto corner = [](float value) { return static_cast<int64_t>(value); };
  return base::StrCat(
      "  <object>\n    <name>", SceneClasses()[static_cast<size_t>(annotation.class_index)],
      "</name>\n    <pose>Unspecified</pose>\n    <truncated>0</truncated>\n    <difficult>",
      annotation.difficult ? 1 : 0, "</difficult>\n    <bndbox><xmin>",
      corner(annotation.box.x_min), "</xmin><ymin>", corner(annotation.box.y_min), "</ymin><xmax>",
      corner(annotation.box.x_max), "</xmax><ymax>", corner(annotation.box.y_max),
      "</ymax></bndbox>\n  </object>\n");
}

std::string AnnotationXml(const std::string& name, const Scene& scene) {
  std::string xml = base::StrCat("<annotation>\n  <folder>JPEGImages</folder>\n  <filename>", name,
                                 ".jpg</filename>\n  <size><width>", scene.image.width,
                                 "</width><height>", scene.image.height,
                                 "</height><depth>3</depth></size>\n  <segmented>0</segmented>\n");
  for (const Annotation& annotation : scene.annotations) xml += ObjectXml(annotation);
  return xml + "</annotation>\n";
}

struct Split {
  const char* name;
  int count;
  uint64_t seed;
};

absl::Status WriteSplit(const fs::path& folder, const SceneOptions& options, const Split& split) {
  std::string list;
  for (int i = 0; i < split.count; ++i) {
    std::string digits = std::to_string(i + 1);
    if (digits.size() < 5) digits.insert(0, 5 - digits.size(), '0');
    const std::string name = base::StrCat(split.name, "_", digits);
    LBW_ASSIGN_OR_RETURN(const Scene scene,
                         MakeScene(options, base::MixBits(split.seed) + static_cast<uint64_t>(i)));
    LBW_ASSIGN_OR_RETURN(const std::string jpeg,
                         detect::EncodeImage(scene.image, detect::ImageFormat::kJpeg));
    LBW_RETURN_IF_ERROR(WriteFile(folder / "JPEGImages" / (name + ".jpg"), jpeg));
    LBW_RETURN_IF_ERROR(
        WriteFile(folder / "Annotations" / (name + ".xml"), AnnotationXml(name, scene)));
    list += name + "\n";
  }
  return WriteFile(folder / "ImageSets" / "Main" / base::StrCat(split.name, ".txt"), list);
}

}  // namespace

absl::Status WriteScenes(const std::string& folder, const SceneOptions& options,
                         const SceneSet& set) {
  LBW_RETURN_IF_ERROR(CheckCount("train", set.train));
  LBW_RETURN_IF_ERROR(CheckCount("val", set.val));
  // Options are refused before the folder is made.
  LBW_RETURN_IF_ERROR(MakeScene(options, set.seed).status());
  LBW_RETURN_IF_ERROR(MakeFolders(folder));
  LBW_RETURN_IF_ERROR(WriteSplit(folder, options, {"train", set.train, 2 * set.seed}));
  return WriteSplit(folder, options, {"val", set.val, 2 * set.seed + 1});
}

}  // namespace lbw::dataset
