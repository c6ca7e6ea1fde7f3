#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "base/strings.h"
#include "dataset/check_boxes.h"
#include "dataset/formats.h"
#include "dataset/look_at_pictures.h"
#include "dataset/picture_facts.h"
#include "dataset/read.h"
#include "dataset/text.h"
#include "dataset/ticker.h"

namespace lbw::dataset {
namespace {

// The commonest reasons for which pictures were left out, for the error of a dataset without any.
std::string Commonest(const DefectList& defects) {
  std::vector<std::pair<uint64_t, std::string>> found;
  for (const auto& [kind, count] : defects.counts()) {
    if (count.left_out > 0)
      found.emplace_back(count.left_out, std::string(Name(kind)) + " (" + count.example + ")");
  }
  std::sort(found.rbegin(), found.rend());
  constexpr size_t kMost = 3;
  std::string text;
  for (size_t i = 0; i < std::min(found.size(), kMost); ++i) {
    text += base::StrCat(i == 0 ? "" : ", ", found[i].first, " x ", found[i].second);
  }
  return text.empty() ? "no annotations" : text;
}

// That tells of the picture: its annotation's, else its own.
const std::string& FileOf(const RawPicture& picture) {
  return picture.annotation_file.empty() ? picture.path : picture.annotation_file;
}

class Checker {
 public:
  Checker(const FileTree& tree, const RawDataset& raw, const ReadOptions& options,
          DefectList& defects, const Tick& tick)
      : tree_(tree), raw_(raw), options_(options), defects_(defects), ticker_(tick) {}

  absl::StatusOr<Dataset> Run(const CheckSinks& sinks);

 private:
  std::string Mapped(const std::string& label) const {
    const auto found = options_.class_map.find(label);
    if (found != options_.class_map.end()) return found->second;
    return IsUtf8(label) ? label : Shown(label);  // what follows is JSON
  }
  absl::Status ChooseClasses();
  std::string WhereClass(const std::string& name) const;
  absl::StatusOr<std::vector<std::string>> FindClasses();
  absl::Status ChooseSplits();
  absl::StatusOr<std::vector<const RawPicture*>> InOrder();
  bool CheckDecoded(const LookedAt& looked, const std::string& name);
  bool CheckPicture(const LookedAt& looked, Picture& picture);
  void TakeBoxes(const RawPicture& raw, const PictureFacts& facts, bool turn, Picture& picture);
  void NoteFacts(const std::string& name, const PictureFacts& facts);
  bool BoxesAreStored(const RawPicture& raw, const PictureFacts& facts, const Picture& picture);
  void NoteSize(const RawPicture& raw, const Picture& picture, bool turned);
  void AddSplits(const RawPicture& raw, Picture& picture);

