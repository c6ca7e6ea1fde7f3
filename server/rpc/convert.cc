#include "rpc/convert.h"

#include <cmath>
#include <optional>
#include <utility>

#include "base/ids.h"
#include "base/status.h"
#include "base/strings.h"
#include "rpc/json.h"
#include "rpc/status_mapping.h"

namespace lbw::rpc {
namespace {

base::Error BadOptions(std::string_view message, std::string_view field) {
  return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadOptions, message)
      .Field(field);
}

v1::ArtifactFormat ToProto(store::ArtifactFormat format) {
  switch (format) {
    case store::ArtifactFormat::kSafetensors:
      return v1::ARTIFACT_FORMAT_SAFETENSORS;
    case store::ArtifactFormat::kPackedSafetensors:
      return v1::ARTIFACT_FORMAT_PACKED_SAFETENSORS;
    case store::ArtifactFormat::kOnnx:
      return v1::ARTIFACT_FORMAT_ONNX;
    case store::ArtifactFormat::kOther:
      return v1::ARTIFACT_FORMAT_OTHER;
    case store::ArtifactFormat::kUnknown:
      break;
  }
  return v1::ARTIFACT_FORMAT_UNSPECIFIED;
}

v1::VersionState ToProto(registry::VersionState state) {
  switch (state) {
    case registry::VersionState::kCreating:
      return v1::VERSION_STATE_CREATING;
    case registry::VersionState::kReady:
      return v1::VERSION_STATE_READY;
    case registry::VersionState::kFailed:
      return v1::VERSION_STATE_FAILED;
    case registry::VersionState::kDeleting:
      return v1::VERSION_STATE_DELETING;
  }
  return v1::VERSION_STATE_UNSPECIFIED;
}

absl::StatusOr<std::optional<quant::CodeBook>> FromProto(v1::CodeBook book,
                                                         std::string_view field) {
  switch (book) {
    case v1::CODE_BOOK_UNSPECIFIED:
      return std::optional<quant::CodeBook>();
    case v1::CODE_BOOK_PAPER:
      return std::optional(quant::CodeBook::kPaper);
    case v1::CODE_BOOK_FULL:
      return std::optional(quant::CodeBook::kFull);
    default:
      return BadOptions(base::StrCat("unknown code book: code_book=", static_cast<int>(book)),
                        base::StrCat(field, ".code_book"));
  }
}

absl::StatusOr<std::optional<quant::Granularity>> FromProto(v1::Granularity granularity,
                                                            std::string_view field) {
  switch (granularity) {
    case v1::GRANULARITY_UNSPECIFIED:
      return std::optional<quant::Granularity>();
    case v1::GRANULARITY_TENSOR:
      return std::optional(quant::Granularity::kTensor);
    case v1::GRANULARITY_CHANNEL:
      return std::optional(quant::Granularity::kChannel);
    default:
      return BadOptions(
          base::StrCat("unknown granularity: granularity=", static_cast<int>(granularity)),
          base::StrCat(field, ".granularity"));
  }
}

absl::StatusOr<std::optional<quant::Scheme>> FromProto(v1::Scheme scheme, std::string_view field) {
  switch (scheme) {
    case v1::SCHEME_UNSPECIFIED:
      return std::optional<quant::Scheme>();
    case v1::SCHEME_EXACT:
      return std::optional(quant::Scheme::kExact);
    case v1::SCHEME_THRESHOLD:
      return std::optional(quant::Scheme::kThreshold);
    case v1::SCHEME_UNIFORM:
      return std::optional(quant::Scheme::kUniform);
    default:
      return BadOptions(base::StrCat("unknown scheme: scheme=", static_cast<int>(scheme)),
                        base::StrCat(field, ".scheme"));
  }
}

// Anything above fits no grid; keeps the cast below from wrapping.
absl::StatusOr<int> Bits(uint32_t bits, std::string_view field) {
  const bool known = (bits >= quant::kMinBits && bits <= quant::kMaxBits) ||
                     bits == static_cast<uint32_t>(quant::kUniformBits);
  if (!known) {
    return BadOptions(base::StrCat("bits must be 2..6, or 8 with the uniform scheme: bits=", bits),
                      base::StrCat(field, ".bits"));
  }
  return static_cast<int>(bits);
}

absl::StatusOr<quant::LayerRule> RuleFromProto(const v1::LayerRule& rule, std::string_view field) {
  quant::LayerRule result;
  result.match = rule.match();
  result.keep_float = rule.keep_float();
  if (rule.has_bits()) {
    LBW_ASSIGN_OR_RETURN(result.bits, Bits(rule.bits(), field));
  }
  LBW_ASSIGN_OR_RETURN(result.code_book, FromProto(rule.code_book(), field));
  LBW_ASSIGN_OR_RETURN(result.granularity, FromProto(rule.granularity(), field));
  LBW_ASSIGN_OR_RETURN(result.scheme, FromProto(rule.scheme(), field));
  if (rule.has_mu_ratio()) result.mu_ratio = rule.mu_ratio();
  if (rule.has_axis()) result.axis = rule.axis();
  return result;
}

void ReportToProto(const quant::TensorReport& from, v1::TensorReport* out) {
  out->set_name(from.name);
  out->set_node(from.node);
  out->mutable_shape()->Assign(from.shape.begin(), from.shape.end());
  out->set_source_dtype(std::string(base::Name(from.source_dtype)));
  out->set_rule_index(from.rule_index);
  out->set_bytes_before(from.bytes_before);
  out->set_bytes_after(from.bytes_after);
  out->set_rows(static_cast<uint64_t>(from.rows));
  if (!from.quantized) {
    out->set_bits(static_cast<uint32_t>(base::SizeOf(from.source_dtype) * 8));
    out->set_scheme(base::IsFloating(from.source_dtype) ? "float" : "integer");
    return;
  }
  out->set_bits(static_cast<uint32_t>(from.options.bits));
  out->set_scheme(std::string(quant::Name(from.options.scheme)));
  out->set_granularity(std::string(quant::Name(from.options.granularity)));
  if (from.options.scheme != quant::Scheme::kUniform) {
    out->set_code_book(std::string(quant::Name(from.options.code_book)));
  }
  out->set_exponent_min(from.exponent_min);
  out->set_exponent_max(from.exponent_max);
  out->set_zero_fraction(from.zero_fraction);
  out->set_mse(from.mse);
  if (from.sqnr_db.has_value()) out->set_sqnr_db(*from.sqnr_db);
  if (from.cosine.has_value()) out->set_cosine(*from.cosine);
  out->set_dead_rows(static_cast<uint64_t>(from.dead_rows));
}

void TotalsToProto(const quant::ReportTotals& from, v1::ReportTotals* out) {
  out->set_tensors(static_cast<uint64_t>(from.tensors));
  out->set_tensors_quantized(static_cast<uint64_t>(from.tensors_quantized));
  out->set_weights_quantized(static_cast<uint64_t>(from.weights_quantized));
  out->set_bytes_before(from.bytes_before);
  out->set_bytes_after(from.bytes_after);
  out->set_zero_fraction(from.zero_fraction);
  out->set_mse(from.mse);
  if (from.sqnr_db.has_value()) out->set_sqnr_db(*from.sqnr_db);
  out->set_dead_rows(static_cast<uint64_t>(from.dead_rows));
  out->set_zero_fraction_live(from.zero_fraction_live);
  out->set_mse_live(from.mse_live);
  if (from.sqnr_db_live.has_value()) out->set_sqnr_db_live(*from.sqnr_db_live);
}

}  // namespace

