#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <limits>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "base/status.h"
#include "base/strings.h"
#include "dataset/coco_file.h"
#include "dataset/formats.h"

namespace lbw::dataset {
namespace {

// "annotations/instances_val2017.json" -> "val".
std::string SplitOf(const std::string& path, bool only_one) {
  std::string stem = Lower(StemOf(path));
  for (const char* prefix : {"instances_", "instances-", "annotations_", "person_keypoints_"}) {
    if (stem.rfind(prefix, 0) == 0) stem.erase(0, std::string(prefix).size());
  }
  stem = WithoutNumber(stem);
  while (!stem.empty() && (stem.back() == '_' || stem.back() == '-')) stem.pop_back();
  const bool says_nothing = stem.empty() || stem == "annotations" || stem == "annotation" ||
                            stem == "_annotations.coco" || stem == "labels" || stem == "coco" ||
                            stem == "instances";
  if (!says_nothing) return stem;
  const std::string folder = Lower(FileNameOf(FolderOf(path)));
  if (folder.empty() || folder == "annotations") return only_one ? "" : Lower(StemOf(path));
  return folder;
}

// One file's pictures, in its own order: pictures of several files are joined afterwards.
class Assembly {
 public:
  Assembly(const ReadContext& context, RawDataset& raw) : context_(context), raw_(raw) {}

  absl::Status Add(const std::string& path, const CocoFile& file, const std::string& split) {
    const std::map<int64_t, std::string> categories = Categories(path, file);
    std::map<int64_t, size_t> places;
    for (const CocoImage& image : file.images) {
      LBW_RETURN_IF_ERROR(context_.ticker.Items());
      if (!places.emplace(image.id, raw_.pictures.size()).second) {
        context_.defects.Add(DefectKind::kDuplicateId, DefectAction::kLeftOut, path,
                             base::StrCat("image id=", image.id, " (", image.file_name, ")"));
        continue;
      }
      RawPicture picture;
      picture.wanted = image.file_name;
      picture.annotation_file = path;
      picture.declared_width = std::max<int64_t>(image.width, 0);
      picture.declared_height = std::max<int64_t>(image.height, 0);
      if (!split.empty()) picture.splits.push_back(split);
      LBW_RETURN_IF_ERROR(context_.budget.KeepPicture(picture));
      raw_.pictures.push_back(std::move(picture));
    }
    std::set<int64_t> seen;
    for (const CocoBox& box : file.boxes) {
      LBW_RETURN_IF_ERROR(context_.ticker.Items());
      LBW_RETURN_IF_ERROR(AddBox(path, box, places, categories, seen));
    }
    return absl::OkStatus();
  }

 private:
  // By rising id, which is the order of the classes.
  std::map<int64_t, std::string> Categories(const std::string& path, const CocoFile& file) {
    std::map<int64_t, std::string> categories;
    bool in_order = true;
    int64_t before = 0;
    for (const auto& [id, name] : file.categories) {
      in_order = in_order && id == before + 1;
      before = id;
      const std::string shown = name.empty() ? base::StrCat(id) : name;
      if (!categories.emplace(id, shown).second) {
        context_.defects.Add(DefectKind::kDuplicateId, DefectAction::kLeftOut, path,
                             base::StrCat("category id=", id, " (", name, ")"));
      }
    }
    if (!in_order) {
      context_.defects.Add(DefectKind::kCategoryIds, DefectAction::kRepaired, path,
                           base::StrCat(categories.size(), " ids with gaps or out of order"));
    }
    for (const auto& [id, name] : categories) {
      if (classes_.insert(name).second) raw_.classes.push_back(name);
    }
    return categories;
  }

