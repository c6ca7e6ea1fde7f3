#include "dataset/coco_file.h"

#include <algorithm>
#include <cmath>
#include <istream>
#include <limits>
#include <streambuf>
#include <utility>

#include "absl/strings/numbers.h"
#include "base/status.h"
#include "base/strings.h"
#include "dataset/text.h"
#include "dataset/tree_stream.h"
#include "nlohmann/json.hpp"

namespace lbw::dataset {
namespace {

// The file's bytes as the parser takes them. The parser keeps all that it reads from the beginning
// of a string or a number to that of the next: a gigabyte of either, or of spaces, ends here.
class JsonBytes final : public std::streambuf {
 public:
  JsonBytes(TreeStream stream, std::string path, uint64_t max_token_bytes)
      : stream_(std::move(stream)), path_(std::move(path)), max_token_bytes_(max_token_bytes) {}
  const absl::Status& status() const { return status_; }

 protected:
  int_type underflow() override {
    if (!status_.ok()) return traits_type::eof();
    const absl::StatusOr<std::string_view> piece = stream_.Next();
    status_ = piece.status();
    if (!status_.ok() || piece->empty()) return traits_type::eof();
    piece_.assign(*piece);
    Measure();
    if (!status_.ok()) return traits_type::eof();
    setg(piece_.data(), piece_.data(), piece_.data() + piece_.size());
    return traits_type::to_int_type(piece_.front());
  }

 private:
  void Measure() {
    for (const char c : piece_) {
      ++read_;
      ++token_;
      if (in_string_) {
        if (c == '"' && !escaped_) in_string_ = false;
        escaped_ = c == '\\' && !escaped_;
        in_number_ = false;
      } else if (c == '"') {
        in_string_ = true;
        token_ = 1;
      } else {
        const bool number = c == '-' || (c >= '0' && c <= '9');
        if (number && !in_number_) token_ = 1;
        in_number_ = number || (in_number_ && (c == '.' || c == 'e' || c == 'E' || c == '+'));
      }
      if (token_ <= max_token_bytes_) continue;
      status_ = base::Error(absl::StatusCode::kInvalidArgument, base::reason::kLimitExceeded,
                            base::StrCat(Shown(path_), " byte ", read_,
                                         ": a value, or what is between two, is longer than the "
                                         "limit: bytes=",
                                         token_, " limit=", max_token_bytes_));
      return;
    }
  }

  TreeStream stream_;
  const std::string path_;
  const uint64_t max_token_bytes_;
  std::string piece_;
  absl::Status status_;
  uint64_t read_ = 0;
  uint64_t token_ = 0;  // bytes since the last string or number began
  bool in_string_ = false;
  bool escaped_ = false;
  bool in_number_ = false;
};

// Keeps what is wanted as it comes by: a file of a gigabyte is never a tree of objects.
// Segmentations are skipped number by number.
class CocoReader final : public nlohmann::json_sax<nlohmann::json> {
 public:
  CocoReader(const ReadContext& context, const std::string& path, CocoFile& file)
      : context_(context), path_(path), file_(file) {}

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
    if (depth_-- == kItem) status_ = End();
    return status_.ok();
  }
  bool start_array(std::size_t) override { return ++depth_ <= kDeepest; }
  bool end_array() override {
    --depth_;
    return true;
  }
  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception& error) override {
    error_ = base::StrCat("byte ", position, ": ", Shown(error.what(), 300));
    return false;
  }
  const std::string& error() const { return error_; }
  const absl::Status& status() const { return status_; }

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
  // Ends the reading at the first item beyond a limit.
  absl::Status End() {
    if (list_ == List::kImages) {
      // Only what the item itself takes: it is counted as a picture when it becomes one.
      LBW_RETURN_IF_ERROR(context_.budget.Keep(sizeof(CocoImage) + image_.file_name.size(), path_));
      if (static_cast<int64_t>(file_.images.size()) >= context_.options.limits.max_pictures) {
        return BeyondLimit("number of images", path_, file_.images.size() + 1,
                           static_cast<uint64_t>(context_.options.limits.max_pictures));
      }
      image_.id = id_;
      file_.images.push_back(std::move(image_));
    } else if (list_ == List::kCategories) {
      LBW_RETURN_IF_ERROR(CheckNameLength(base::StrCat(path_, ": categories.name of id ", id_),
                                          category_, context_.options.limits));
      LBW_RETURN_IF_ERROR(context_.budget.Keep(sizeof(std::string) + 3 * category_.size(), path_));
      if (static_cast<int64_t>(file_.categories.size()) >= context_.options.limits.max_classes) {
        return BeyondLimit("number of categories", path_, file_.categories.size() + 1,
                           static_cast<uint64_t>(context_.options.limits.max_classes));
      }
      file_.categories.emplace_back(id_, std::move(category_));
    } else if (list_ == List::kAnnotations) {
      LBW_RETURN_IF_ERROR(context_.budget.KeepBox(0, path_));
      box_.id = id_;
      file_.boxes.push_back(box_);
    }
    return absl::OkStatus();
  }
  bool Number(double value) {
    if (depth_ == kItem + 1 && list_ == List::kAnnotations && key_ == "bbox") {
      if (box_.numbers < 4) box_.bbox[box_.numbers] = value;
      if (box_.numbers < 5) ++box_.numbers;
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

  const ReadContext& context_;
  const std::string& path_;
  CocoFile& file_;
  absl::Status status_;
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

}  // namespace

absl::StatusOr<CocoFile> ReadCocoFile(const ReadContext& context, const std::string& path) {
  const DatasetLimits& limits = context.options.limits;
  LBW_ASSIGN_OR_RETURN(TreeStream stream,
                       TreeStream::Open(context.tree, path, limits.max_json_bytes, context.ticker));
  JsonBytes bytes(std::move(stream), path, limits.max_json_token_bytes);
  std::istream text(&bytes);
  CocoFile file;
  CocoReader reader(context, path, file);
  const bool parsed = nlohmann::json::sax_parse(text, &reader);
  LBW_RETURN_IF_ERROR(bytes.status());
  LBW_RETURN_IF_ERROR(reader.status());
  if (parsed) return file;
  return BadDataset(base::StrCat(
      path,
      " is no JSON: ", reader.error().empty() ? "nested too deep" : Shown(reader.error(), 400)));
}

}  // namespace lbw::dataset