  const FileTree& tree_;
  const RawDataset& raw_;
  const ReadOptions& options_;
  DefectList& defects_;
  Ticker ticker_;
  Dataset data_;
  ClassIndex classes_;
  std::map<std::string, int32_t> splits_;
  std::map<std::string, std::string> digests_;  // of pictures, to the first that has it
};

// The file and field that gave a class its name.
std::string Checker::WhereClass(const std::string& name) const {
  const auto is = [&](const std::string& label) { return Mapped(label) == name; };
  const std::vector<std::string>& given = options_.classes;
  if (std::find(given.begin(), given.end(), name) != given.end()) return "classes";
  for (const auto& [from, to] : options_.class_map) {
    if (to == name) return base::StrCat("class_map[", Shown(from, 40), "]");
  }
  for (const RawPicture& picture : raw_.pictures) {
    const std::string& file = FileOf(picture);
    if (picture.label.has_value() && is(*picture.label)) return base::StrCat(file, ": label");
    for (const RawBox& box : picture.boxes) {
      if (is(box.class_name)) return base::StrCat(file, ": class of a box");
    }
  }
  return "list of classes";
}

// As the files have them, mapped.
absl::StatusOr<std::vector<std::string>> Checker::FindClasses() {
  std::vector<std::string> names;
  std::set<std::string> found;
  for (const std::string& label : raw_.classes) {
    const std::string mapped = Mapped(label);
    if (!mapped.empty() && found.insert(mapped).second) names.push_back(mapped);
  }
  if (!raw_.classes.empty()) return names;
  // A format without a list of its own: by name.
  for (const RawPicture& picture : raw_.pictures) {
    LBW_RETURN_IF_ERROR(ticker_.Items(1 + picture.boxes.size()));
    for (const RawBox& box : picture.boxes) found.insert(Mapped(box.class_name));
  }
  found.erase("");
  return InClassOrder(found);
}

absl::Status Checker::ChooseClasses() {
  std::vector<std::string> names = options_.classes;
  if (names.empty()) {
    LBW_ASSIGN_OR_RETURN(names, FindClasses());
  }
  if (static_cast<int64_t>(names.size()) > options_.limits.max_classes) {
    return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kLimitExceeded,
                       base::StrCat("too many classes: classes=", names.size(),
                                    " limit=", options_.limits.max_classes));
  }
  for (const std::string& name : names) {
    if (name.empty()) return BadDataset("a class has no name");
    if (name.size() > options_.limits.max_class_name_bytes) {
      return CheckNameLength(WhereClass(name), name, options_.limits);
    }
    const bool added = classes_.emplace(name, static_cast<int32_t>(data_.classes.size())).second;
    if (added) data_.classes.push_back(name);
  }
  return absl::OkStatus();
}

absl::Status Checker::ChooseSplits() {
  std::set<std::string> names;
  bool some_without = false;
  for (const RawPicture& picture : raw_.pictures) {
    LBW_RETURN_IF_ERROR(ticker_.Items());
    for (const std::string& name : picture.splits) {
      if (!names.insert(name).second) continue;
      LBW_RETURN_IF_ERROR(
          CheckNameLength(base::StrCat(FileOf(picture), ": split"), name, options_.limits));
    }
    some_without = some_without || picture.splits.empty();
  }
  if (names.empty()) names.insert("all");
  // Pictures that no split names are still there for who asks for all of them.
  if (some_without && names.count("all") == 0) names.insert("unlisted");
  if (static_cast<int64_t>(names.size()) > options_.limits.max_splits) {
    return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kLimitExceeded,
                       base::StrCat("too many splits: splits=", names.size(),
                                    " limit=", options_.limits.max_splits));
  }
  for (const std::string& name : names) {
    splits_[name] = static_cast<int32_t>(data_.splits.size());
    data_.splits.push_back(name);
  }
  return absl::OkStatus();
}

void Checker::NoteFacts(const std::string& name, const PictureFacts& facts) {
  const auto note = [&](bool is, DefectKind kind, const char* what) {
    if (is) defects_.Add(kind, DefectAction::kNoted, name, what);
  };
  const std::string ending = EndingOf(name);
  const bool png = facts.kind == PictureFacts::Kind::kPng;
  const bool says_jpeg = ending == "jpg" || ending == "jpeg" || ending == "jpe" || ending == "jfif";
  if (png ? ending != "png" : !says_jpeg) {
    defects_.Add(DefectKind::kWrongExtension, DefectAction::kRepaired, name,
                 base::StrCat("a ", png ? "PNG" : "JPEG", ", read by its content"));
  }
  note(facts.grey, DefectKind::kGrey, "converted when decoded");
  note(facts.alpha, DefectKind::kRgba, "alpha is dropped when decoded");
  note(facts.palette, DefectKind::kPalette, "converted when decoded");
  note(facts.cmyk, DefectKind::kCmyk, "converted when decoded");
  note(facts.sixteen_bit, DefectKind::kSixteenBit, "the low byte is dropped when decoded");
}

// Whether annotations are of the picture as it is stored, before EXIF turns it.
bool Checker::BoxesAreStored(const RawPicture& raw, const PictureFacts& facts,
                             const Picture& picture) {
  if (facts.orientation == 1) return false;
  const bool stored =
      raw.declared_width == facts.stored_width && raw.declared_height == facts.stored_height;
  const bool upright = raw.declared_width == picture.width && raw.declared_height == picture.height;
  const bool turn = stored && !upright && !raw.boxes.empty();
  defects_.Add(DefectKind::kExifRotation, turn ? DefectAction::kRepaired : DefectAction::kNoted,
               picture.name,
               base::StrCat("orientation=", facts.orientation,
                            turn ? ": boxes turned with the picture" : ": boxes taken as upright"));
  return turn;
}

