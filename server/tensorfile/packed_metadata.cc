#include "tensorfile/packed_metadata.h"

#include <limits>
#include <optional>

#include "absl/strings/str_join.h"
#include "base/status.h"
#include "base/strings.h"
#include "tensorfile/header_json.h"

namespace lbw::tensorfile {
namespace {

using quant::CodeBook;
using quant::Granularity;
using quant::Scheme;

base::Error BadFile(const std::string& message) {
  return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadFile, message);
}

// Takes keys out of an object one by one; what is left at the end was not expected.
class Fields {
 public:
  explicit Fields(FlatObject object) : object_(std::move(object)) {}

  template <typename T>
  absl::StatusOr<T> Take(std::string_view key) {
    const auto at = object_.find(key);
    if (at == object_.end()) return BadFile(base::StrCat("key \"", key, "\" is missing"));
    T* value = std::get_if<T>(&at->second);
    if (value == nullptr) return BadFile(base::StrCat("key \"", key, "\" has the wrong type"));
    T taken = std::move(*value);
    object_.erase(at);
    return taken;
  }

  // A number that fits an int.
  absl::StatusOr<int> TakeInt(std::string_view key) {
    LBW_ASSIGN_OR_RETURN(const int64_t value, Take<int64_t>(key));
    if (value > std::numeric_limits<int>::max()) {
      return BadFile(base::StrCat("key \"", key, "\" is too large: ", value));
    }
    return static_cast<int>(value);
  }

  // A string that names one of some values; from: name -> optional.
  template <typename From>
  auto TakeNamed(std::string_view key, From from)
      -> absl::StatusOr<typename decltype(from(std::string_view()))::value_type> {
    LBW_ASSIGN_OR_RETURN(const std::string name, Take<std::string>(key));
    const auto value = from(std::string_view(name));
    if (!value)
      return BadFile(base::StrCat("key \"", key, "\" has an unknown value: ", Quoted(name)));
    return *value;
  }

  bool Has(std::string_view key) const { return object_.find(key) != object_.end(); }

  absl::Status ExpectEmpty() const {
    if (object_.empty()) return absl::OkStatus();
    return BadFile(base::StrCat("unknown key ", Quoted(object_.begin()->first)));
  }

 private:
  FlatObject object_;
};

std::optional<Scheme> StoredScheme(std::string_view name) {
  if (name == "lbw") return Scheme::kExact;
  if (name == "uniform") return Scheme::kUniform;
  return std::nullopt;
}

}  // namespace

std::string PackedMetadataToJson(const PackedMetadata& metadata) {
  const quant::TensorOptions& options = metadata.options;
  const bool uniform = options.scheme == Scheme::kUniform;
  // Every name below is plain ASCII without quotes.
  std::string json = base::StrCat("{\"axis\":", options.axis, ",\"bits\":", options.bits);
  if (!uniform) base::StrAppend(&json, ",\"code_book\":\"", quant::Name(options.code_book), "\"");
  base::StrAppend(&json, ",\"granularity\":\"", quant::Name(options.granularity), "\"");
  if (options.groups != 1) base::StrAppend(&json, ",\"groups\":", options.groups);
  base::StrAppend(&json, ",\"scheme\":\"", uniform ? "uniform" : "lbw", "\",\"shape\":[",
                  absl::StrJoin(metadata.shape, ","), "],\"source_dtype\":\"",
                  base::Name(metadata.source_dtype), "\"}");
  return json;
}

absl::StatusOr<PackedMetadata> PackedMetadataFromJson(std::string_view json,
                                                      const ReadLimits& limits) {
  LBW_ASSIGN_OR_RETURN(FlatObject object, ParseFlatObject(json, limits));
  Fields fields(std::move(object));
  PackedMetadata metadata;
  quant::TensorOptions& options = metadata.options;
  LBW_ASSIGN_OR_RETURN(options.scheme, fields.TakeNamed("scheme", StoredScheme));
  LBW_ASSIGN_OR_RETURN(metadata.shape, fields.Take<std::vector<int64_t>>("shape"));
  LBW_ASSIGN_OR_RETURN(options.bits, fields.TakeInt("bits"));
  LBW_ASSIGN_OR_RETURN(options.granularity,
                       fields.TakeNamed("granularity", quant::GranularityFromName));
  LBW_ASSIGN_OR_RETURN(options.axis, fields.TakeInt("axis"));
  if (fields.Has("groups")) {
    LBW_ASSIGN_OR_RETURN(options.groups, fields.TakeInt("groups"));
  }
  LBW_ASSIGN_OR_RETURN(metadata.source_dtype,
                       fields.TakeNamed("source_dtype", base::DTypeFromName));
  if (options.scheme != Scheme::kUniform) {
    LBW_ASSIGN_OR_RETURN(options.code_book, fields.TakeNamed("code_book", quant::CodeBookFromName));
  }
  LBW_RETURN_IF_ERROR(fields.ExpectEmpty());
  if (!base::IsFloating(metadata.source_dtype)) {
    return BadFile(
        base::StrCat("source_dtype must be floating: ", base::Name(metadata.source_dtype)));
  }
  if (const absl::Status status = quant::ValidateOptions(options, metadata.shape); !status.ok()) {
    return BadFile(std::string(status.message()));
  }
  if (const auto count = base::CheckedElementCount(metadata.shape, limits.max_tensor_elements);
      !count.ok()) {
    return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kLimitExceeded,
                       std::string(count.status().message()));
  }
  options = quant::StoredOptions(options);
  return metadata;
}

}  // namespace lbw::tensorfile