  absl::Status AddBox(const std::string& path, const CocoBox& box,
                      const std::map<int64_t, size_t>& places,
                      const std::map<int64_t, std::string>& categories, std::set<int64_t>& seen) {
    if (box.id >= 0 && !seen.insert(box.id).second) {
      context_.defects.Add(DefectKind::kDuplicateId, DefectAction::kLeftOut, path,
                           base::StrCat("annotation id=", box.id));
      return absl::OkStatus();
    }
    const auto place = places.find(box.image_id);
    const auto category = categories.find(box.category_id);
    if (place == places.end() || category == categories.end()) {
      context_.defects.Add(DefectKind::kUnknownId, DefectAction::kLeftOut, path,
                           base::StrCat("annotation id=", box.id, " image_id=", box.image_id,
                                        " category_id=", box.category_id));
      return absl::OkStatus();
    }
    RawPicture& picture = raw_.pictures[place->second];
    if (static_cast<int64_t>(picture.boxes.size()) >= context_.options.limits.max_boxes_a_picture) {
      ++picture.boxes_not_kept;
      return absl::OkStatus();
    }
    RawBox raw;
    raw.class_name = category->second;
    raw.crowd = box.crowd;
    raw.area_px2 = box.area;
    raw.difficult = false;
    raw.corners.fill(std::numeric_limits<double>::quiet_NaN());
    if (box.numbers == 4) {
      raw.corners = {box.bbox[0], box.bbox[1], box.bbox[0] + box.bbox[2],
                     box.bbox[1] + box.bbox[3]};
    }
    // The box itself was counted when it was read.
    LBW_RETURN_IF_ERROR(context_.budget.Keep(2 * raw.class_name.size(), path));
    picture.boxes.push_back(std::move(raw));
    return absl::OkStatus();
  }

  const ReadContext& context_;
  RawDataset& raw_;
  std::set<std::string> classes_;
};

// Joins the pictures of one path: boxes and splits of all of them are the first's. What two lists
// have both, the same class, corners and crowd, is one box.
class Joiner {
 public:
  explicit Joiner(const ReadContext& context) : context_(context) {}

  absl::Status Join(std::vector<RawPicture>& pictures) {
    std::vector<RawPicture> joined;
    joined.reserve(pictures.size());
    for (RawPicture& picture : pictures) {
      LBW_RETURN_IF_ERROR(context_.ticker.Items(1 + picture.boxes.size()));
      if (!picture.path.empty()) {
        const auto [first, is_new] = of_path_.emplace(picture.path, joined.size());
        if (!is_new) {
          LBW_RETURN_IF_ERROR(JoinTo(first->second, joined[first->second], picture));
          continue;
        }
      }
      joined.push_back(std::move(picture));
    }
    pictures = std::move(joined);
    return absl::OkStatus();
  }

 private:
  // Corners by their bits: a bbox without numbers is equal to another one.
  using Key = std::tuple<std::array<uint64_t, 4>, bool, std::string>;
  static Key KeyOf(const RawBox& box) {
    std::array<uint64_t, 4> bits;
    static_assert(sizeof(bits) == sizeof(box.corners));
    std::memcpy(bits.data(), box.corners.data(), sizeof(bits));
    return {bits, box.crowd, box.class_name};
  }

  absl::Status JoinTo(size_t index, RawPicture& first, RawPicture& other) {
    for (std::string& split : other.splits) {
      const bool known =
          std::find(first.splits.begin(), first.splits.end(), split) != first.splits.end();
      if (!known) first.splits.push_back(std::move(split));
    }
    if (first.declared_width == 0 || first.declared_height == 0) {
      first.declared_width = other.declared_width;
      first.declared_height = other.declared_height;
    }
    constexpr uint64_t kNode = sizeof(Key) + 64;
    std::set<Key>& keys = keys_[index];
    const uint64_t boxes = other.boxes.size() + (keys.empty() ? first.boxes.size() : 0);
    LBW_RETURN_IF_ERROR(context_.budget.Keep(boxes * kNode, other.annotation_file));
    if (keys.empty()) {
      for (const RawBox& box : first.boxes) keys.insert(KeyOf(box));
    }
    const auto most = static_cast<size_t>(context_.options.limits.max_boxes_a_picture);
    std::vector<Key> added;
    size_t same = 0;
    for (RawBox& box : other.boxes) {
      Key key = KeyOf(box);
      if (keys.count(key) != 0) {
        ++same;
        continue;
      }
      added.push_back(std::move(key));
      if (first.boxes.size() >= most) {
        ++first.boxes_not_kept;
      } else {
        first.boxes.push_back(std::move(box));
      }
    }
    first.boxes_not_kept += other.boxes_not_kept;
    Note(first, other, added.size(), same);
    keys.insert(added.begin(), added.end());
    return absl::OkStatus();
  }