void Checker::NoteSize(const RawPicture& raw, const Picture& picture, bool turned) {
  if (!raw_.tells_size || turned) return;
  if (raw.declared_width == 0 || raw.declared_height == 0) {
    defects_.Add(DefectKind::kSizeMissing, DefectAction::kRepaired, picture.name,
                 base::StrCat("declared=", raw.declared_width, "x", raw.declared_height,
                              " picture=", picture.width, "x", picture.height));
  } else if (raw.declared_width != picture.width || raw.declared_height != picture.height) {
    defects_.Add(DefectKind::kSizeDiffers, DefectAction::kRepaired, picture.name,
                 base::StrCat("declared=", raw.declared_width, "x", raw.declared_height,
                              " picture=", picture.width, "x", picture.height));
  }
}

void Checker::AddSplits(const RawPicture& raw, Picture& picture) {
  std::set<int32_t> indices;
  for (const std::string& name : raw.splits) {
    const auto found = splits_.find(name);
    if (found != splits_.end()) indices.insert(found->second);
  }
  if (indices.empty())
    indices.insert(splits_.count("all") != 0 ? splits_["all"] : splits_["unlisted"]);
  picture.splits.assign(indices.begin(), indices.end());
  if (picture.splits.size() < 2) return;
  std::string names;
  for (const int32_t index : picture.splits) {
    names += (names.empty() ? "" : ", ") + data_.splits[static_cast<size_t>(index)];
  }
  defects_.Add(DefectKind::kSplitOverlap, DefectAction::kNoted, picture.name, names);
}

// False: it is no picture that can be read, and is named.
bool Checker::CheckDecoded(const LookedAt& looked, const std::string& name) {
  const auto leave_out = [&](DefectKind kind, std::string_view detail) {
    defects_.Add(kind, DefectAction::kLeftOut, name, detail);
    return false;
  };
  if (!looked.encoded.ok()) {
    return leave_out(DefectKind::kPictureTooLarge, base::Std(looked.encoded.status().message()));
  }
  if (looked.encoded->empty()) return leave_out(DefectKind::kPictureBroken, "0 bytes");
  if (looked.facts.kind == PictureFacts::Kind::kOther) {
    return leave_out(DefectKind::kUnsupportedPicture, "neither a JPEG nor a PNG");
  }
  if (looked.decoded.ok()) return true;
  const bool large =
      base::GetErrorDetails(looked.decoded).reason == base::reason::kImageTooLarge.text;
  return leave_out(large ? DefectKind::kPictureTooLarge : DefectKind::kPictureBroken,
                   base::Std(looked.decoded.message()));
}

// False: the picture is left out.
bool Checker::CheckPicture(const LookedAt& looked, Picture& picture) {
  if (!CheckDecoded(looked, picture.name)) return false;
  const RawPicture& raw = *looked.raw;
  const PictureFacts& facts = looked.facts;
  picture.width = looked.width;
  picture.height = looked.height;
  picture.size_bytes = looked.encoded->size();
  if (!raw.png.has_value()) NoteFacts(picture.name, facts);
  const bool turn = BoxesAreStored(raw, facts, picture);
  NoteSize(raw, picture, turn);
  const auto [first, is_new] = digests_.emplace(looked.sha256, picture.name);
  if (!is_new) {
    defects_.Add(DefectKind::kDuplicatePicture, DefectAction::kNoted, picture.name,
                 base::StrCat("the same bytes as ", first->second));
  }
  if (raw_.task == Task::kClassification) {
    const auto label = classes_.find(Mapped(raw.label.value_or("")));
    if (label == classes_.end()) {
      defects_.Add(DefectKind::kUnknownClass, DefectAction::kLeftOut, picture.name,
                   base::StrCat("class ", raw.label.value_or("")));
      return false;
    }
    picture.label = label->second;
    return true;
  }
  TakeBoxes(raw, facts, turn, picture);
  return true;
}