void SetTimestamp(absl::Time time, google::protobuf::Timestamp* out) {
  const int64_t micros = absl::ToUnixMicros(time);
  int64_t seconds = micros / 1'000'000;
  int64_t rest = micros % 1'000'000;
  if (rest < 0) {
    rest += 1'000'000;
    --seconds;
  }
  out->set_seconds(seconds);
  out->set_nanos(static_cast<int32_t>(rest * 1000));
}

void ToProto(const store::Artifact& artifact, v1::Artifact* out) {
  out->set_name(base::ArtifactName(artifact.sha256));
  out->set_sha256(artifact.sha256);
  out->set_size_bytes(artifact.size_bytes);
  out->set_format(ToProto(artifact.format));
  out->set_display_name(artifact.display_name);
  SetTimestamp(artifact.create_time, out->mutable_create_time());
}

void ToProto(const store::Upload& upload, v1::Upload* out) {
  out->set_name(base::UploadName(upload.id));
  out->set_size_bytes(upload.size_bytes);
  out->set_sha256(upload.sha256);
  out->set_committed_bytes(upload.committed_bytes);
  out->set_display_name(upload.display_name);
  SetTimestamp(upload.create_time, out->mutable_create_time());
  SetTimestamp(upload.expire_time, out->mutable_expire_time());
  if (!upload.artifact_sha256.empty()) {
    out->set_artifact(base::ArtifactName(upload.artifact_sha256));
  }
}

