// An index to its dataset.
#include <charconv>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/checked.h"
#include "base/status.h"
#include "dataset/pack_index.h"
#include "dataset/pack_names.h"
#include "dataset/text.h"

namespace lbw::dataset {
namespace {

absl::Status Bad(std::string_view message) {
  return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadFile,
                     base::StrCat("index of the pack: ", message));
}

// The columns as they stand in the index.
struct Columns {
  std::map<std::string, std::string, std::less<>> words;  // task, format, pixel_rule
  std::map<std::string, std::vector<std::string>, std::less<>> strings;
  std::map<std::string, std::vector<uint64_t>, std::less<>> unsigneds;
  std::map<std::string, std::vector<float>, std::less<>> floats;
  std::vector<int32_t> labels;
  std::vector<std::optional<double>> areas;
  uint64_t version = 0;
};

enum class Kind : uint8_t { kVersion, kWord, kStrings, kUnsigneds, kFloats, kLabels, kAreas };

const std::map<std::string_view, Kind>& Keys() {
  static const auto& keys = *new std::map<std::string_view, Kind>{
      {"v", Kind::kVersion},       {"task", Kind::kWord},        {"format", Kind::kWord},
      {"pixel_rule", Kind::kWord}, {"classes", Kind::kStrings},  {"splits", Kind::kStrings},
      {"names", Kind::kStrings},   {"widths", Kind::kUnsigneds}, {"heights", Kind::kUnsigneds},
      {"bytes", Kind::kUnsigneds}, {"in", Kind::kUnsigneds},     {"labels", Kind::kLabels},
      {"boxes", Kind::kUnsigneds}, {"x0", Kind::kFloats},        {"y0", Kind::kFloats},
      {"x1", Kind::kFloats},       {"y1", Kind::kFloats},        {"class", Kind::kUnsigneds},
      {"flags", Kind::kUnsigneds}, {"areas", Kind::kAreas}};
  return keys;
}

// Receives the JSON value by value; every method tells whether to go on.
class Reader final : public nlohmann::json_sax<nlohmann::json> {
 public:
  explicit Reader(Columns& columns) : columns_(columns) {}
  const std::string& problem() const { return problem_; }
  size_t keys_seen() const { return seen_.size(); }

  bool null() override {
    if (!in_array_ || kind_ != Kind::kAreas) return Fail("a null");
    columns_.areas.emplace_back();
    return true;
  }
  bool boolean(bool) override { return Fail("a truth value"); }
  bool number_integer(number_integer_t value) override {
    if (in_array_ && kind_ == Kind::kLabels && value == -1) {
      columns_.labels.push_back(-1);
      return true;
    }
    return Real(static_cast<double>(value), static_cast<float>(value));
  }
  bool number_unsigned(number_unsigned_t value) override {
    if (!in_array_) {
      if (!in_object_ || kind_ != Kind::kVersion || key_.empty()) return Fail("a number");
      columns_.version = value;
      return true;
    }
    if (kind_ == Kind::kUnsigneds) {
      unsigneds_->push_back(value);
      return true;
    }
    if (kind_ == Kind::kLabels) {
      if (value > INT32_MAX) return Fail("a label out of range");
      columns_.labels.push_back(static_cast<int32_t>(value));
      return true;
    }
    return Real(static_cast<double>(value), static_cast<float>(value));
  }
  bool number_float(number_float_t value, const string_t& text) override {
    if (kind_ != Kind::kFloats) return Real(value, 0);
    // From the digits: by way of a double it would be rounded twice.
    float number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || end != text.data() + text.size()) return Fail("a float32");
    return Real(value, number);
  }
  bool string(string_t& text) override {
    if (in_array_ && kind_ == Kind::kStrings) {
      strings_->push_back(std::move(text));
      return true;
    }
    if (in_array_ || !in_object_ || kind_ != Kind::kWord) return Fail("a string");
    columns_.words[key_] = std::move(text);
    return true;
  }
  bool binary(binary_t&) override { return Fail("bytes"); }
  bool start_object(std::size_t) override {
    if (in_object_) return Fail("an object");
    in_object_ = true;
    return true;
  }
  bool end_object() override { return true; }
  bool key(string_t& name) override {
    const auto found = Keys().find(name);
    if (found == Keys().end()) return Fail(base::StrCat("the unknown key '", Shown(name), "'"));
    if (seen_[name]) return Fail(base::StrCat("the key '", Shown(name), "' twice"));
    seen_[name] = true;
    key_ = name;
    kind_ = found->second;
    if (kind_ == Kind::kStrings) strings_ = &columns_.strings[key_];
    if (kind_ == Kind::kUnsigneds) unsigneds_ = &columns_.unsigneds[key_];
    if (kind_ == Kind::kFloats) floats_ = &columns_.floats[key_];
    return true;
  }
  bool start_array(std::size_t) override {
    if (in_array_ || !in_object_ || kind_ == Kind::kVersion || kind_ == Kind::kWord) {
      return Fail("an array");
    }
    in_array_ = true;
    return true;
  }
  bool end_array() override {
    in_array_ = false;
    return true;
  }
  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception&) override {
    problem_ = base::StrCat("not JSON at byte ", position);
    return false;
  }

 private:
  bool Real(double wide, float narrow) {
    if (!in_array_) return Fail("a number");
    if (kind_ == Kind::kFloats && std::isfinite(narrow)) {
      floats_->push_back(narrow);
      return true;
    }
    if (kind_ == Kind::kAreas && std::isfinite(wide)) {
      columns_.areas.emplace_back(wide);
      return true;
    }
    return Fail("a number");
  }
  bool Fail(std::string_view what) {
    problem_ = base::StrCat("does not expect ", what);
    if (!key_.empty()) base::StrAppend(&problem_, " at or after '", key_, "'");
    return false;
  }

  Columns& columns_;
  std::map<std::string, bool, std::less<>> seen_;
  std::string problem_;
  std::string key_;
  Kind kind_ = Kind::kVersion;
  std::vector<std::string>* strings_ = nullptr;  // the key's column
  std::vector<uint64_t>* unsigneds_ = nullptr;
  std::vector<float>* floats_ = nullptr;
  bool in_object_ = false;
  bool in_array_ = false;
};