  void Note(const RawPicture& first, const RawPicture& other, size_t added, size_t same) {
    if (first.annotation_file == other.annotation_file) {
      context_.defects.Add(DefectKind::kDuplicateId, DefectAction::kRepaired, other.annotation_file,
                           base::StrCat(first.path, " is listed again: ", added,
                                        " boxes more, boxes that are there already=", same));
    }
    if (same == 0) return;
    context_.defects.Add(DefectKind::kDuplicateBox, DefectAction::kLeftOut, other.annotation_file,
                         base::StrCat("picture=", first.path, " boxes=", same, " are in ",
                                      first.annotation_file, " too"));
  }

  const ReadContext& context_;
  std::map<std::string, size_t> of_path_;
  std::map<size_t, std::set<Key>> keys_;  // of the boxes of pictures that several lists have
};

// Of COCO's own files about the same pictures (captions, keypoints), instances_* have the boxes.
void KeepInstances(const ReadContext& context,
                   std::vector<std::pair<std::string, CocoFile>>& files) {
  const auto is_instances = [](const std::pair<std::string, CocoFile>& file) {
    return Lower(StemOf(file.first)).rfind("instances", 0) == 0;
  };
  if (std::none_of(files.begin(), files.end(), is_instances)) return;
  std::vector<std::pair<std::string, CocoFile>> kept;
  for (auto& file : files) {
    if (is_instances(file)) {
      kept.push_back(std::move(file));
    } else {
      context.defects.Add(DefectKind::kExtraFile, DefectAction::kNoted, file.first,
                          "beside instances_*.json");
    }
  }
  files = std::move(kept);
}

}  // namespace

absl::StatusOr<RawDataset> ReadCoco(const ReadContext& context) {
  RawDataset raw;
  raw.pixel_rule = PixelRule::kContinuous;
  raw.tells_size = true;
  std::vector<std::pair<std::string, CocoFile>> files;
  for (const auto& [path, entry] : context.tree.files()) {
    LBW_RETURN_IF_ERROR(context.ticker.Items());
    if (EndingOf(path) != "json") continue;
    LBW_RETURN_IF_ERROR(context.ticker.File());
    LBW_ASSIGN_OR_RETURN(CocoFile file, ReadCocoFile(context, path));
    if (file.has_images) {
      files.emplace_back(path, std::move(file));
    } else {
      context.defects.Add(DefectKind::kExtraFile, DefectAction::kNoted, path, "no list of images");
    }
  }
  if (files.empty()) return BadDataset("no JSON file with images, annotations and categories");
  KeepInstances(context, files);
  Assembly assembly(context, raw);
  for (auto& [path, file] : files) {
    LBW_RETURN_IF_ERROR(assembly.Add(path, file, SplitOf(path, files.size() == 1)));
    file = {};  // both forms of all files would be twice the memory
  }
  LBW_RETURN_IF_ERROR(FindPictures(context, PlaceRule::kPath, raw.pictures));
  LBW_RETURN_IF_ERROR(Joiner(context).Join(raw.pictures));
  LBW_RETURN_IF_ERROR(NoteUnused(context, raw.pictures, {}, "in no list of images"));
  return raw;
}

}  // namespace lbw::dataset
