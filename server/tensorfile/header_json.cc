#include "tensorfile/header_json.h"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "absl/strings/escaping.h"
#include "base/status.h"
#include "base/strings.h"
#include "base/utf8.h"

namespace lbw::tensorfile {
namespace {

using Json = nlohmann::json;

constexpr std::string_view kMetadataName = "__metadata__";

base::Error BadFile(const std::string& message) {
  return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadFile, message);
}

// Answers every event with "unexpected"; a reader overrides what it expects. A false answer ends
// the parse, and status() tells why.
class StrictReader : public nlohmann::json_sax<Json> {
 public:
  const absl::Status& status() const { return status_; }

  bool null() override { return Unexpected("null"); }
  bool boolean(bool) override { return Unexpected("a truth value"); }
  bool number_integer(number_integer_t) override { return Unexpected("a negative number"); }
  bool number_unsigned(number_unsigned_t) override { return Unexpected("a number"); }
  bool number_float(number_float_t, const string_t&) override {
    return Unexpected("a number that is not whole or is above 2^64");
  }
  bool string(string_t&) override { return Unexpected("a string"); }
  bool binary(binary_t&) override { return Unexpected("binary data"); }
  bool start_object(size_t) override { return Unexpected("an object"); }
  bool key(string_t& name) override { return Unexpected(base::StrCat("key ", Quoted(name))); }
  bool end_object() override { return Unexpected("an end of object"); }
  bool start_array(size_t) override { return Unexpected("a list"); }
  bool end_array() override { return Unexpected("an end of list"); }
  bool parse_error(size_t position, const std::string&, const Json::exception& error) override {
    // The library's text quotes the input; its number and position say enough.
    return Fail(BadFile(
        base::StrCat("JSON header does not parse at byte ", position, " (error ", error.id, ")")));
  }

 protected:
  bool Fail(const absl::Status& status) {
    if (status_.ok()) status_ = status;
    return false;
  }
  bool Unexpected(std::string_view what) {
    return Fail(BadFile(base::StrCat("JSON header: unexpected ", what, Place())));
  }
  // Where the reader stands, for messages: " in ...", or nothing.
  virtual std::string Place() const { return ""; }

 private:
  absl::Status status_;
};

// Puts a whole number at the end of a list.
absl::Status AppendNumber(uint64_t number, size_t max_size, std::vector<int64_t>& list) {
  if (number > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
    return BadFile(base::StrCat("number above 2^63 - 1: ", number));
  }
  if (list.size() >= max_size) {
    return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kLimitExceeded,
                       base::StrCat("list of more than ", max_size, " numbers"));
  }
  list.push_back(static_cast<int64_t>(number));
  return absl::OkStatus();
}

class HeaderReader final : public StrictReader {
 public:
  explicit HeaderReader(const ReadLimits& limits) : limits_(limits) {}
  Header Take() { return std::move(header_); }

  bool start_object(size_t) override;
  bool key(string_t& name) override;
  bool end_object() override;
  bool start_array(size_t) override;
  bool end_array() override;
  bool number_unsigned(number_unsigned_t number) override;
  bool string(string_t& text) override;

 private:
  enum class At {
    kStart,
    kRoot,
    kName,
    kTensor,
    kDType,
    kShape,
    kOffsets,
    kInShape,
    kInOffsets,
    kMetadata,
    kMetadataValue,
    kDone
  };

  std::string Place() const override;
  bool Go(At to) {
    at_ = to;
    return true;
  }
  bool StartTensor();
  bool FinishTensor();
  bool SetDType(const std::string& name);

  const ReadLimits limits_;
  Header header_;
  At at_ = At::kStart;
  std::string key_;
  bool has_metadata_ = false;
  bool has_dtype_ = false;
  bool has_shape_ = false;
  bool has_offsets_ = false;
  std::vector<int64_t> offsets_;
};

std::string HeaderReader::Place() const {
  switch (at_) {
    case At::kStart:
    case At::kRoot:
    case At::kDone:
      return "";
    case At::kMetadata:
    case At::kMetadataValue:
      return " in __metadata__";
    case At::kName:
      return base::StrCat(" as tensor ", Quoted(key_));
    default:
      return base::StrCat(" in tensor ", Quoted(header_.tensors.back().name));
  }
}