absl::StatusOr<Columns> Parse(std::string_view json) {
  Columns columns;
  Reader reader(columns);
  bool whole = false;
  try {
    whole = nlohmann::json::sax_parse(json.begin(), json.end(), &reader);
  } catch (const nlohmann::json::exception& error) {
    return Bad(Shown(error.what()));
  }
  if (!whole) return Bad(reader.problem().empty() ? "not JSON" : reader.problem());
  if (columns.version != 1) {
    return Bad(base::StrCat("its version is not known: v=", columns.version, " known=1"));
  }
  if (reader.keys_seen() != Keys().size()) return Bad("a key is missing");
  return columns;
}

template <typename Enum, size_t kCount>
absl::Status ReadWord(const Columns& columns, std::string_view key,
                      const std::array<std::string_view, kCount>& names, Enum& out) {
  const std::string& word = columns.words.find(key)->second;
  for (size_t i = 0; i < kCount; ++i) {
    if (names[i] != word) continue;
    out = static_cast<Enum>(i);
    return absl::OkStatus();
  }
  return Bad(base::StrCat("unknown ", key, " '", Shown(word), "'"));
}

absl::Status CheckLength(std::string_view key, size_t length, size_t wanted) {
  if (length == wanted) return absl::OkStatus();
  return Bad(base::StrCat("column '", key, "' has ", length, " values instead of ", wanted));
}

absl::Status CheckLengths(const Columns& columns, size_t pictures, size_t boxes) {
  for (const char* key : {"widths", "heights", "bytes", "in", "boxes"}) {
    LBW_RETURN_IF_ERROR(CheckLength(key, columns.unsigneds.find(key)->second.size(), pictures));
  }
  LBW_RETURN_IF_ERROR(CheckLength("labels", columns.labels.size(), pictures));
  for (const auto& [key, values] : columns.floats) {
    LBW_RETURN_IF_ERROR(CheckLength(key, values.size(), boxes));
  }
  for (const char* key : {"class", "flags"}) {
    LBW_RETURN_IF_ERROR(CheckLength(key, columns.unsigneds.find(key)->second.size(), boxes));
  }
  if (columns.areas.empty()) return absl::OkStatus();
  return CheckLength("areas", columns.areas.size(), boxes);
}

// Columns of checked lengths to pictures.
class Assembler {
 public:
  explicit Assembler(Columns& columns) : c_(columns) {}