absl::StatusOr<model::QuantizeOptions> FromProto(const v1::QuantizationOptions& options,
                                                 std::string_view field) {
  model::QuantizeOptions result;
  LBW_ASSIGN_OR_RETURN(result.tensor.bits, Bits(options.bits(), field));
  LBW_ASSIGN_OR_RETURN(const auto book, FromProto(options.code_book(), field));
  LBW_ASSIGN_OR_RETURN(const auto granularity, FromProto(options.granularity(), field));
  LBW_ASSIGN_OR_RETURN(const auto scheme, FromProto(options.scheme(), field));
  result.tensor.code_book = book.value_or(quant::CodeBook::kFull);
  result.tensor.granularity = granularity.value_or(quant::Granularity::kChannel);
  result.tensor.scheme = scheme.value_or(quant::Scheme::kExact);
  if (options.has_mu_ratio()) {
    if (result.tensor.scheme != quant::Scheme::kThreshold) {
      return BadOptions("mu_ratio belongs to the threshold scheme: scheme is another",
                        base::StrCat(field, ".mu_ratio"));
    }
    result.tensor.mu_ratio = options.mu_ratio();
  }
  if (!std::isfinite(result.tensor.mu_ratio) || result.tensor.mu_ratio <= 0 ||
      result.tensor.mu_ratio > 16) {
    return BadOptions(
        base::StrCat("mu_ratio must be above 0 and at most 16: mu_ratio=", result.tensor.mu_ratio),
        base::StrCat(field, ".mu_ratio"));
  }
  for (int i = 0; i < options.rules_size(); ++i) {
    LBW_ASSIGN_OR_RETURN(quant::LayerRule rule,
                         RuleFromProto(options.rules(i), base::StrCat(field, ".rules[", i, "]")));
    result.rules.push_back(std::move(rule));
  }
  LBW_RETURN_IF_ERROR(quant::ValidateRules(result.rules));
  return result;
}

void ToProto(const model::QuantizeOutcome& outcome, v1::QuantizationReport* report) {
  for (const quant::TensorReport& tensor : outcome.reports) {
    ReportToProto(tensor, report->add_tensors());
  }
  TotalsToProto(quant::SumReports(outcome.reports), report->mutable_totals());
}

void RuleMatchesToProto(const model::QuantizeOutcome& outcome,
                        const std::vector<quant::LayerRule>& rules,
                        google::protobuf::RepeatedPtrField<v1::RuleMatch>* out) {
  for (size_t i = 0; i < outcome.caught.size(); ++i) {
    v1::RuleMatch* match = out->Add();
    const bool is_rule = i < rules.size();
    match->set_rule_index(is_rule ? static_cast<int32_t>(i) : -1);
    if (is_rule) match->set_match(rules[i].match);
    match->mutable_tensors()->Add(outcome.caught[i].begin(), outcome.caught[i].end());
  }
}

std::string ReportToText(const model::QuantizeOutcome& outcome,
                         const std::vector<quant::LayerRule>& rules) {
  v1::ModelVersion version;
  ToProto(outcome, version.mutable_report());
  RuleMatchesToProto(outcome, rules, version.mutable_rule_matches());
  return ToJson(version);
}

std::string OptionsToText(const v1::QuantizationOptions& options) { return ToJson(options); }

void ToProto(const registry::Version& version, Detail detail, v1::ModelVersion* out) {
  if (detail == Detail::kFull) MergeJson(version.report_json, out);
  out->set_name(base::VersionName(version.model, version.number));
  out->set_state(ToProto(version.state));
  SetTimestamp(version.create_time, out->mutable_create_time());
  if (!version.source_artifact.empty()) {
    out->set_source_artifact(base::ArtifactName(version.source_artifact));
  }
  if (version.parent.has_value()) {
    out->set_parent_version(base::VersionName(version.model, *version.parent));
  }
  if (!version.bundle.empty()) out->set_bundle_artifact(base::ArtifactName(version.bundle));
  out->set_bundle_bytes(version.bundle_bytes);
  if (version.quantized) MergeJson(version.quantization_json, out->mutable_quantization());
  out->set_spec_json(version.spec_json);
  out->set_max_batch(static_cast<uint32_t>(version.max_batch));
  out->set_head_kind(version.head_kind);
  for (const std::string& name : version.classes) out->add_classes(name);
  out->set_error(version.error);
  for (const std::string& note : version.import_notes) out->add_import_notes(note);
  if (!version.job.empty()) out->set_job(base::JobName(version.job));
}

void ToProto(const registry::Alias& alias, v1::Alias* out) {
  out->set_name(base::AliasName(alias.model, alias.alias));
  out->set_version(base::VersionName(alias.model, alias.version));
  SetTimestamp(alias.update_time, out->mutable_update_time());
}

void ToProto(const registry::Model& model, v1::Model* out) {
  out->set_name(base::ModelName(model.name));
  SetTimestamp(model.create_time, out->mutable_create_time());
  for (const registry::Alias& alias : model.aliases) ToProto(alias, out->add_aliases());
  for (const registry::Version& version : model.versions) {
    ToProto(version, Detail::kSummary, out->add_versions());
  }
}

absl::StatusOr<int> PageSize(int32_t page_size) {
  if (page_size < 0 || page_size > 1000) {
    return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadArgument,
                       base::StrCat("page_size must be 0..1000: page_size=", page_size))
        .Field("page_size");
  }
  return page_size == 0 ? 100 : page_size;
}

}  // namespace lbw::rpc
