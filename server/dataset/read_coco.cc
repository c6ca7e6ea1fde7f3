#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "base/status.h"
#include "base/strings.h"
#include "dataset/formats.h"
#include "nlohmann/json.hpp"

namespace lbw::dataset {
namespace {

struct CocoImage {
  std::string file_name;
  int64_t width = 0;
  int64_t height = 0;
};
struct CocoBox {
  int64_t id = -1;
  int64_t image_id = -1;
  int64_t category_id = -1;
  std::vector<double> bbox;
  std::optional<double> area;
  bool crowd = false;
};

// One file's lists, in its order.
struct CocoFile {
  std::vector<std::pair<int64_t, CocoImage>> images;
  std::vector<CocoBox> boxes;
  std::vector<std::pair<int64_t, std::string>> categories;
  bool has_images = false;
};

// Keeps what is wanted as it comes by: a file of a gigabyte is never a tree of objects.
// Segmentations are skipped number by number.
class CocoReader final : public nlohmann::json_sax<nlohmann::json> {
 public:
  explicit CocoReader(CocoFile& file) : file_(file) {}

  bool null() override { return true; }
  bool boolean(bool value) override { return Number(value ? 1 : 0); }
  bool number_integer(number_integer_t value) override {
    integer_ = value;
    return Number(static_cast<double>(value));
  }
  bool number_unsigned(number_unsigned_t value) override {
    constexpr auto kMost = static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
    integer_ = static_cast<int64_t>(std::min<uint64_t>(value, kMost));
    return Number(static_cast<double>(value));
  }
  bool number_float(number_float_t value, const string_t&) override {
    constexpr double kExact = 9007199254740992;  // 2^53
    integer_ = std::fabs(value) <= kExact ? static_cast<int64_t>(value) : -1;
    return Number(value);
  }
  bool string(string_t& value) override {
    if (depth_ == kItem && list_ == List::kImages && key_ == "file_name") image_.file_name = value;
    if (depth_ == kItem && list_ == List::kCategories && key_ == "name") category_ = value;
    // Ids in quotes, as some tools write them.
    const bool is_id = key_ == "id" || key_ == "image_id" || key_ == "category_id";
    if (depth_ == kItem && is_id && absl::SimpleAtoi(value, &integer_)) {
      return Number(static_cast<double>(integer_));
    }
    return true;
  }
  bool binary(binary_t&) override { return true; }
  bool key(string_t& value) override {
    if (depth_ == kTop) {
      list_ = value == "images"        ? List::kImages
              : value == "annotations" ? List::kAnnotations
              : value == "categories"  ? List::kCategories
                                       : List::kOther;
      if (list_ == List::kImages) file_.has_images = true;
    } else if (depth_ == kItem) {
      key_ = value;
    }
    return true;
  }
  bool start_object(std::size_t) override {
    if (++depth_ == kItem) Begin();
    return depth_ <= kDeepest;
  }
  bool end_object() override {
    if (depth_-- == kItem) End();
    return true;
  }
  bool start_array(std::size_t) override { return ++depth_ <= kDeepest; }
  bool end_array() override {
    --depth_;
    return true;
  }
  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception& error) override {
    error_ = base::StrCat("byte ", position, ": ", error.what());
    return false;
  }
  const std::string& error() const { return error_; }

 private:
  enum class List : uint8_t { kOther, kImages, kAnnotations, kCategories };
  static constexpr int kTop = 1;   // {"images": ...
  static constexpr int kItem = 3;  // {"images": [ { ...
  static constexpr int kDeepest = 64;

  void Begin() {
    key_.clear();
    id_ = -1;
    image_ = {};
    box_ = {};
    category_.clear();
  }
  void End() {
    if (list_ == List::kImages) file_.images.emplace_back(id_, std::move(image_));
    if (list_ == List::kCategories) file_.categories.emplace_back(id_, std::move(category_));
    if (list_ != List::kAnnotations) return;
    box_.id = id_;
    file_.boxes.push_back(std::move(box_));
  }
  bool Number(double value) {
    if (depth_ == kItem + 1 && list_ == List::kAnnotations && key_ == "bbox") {
      if (box_.bbox.size() < 5) box_.bbox.push_back(value);
      return true;
    }
    if (depth_ != kItem) return true;
    if (key_ == "id") id_ = integer_;
    if (list_ == List::kImages && key_ == "width") image_.width = integer_;
    if (list_ == List::kImages && key_ == "height") image_.height = integer_;
    if (list_ != List::kAnnotations) return true;
    if (key_ == "image_id") box_.image_id = integer_;
    if (key_ == "category_id") box_.category_id = integer_;
    if (key_ == "area") box_.area = value;
    if (key_ == "iscrowd") box_.crowd = value != 0;
    return true;
  }