void Checker::TakeBoxes(const RawPicture& raw, const PictureFacts& facts, bool turn,
                        Picture& picture) {
  BoxFrame frame;
  frame.width = picture.width;
  frame.height = picture.height;
  frame.pixel_rule = raw_.pixel_rule;
  frame.tells_difficult = raw_.tells_difficult;
  frame.turn = turn;
  frame.orientation = facts.orientation;
  // One file of COCO's has everybody's boxes.
  const bool own_file = raw_.format != Format::kCoco && !raw.annotation_file.empty();
  frame.file = own_file ? raw.annotation_file : picture.name;
  std::vector<RawBox> boxes = raw.boxes;
  const auto most = static_cast<size_t>(options_.limits.max_boxes_a_picture);
  if (boxes.size() + raw.boxes_not_kept > most) {
    defects_.Add(DefectKind::kTooManyBoxes, DefectAction::kLeftOut, frame.file,
                 base::StrCat("boxes=", boxes.size() + raw.boxes_not_kept, " limit=", most));
    boxes.resize(std::min(boxes.size(), most));
  }
  for (RawBox& box : boxes) box.class_name = Mapped(box.class_name);
  picture.annotations = CheckBoxes(boxes, frame, classes_, defects_);
}

std::string NameOf(const RawPicture& raw) { return raw.path.empty() ? raw.wanted : raw.path; }

// Pictures that are there, each once, by their names, which is the pack's order.
absl::StatusOr<std::vector<const RawPicture*>> Checker::InOrder() {
  std::map<std::string, const RawPicture*> ordered;
  for (const RawPicture& raw : raw_.pictures) {
    LBW_RETURN_IF_ERROR(ticker_.Items());
    const bool there = raw.png.has_value() || !raw.path.empty();
    if (!there) {
      defects_.Add(DefectKind::kPictureMissing, DefectAction::kLeftOut,
                   raw.annotation_file.empty() ? raw.wanted : raw.annotation_file,
                   base::StrCat("picture=", raw.wanted, raw.missing_because.empty() ? "" : ": ",
                                raw.missing_because));
    } else if (!ordered.emplace(NameOf(raw), &raw).second) {
      defects_.Add(DefectKind::kDuplicateId, DefectAction::kLeftOut, NameOf(raw),
                   base::StrCat("annotated twice, again in ", raw.annotation_file, ": boxes=",
                                raw.boxes.size() + raw.boxes_not_kept, " are left out"));
    }
  }
  std::vector<const RawPicture*> pictures;
  for (const auto& [name, raw] : ordered) pictures.push_back(raw);
  return pictures;
}

absl::StatusOr<Dataset> Checker::Run(const CheckSinks& sinks) {
  data_.task = raw_.task;
  data_.format = raw_.format;
  data_.pixel_rule = raw_.pixel_rule;
  LBW_RETURN_IF_ERROR(ChooseClasses());
  LBW_RETURN_IF_ERROR(ChooseSplits());
  LBW_ASSIGN_OR_RETURN(const std::vector<const RawPicture*> pictures, InOrder());
  uint64_t done = 0;
  const auto take = [&](const LookedAt& looked) -> absl::Status {
    const absl::Status read = looked.encoded.status();
    if (!read.ok() && base::GetErrorDetails(read).reason != base::reason::kLimitExceeded.text) {
      return read;
    }
    Picture picture;
    picture.name = NameOf(*looked.raw);
    if (CheckPicture(looked, picture)) {
      AddSplits(*looked.raw, picture);
      if (sinks.take) LBW_RETURN_IF_ERROR(sinks.take(picture, *looked.encoded));
      data_.pictures.push_back(std::move(picture));
    }
    ++done;
    return sinks.progress ? sinks.progress(done, pictures.size()) : absl::OkStatus();
  };
  LBW_RETURN_IF_ERROR(LookAtPictures(tree_, options_.limits, sinks.threads, pictures, take));
  if (data_.pictures.empty()) {
    return BadDataset(base::StrCat("no usable picture is left: ", Commonest(defects_)));
  }
  return std::move(data_);
}

}  // namespace

absl::StatusOr<Dataset> CheckDataset(const FileTree& tree, const RawDataset& raw,
                                     const ReadOptions& options, DefectList& defects,
                                     const CheckSinks& sinks) {
  return Checker(tree, raw, options, defects, sinks.tick).Run(sinks);
}

}  // namespace lbw::dataset