bool HeaderReader::start_object(size_t) {
  if (at_ == At::kStart) return Go(At::kRoot);
  if (at_ != At::kName) return Unexpected("an object");
  if (key_ != kMetadataName) return StartTensor();
  if (has_metadata_) return Unexpected("second __metadata__");
  has_metadata_ = true;
  return Go(At::kMetadata);
}

bool HeaderReader::StartTensor() {
  if (header_.tensors.size() >= limits_.max_tensors) {
    return Fail(
        base::Error(absl::StatusCode::kInvalidArgument, base::reason::kLimitExceeded,
                    base::StrCat("a file may have at most ", limits_.max_tensors, " tensors")));
  }
  header_.tensors.emplace_back().name = std::move(key_);
  has_dtype_ = has_shape_ = has_offsets_ = false;
  offsets_.clear();
  return Go(At::kTensor);
}

bool HeaderReader::key(string_t& name) {
  if (at_ == At::kRoot) {
    key_ = std::move(name);
    return Go(At::kName);
  }
  if (at_ == At::kMetadata) {
    if (header_.metadata.count(name) != 0)
      return Unexpected(base::StrCat("second key ", Quoted(name)));
    key_ = std::move(name);
    return Go(At::kMetadataValue);
  }
  // A second "dtype" and the like falls through.
  if (at_ == At::kTensor && name == "dtype" && !std::exchange(has_dtype_, true))
    return Go(At::kDType);
  if (at_ == At::kTensor && name == "shape" && !std::exchange(has_shape_, true))
    return Go(At::kShape);
  if (at_ == At::kTensor && name == "data_offsets" && !std::exchange(has_offsets_, true)) {
    return Go(At::kOffsets);
  }
  return Unexpected(base::StrCat("or second key ", Quoted(name)));
}

bool HeaderReader::end_object() {
  if (at_ == At::kTensor) return FinishTensor();
  if (at_ == At::kMetadata) return Go(At::kRoot);
  if (at_ == At::kRoot) return Go(At::kDone);
  return Unexpected("an end of object");
}

bool HeaderReader::FinishTensor() {
  HeaderTensor& tensor = header_.tensors.back();
  if (!has_dtype_ || !has_shape_ || !has_offsets_) {
    return Fail(BadFile(base::StrCat("tensor ", Quoted(tensor.name),
                                     " needs dtype, shape and data_offsets: ",
                                     !has_dtype_   ? "dtype"
                                     : !has_shape_ ? "shape"
                                                   : "data_offsets",
                                     " is missing")));
  }
  if (offsets_.size() != 2 || offsets_[0] > offsets_[1]) {
    return Fail(BadFile(base::StrCat("data_offsets of tensor ", Quoted(tensor.name),
                                     " must be two rising numbers")));
  }
  tensor.begin = offsets_[0];
  tensor.end = offsets_[1];
  return Go(At::kRoot);
}

bool HeaderReader::start_array(size_t) {
  if (at_ == At::kShape) return Go(At::kInShape);
  if (at_ == At::kOffsets) return Go(At::kInOffsets);
  return Unexpected("a list");
}

bool HeaderReader::end_array() {
  if (at_ == At::kInShape || at_ == At::kInOffsets) return Go(At::kTensor);
  return Unexpected("an end of list");
}

bool HeaderReader::number_unsigned(number_unsigned_t number) {
  absl::Status status;
  if (at_ == At::kInShape) {
    status = AppendNumber(number, limits_.max_rank, header_.tensors.back().shape);
  } else if (at_ == At::kInOffsets) {
    if (offsets_.size() == 2) return Unexpected("third offset");
    status = AppendNumber(number, 2, offsets_);
  } else {
    return Unexpected("a number");
  }
  return status.ok() || Fail(base::WithContext(status, base::StrCat("JSON header", Place())));
}

bool HeaderReader::string(string_t& text) {
  if (at_ == At::kDType) return SetDType(text);
  if (at_ != At::kMetadataValue) return Unexpected("a string");
  header_.metadata.emplace(std::move(key_), std::move(text));
  return Go(At::kMetadata);
}