  absl::Status Into(Dataset& dataset) {
    std::vector<std::string>& names = c_.strings.find("names")->second;
    const std::vector<uint64_t>& box_counts = U("boxes");
    const std::vector<uint64_t>& bytes = U("bytes");
    dataset.pictures.resize(names.size());
    uint64_t offset = 0;
    size_t first_box = 0;
    for (size_t i = 0; i < names.size(); ++i) {
      Picture& picture = dataset.pictures[i];
      picture.name = std::move(names[i]);
      LBW_RETURN_IF_ERROR(Side(U("widths")[i], picture.width));
      LBW_RETURN_IF_ERROR(Side(U("heights")[i], picture.height));
      picture.offset = offset;
      picture.size_bytes = bytes[i];
      const auto end = base::CheckedAdd(offset, bytes[i]);
      if (!end) return Bad("the sizes of the pictures overflow");
      offset = *end;
      if (c_.labels[i] >= 0) picture.label = c_.labels[i];
      LBW_RETURN_IF_ERROR(Splits(U("in")[i], picture));
      LBW_RETURN_IF_ERROR(Boxes(first_box, static_cast<size_t>(box_counts[i]), picture));
      first_box += static_cast<size_t>(box_counts[i]);
    }
    return absl::OkStatus();
  }

 private:
  const std::vector<uint64_t>& U(std::string_view key) const {
    return c_.unsigneds.find(key)->second;
  }
  const std::vector<float>& F(std::string_view key) const { return c_.floats.find(key)->second; }

  static absl::Status Side(uint64_t value, int64_t& out) {
    if (value > INT32_MAX) return Bad(base::StrCat("a side is too long: ", value));
    out = static_cast<int64_t>(value);
    return absl::OkStatus();
  }
  static absl::Status Splits(uint64_t mask, Picture& picture) {
    for (int32_t i = 0; i < static_cast<int32_t>(kMaxPackSplits); ++i) {
      if ((mask >> i & 1) != 0) picture.splits.push_back(i);
    }
    return absl::OkStatus();
  }
  absl::Status Boxes(size_t first, size_t count, Picture& picture) const {
    picture.annotations.resize(count);
    for (size_t i = 0; i < count; ++i) {
      Annotation& annotation = picture.annotations[i];
      const size_t at = first + i;
      annotation.box = {x0_[at], y0_[at], x1_[at], y1_[at]};
      if (class_[at] > INT32_MAX || flags_[at] > 3) return Bad("a class or flag out of range");
      annotation.class_index = static_cast<int32_t>(class_[at]);
      annotation.difficult = (flags_[at] & 1) != 0;
      annotation.crowd = (flags_[at] & 2) != 0;
      if (!c_.areas.empty()) annotation.area_px2 = c_.areas[at];
    }
    return absl::OkStatus();
  }

  Columns& c_;
  const std::vector<float>& x0_ = F("x0");
  const std::vector<float>& y0_ = F("y0");
  const std::vector<float>& x1_ = F("x1");
  const std::vector<float>& y1_ = F("y1");
  const std::vector<uint64_t>& class_ = U("class");
  const std::vector<uint64_t>& flags_ = U("flags");
};

}  // namespace

absl::StatusOr<Dataset> DecodeIndex(std::string_view json) {
  LBW_ASSIGN_OR_RETURN(Columns columns, Parse(json));
  Dataset dataset;
  LBW_RETURN_IF_ERROR(ReadWord(columns, "task", kTaskNames, dataset.task));
  LBW_RETURN_IF_ERROR(ReadWord(columns, "format", kFormatNames, dataset.format));
  LBW_RETURN_IF_ERROR(ReadWord(columns, "pixel_rule", kPixelRuleNames, dataset.pixel_rule));
  dataset.classes = std::move(columns.strings.find("classes")->second);
  dataset.splits = std::move(columns.strings.find("splits")->second);
  uint64_t boxes = 0;
  for (const uint64_t count : columns.unsigneds.find("boxes")->second) {
    const auto sum = base::CheckedAdd(boxes, count);
    if (!sum) return Bad("the counts of boxes overflow");
    boxes = *sum;
  }
  LBW_RETURN_IF_ERROR(CheckLengths(columns, columns.strings.find("names")->second.size(),
                                   static_cast<size_t>(boxes)));
  LBW_RETURN_IF_ERROR(Assembler(columns).Into(dataset));
  Ticker silent({});
  const absl::Status valid = ValidateDataset(dataset, silent);
  if (!valid.ok()) return Bad(base::Std(valid.message()));
  return dataset;
}

}  // namespace lbw::dataset