  CocoFile& file_;
  int depth_ = 0;
  List list_ = List::kOther;
  std::string key_;
  int64_t integer_ = 0;
  int64_t id_ = -1;
  CocoImage image_;
  CocoBox box_;
  std::string category_;
  std::string error_;
};

// "annotations/instances_val2017.json" -> "val".
std::string SplitOf(const std::string& path, bool only_one) {
  std::string stem = Lower(StemOf(path));
  for (const char* prefix : {"instances_", "instances-", "annotations_", "person_keypoints_"}) {
    if (stem.rfind(prefix, 0) == 0) stem.erase(0, std::string(prefix).size());
  }
  while (!stem.empty() && stem.back() >= '0' && stem.back() <= '9') stem.pop_back();
  while (!stem.empty() && (stem.back() == '_' || stem.back() == '-')) stem.pop_back();
  const bool says_nothing = stem.empty() || stem == "annotations" || stem == "annotation" ||
                            stem == "_annotations.coco" || stem == "labels" || stem == "coco" ||
                            stem == "instances";
  if (!says_nothing) return stem;
  const std::string folder = Lower(FileNameOf(FolderOf(path)));
  if (folder.empty() || folder == "annotations") return only_one ? "" : Lower(StemOf(path));
  return folder;
}

class Assembly {
 public:
  Assembly(const ReadContext& context, RawDataset& raw) : context_(context), raw_(raw) {}

  void Add(const std::string& path, const CocoFile& file, const std::string& split) {
    const std::map<int64_t, std::string> categories = Categories(path, file);
    std::map<int64_t, size_t> places;
    std::map<std::string, size_t> here;
    for (const auto& [id, image] : file.images) {
      if (!places.emplace(id, raw_.pictures.size()).second) {
        context_.defects.Add(DefectKind::kDuplicateId, DefectAction::kLeftOut, path,
                             base::StrCat("image id=", id, " (", image.file_name, ")"));
        continue;
      }
      RawPicture picture;
      picture.wanted = image.file_name;
      picture.annotation_file = path;
      picture.path = context_.pictures.Find(image.file_name);
      picture.declared_width = std::max<int64_t>(image.width, 0);
      picture.declared_height = std::max<int64_t>(image.height, 0);
      if (!split.empty()) picture.splits.push_back(split);
      NoteOtherName(context_, path, picture.wanted, picture.path);
      const auto before = of_path_.find(picture.path);
      if (!picture.path.empty() && before != of_path_.end()) {
        // Another file's picture too: in both splits, with the boxes of the first.
        RawPicture& first = raw_.pictures[before->second];
        if (!split.empty()) first.splits.push_back(split);
        places[id] = kElsewhere;
        continue;
      }
      here.emplace(picture.path, raw_.pictures.size());
      raw_.pictures.push_back(std::move(picture));
    }
    of_path_.insert(here.begin(), here.end());
    std::map<int64_t, bool> seen;
    for (const CocoBox& box : file.boxes) AddBox(path, box, places, categories, seen);
  }

 private:
  static constexpr size_t kElsewhere = std::numeric_limits<size_t>::max();

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
      if (std::find(raw_.classes.begin(), raw_.classes.end(), name) == raw_.classes.end()) {
        raw_.classes.push_back(name);
      }
    }
    return categories;
  }

  void AddBox(const std::string& path, const CocoBox& box, const std::map<int64_t, size_t>& places,
              const std::map<int64_t, std::string>& categories, std::map<int64_t, bool>& seen) {
    if (box.id >= 0 && !seen.emplace(box.id, true).second) {
      context_.defects.Add(DefectKind::kDuplicateId, DefectAction::kLeftOut, path,
                           base::StrCat("annotation id=", box.id));
      return;
    }
    const auto place = places.find(box.image_id);
    const auto category = categories.find(box.category_id);
    if (place == places.end() || category == categories.end()) {
      context_.defects.Add(DefectKind::kUnknownId, DefectAction::kLeftOut, path,
                           base::StrCat("annotation id=", box.id, " image_id=", box.image_id,
                                        " category_id=", box.category_id));
      return;
    }
    if (place->second == kElsewhere) return;
    RawBox raw;
    raw.class_name = category->second;
    raw.crowd = box.crowd;
    raw.area_px2 = box.area;
    raw.difficult = false;
    if (box.bbox.size() == 4) {
      raw.corners = {box.bbox[0], box.bbox[1], box.bbox[0] + box.bbox[2],
                     box.bbox[1] + box.bbox[3]};
    } else {
      const double nan = std::numeric_limits<double>::quiet_NaN();
      raw.corners = {nan, nan, nan, nan};
    }
    raw_.pictures[place->second].boxes.push_back(std::move(raw));
  }

  const ReadContext& context_;
  RawDataset& raw_;
  std::map<std::string, size_t> of_path_;  // pictures of the files before
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
    if (EndingOf(path) != "json") continue;
    LBW_ASSIGN_OR_RETURN(const std::string text,
                         context.tree.Read(path, context.options.limits.max_json_bytes));
    CocoFile file;
    CocoReader reader(file);
    if (!nlohmann::json::sax_parse(text, &reader)) {
      return BadDataset(base::StrCat(
          path, " is no JSON: ", reader.error().empty() ? "nested too deep" : reader.error()));
    }
    if (file.has_images) {
      files.emplace_back(path, std::move(file));
    } else {
      context.defects.Add(DefectKind::kExtraFile, DefectAction::kNoted, path, "no list of images");
    }
  }
  if (files.empty()) return BadDataset("no JSON file with images, annotations and categories");
  KeepInstances(context, files);
  Assembly assembly(context, raw);
  for (const auto& [path, file] : files) {
    assembly.Add(path, file, SplitOf(path, files.size() == 1));
  }
  std::set<std::string> used;
  for (const RawPicture& picture : raw.pictures) used.insert(picture.path);
  NoteUnused(context, used, "in no list of images");
  return raw;
}

}  // namespace lbw::dataset