bool HeaderReader::SetDType(const std::string& name) {
  HeaderTensor& tensor = header_.tensors.back();
  const std::optional<base::DType> dtype = base::DTypeFromName(name);
  if (!dtype) {
    return Fail(base::Error(absl::StatusCode::kInvalidArgument, base::reason::kUnsupportedFormat,
                            base::StrCat("tensor ", Quoted(tensor.name), ": dtype ", Quoted(name),
                                         " is not supported (BOOL, U8, I8, U16, I16, U32, I32, "
                                         "U64, I64, F16, BF16, F32, F64 are)")));
  }
  tensor.dtype = *dtype;
  return Go(At::kTensor);
}

class FlatReader final : public StrictReader {
 public:
  explicit FlatReader(const ReadLimits& limits) : limits_(limits) {}
  FlatObject Take() { return std::move(object_); }

  bool start_object(size_t) override {
    if (depth_ != 0) return Unexpected("an object");
    depth_ = 1;
    return true;
  }
  bool end_object() override { return true; }
  bool key(string_t& name) override {
    const auto [at, fresh] = object_.try_emplace(name);
    if (!fresh) return Unexpected(base::StrCat("second key ", Quoted(name)));
    value_ = &at->second;
    return true;
  }
  bool start_array(size_t) override {
    if (value_ == nullptr || list_ != nullptr) return Unexpected("a list");
    list_ = &value_->emplace<std::vector<int64_t>>();
    return true;
  }
  bool end_array() override {
    list_ = nullptr;
    value_ = nullptr;
    return true;
  }
  bool number_unsigned(number_unsigned_t number) override {
    std::vector<int64_t> single;
    std::vector<int64_t>& list = list_ != nullptr ? *list_ : single;
    if (list_ == nullptr && value_ == nullptr) return Unexpected("a number");
    if (const absl::Status status = AppendNumber(number, limits_.max_rank, list); !status.ok()) {
      return Fail(status);
    }
    if (list_ == nullptr) *std::exchange(value_, nullptr) = single.front();
    return true;
  }
  bool string(string_t& text) override {
    if (value_ == nullptr || list_ != nullptr) return Unexpected("a string");
    *std::exchange(value_, nullptr) = std::move(text);
    return true;
  }

 private:
  const ReadLimits limits_;
  FlatObject object_;
  int depth_ = 0;
  FlatValue* value_ = nullptr;            // expects its value
  std::vector<int64_t>* list_ = nullptr;  // inside a list
};

absl::Status Parse(std::string_view json, StrictReader& reader) {
  // The parser takes a NUL byte for the end, and skips a byte order mark.
  if (json.find('\0') != std::string_view::npos) return BadFile("JSON header: NUL byte");
  const size_t first = json.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos || json[first] != '{') {
    return BadFile("JSON header does not start with {");
  }
  try {
    if (Json::sax_parse(json.begin(), json.end(), &reader)) return absl::OkStatus();
  } catch (const std::exception& error) {
    return BadFile(base::StrCat("JSON header does not parse: ", error.what()));
  }
  if (!reader.status().ok()) return reader.status();
  return BadFile("JSON header does not parse");
}

}  // namespace

absl::StatusOr<Header> ParseHeader(std::string_view json, const ReadLimits& limits) {
  HeaderReader reader(limits);
  LBW_RETURN_IF_ERROR(Parse(json, reader));
  return reader.Take();
}

absl::StatusOr<FlatObject> ParseFlatObject(std::string_view json, const ReadLimits& limits) {
  FlatReader reader(limits);
  LBW_RETURN_IF_ERROR(Parse(json, reader));
  return reader.Take();
}

absl::StatusOr<std::string> JsonString(std::string_view text) {
  try {
    return Json(text).dump();
  } catch (const Json::exception&) {
    return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadArgument,
                       base::StrCat("names and metadata must be UTF-8: ", Quoted(text)));
  }
}

std::string Quoted(std::string_view name) {
  constexpr size_t kLongest = 120;
  // Not within a character: messages are UTF-8.
  const std::string_view shown = base::CutUtf8(name, kLongest);
  return absl::StrCat("\"", absl::Utf8SafeCEscape(base::Absl(shown)),
                      name.size() > kLongest ? "...\"" : "\"");
}

}  // namespace lbw::tensorfile
