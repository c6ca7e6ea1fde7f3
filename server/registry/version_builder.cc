#include "registry/version_builder.h"

#include <memory>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "base/log.h"
#include "base/status.h"
#include "base/strings.h"
#include "registry/ready_version.h"

namespace lbw::registry {
namespace {

// What a row says of the model behind it.
void DescribeModel(const model::Model& model, Version& version) {
  version.spec_json = model::SpecToJson(model.spec);
  version.max_batch = model.graph.max_batch;
  version.head_kind = model.spec.head.kind;
  version.classes = model.spec.classes;
}

absl::StatusOr<model::Model> ReadVersion(store::ArtifactStore& artifacts, const Version& version) {
  LBW_ASSIGN_OR_RETURN(const std::unique_ptr<base::RandomAccessReader> reader,
                       artifacts.OpenArtifact(version.bundle));
  return model::ReadBundle(*reader);
}

absl::Status RequireReady(const Version& version) {
  if (version.state == VersionState::kReady) return absl::OkStatus();
  return base::Error(
      absl::StatusCode::kFailedPrecondition, base::reason::kVersionNotReady,
      base::StrCat(base::VersionName(version.model, version.number), " is not READY"));
}

}  // namespace

VersionBuilder::VersionBuilder(store::ArtifactStore& artifacts, Registry& registry,
                               const BuilderLimits& limits)
    : artifacts_(artifacts), registry_(registry), limits_(limits) {}

absl::StatusOr<std::string> VersionBuilder::ReadOnnx(std::string_view artifact) const {
  LBW_ASSIGN_OR_RETURN(const store::Artifact info, artifacts_.GetArtifact(artifact));
  if (info.format != store::ArtifactFormat::kOnnx) {
    return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kUnsupportedFormat,
                       base::StrCat("artifact ", base::ArtifactName(artifact),
                                    " is not an ONNX file; a model is created from ONNX"))
        .Field("artifact");
  }
  if (info.size_bytes > limits_.max_import_bytes) {
    return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kLimitExceeded,
                       base::StrCat("artifact is too large to import: bytes=", info.size_bytes,
                                    " limit=", limits_.max_import_bytes))
        .Field("artifact");
  }
  LBW_ASSIGN_OR_RETURN(const std::unique_ptr<base::RandomAccessReader> reader,
                       artifacts_.OpenArtifact(artifact));
  return base::ReadAll(*reader, limits_.max_import_bytes);
}

absl::StatusOr<Version> VersionBuilder::PreviewImport(std::string_view artifact,
                                                      std::string_view spec) const {
  LBW_ASSIGN_OR_RETURN(model::ModelSpec parsed, model::ParseSpec(spec));
  LBW_ASSIGN_OR_RETURN(const std::string onnx, ReadOnnx(artifact));
  LBW_ASSIGN_OR_RETURN(model::ImportedModel imported,
                       model::ImportOnnxModel(onnx, std::move(parsed)));
  Version version;
  version.source_artifact = std::string(artifact);
  version.import_notes = std::move(imported.notes);
  DescribeModel(imported.model, version);
  return version;
}

absl::StatusOr<Version> VersionBuilder::Publish(const VersionDraft& draft,
                                                const model::Model& model, Version filled,
                                                Target target) const {
  LBW_ASSIGN_OR_RETURN(std::unique_ptr<store::BlobWriter> blob, artifacts_.NewBlob());
  LBW_RETURN_IF_ERROR(model::WriteBundle(model, *blob));
  LBW_ASSIGN_OR_RETURN(const Version created, target == Target::kNewModel
                                                  ? registry_.CreateModel(draft)
                                                  : registry_.CreateVersion(draft));
  absl::Cleanup abandon = [&] {
    const absl::Status status = registry_.AbandonVersion(created.model, created.number);
    if (!status.ok()) base::LogWarning("abandon_version_failed", {{"status", status}});
  };
  LBW_ASSIGN_OR_RETURN(
      const store::Artifact bundle,
      artifacts_.AddArtifact(std::move(blob), BundleFormat(created), BundleDisplayName(created),
                             store::ArtifactOrigin::kBundle));
  filled.model = created.model;
  filled.number = created.number;
  filled.create_time = created.create_time;
  filled.source_artifact = draft.source_artifact;
  filled.parent = draft.parent;
  filled.quantized = draft.quantized;
  filled.quantization_json = draft.quantization_json;
  filled.bundle = bundle.sha256;
  filled.bundle_bytes = bundle.size_bytes;
  DescribeModel(model, filled);
  LBW_ASSIGN_OR_RETURN(Version published, registry_.PublishVersion(filled));
  std::move(abandon).Cancel();
  return published;
}

absl::StatusOr<Version> VersionBuilder::Import(const ImportOrder& order, Target target) const {
  LBW_ASSIGN_OR_RETURN(model::ModelSpec spec, model::ParseSpec(order.spec));
  LBW_ASSIGN_OR_RETURN(const std::string onnx, ReadOnnx(order.artifact));
  LBW_RETURN_IF_ERROR(order.cancel.Check());
  LBW_ASSIGN_OR_RETURN(model::ImportedModel imported,
                       model::ImportOnnxModel(onnx, std::move(spec)));
  LBW_RETURN_IF_ERROR(order.cancel.Check());
  VersionDraft draft;
  draft.model = std::string(order.model);
  draft.source_artifact = std::string(order.artifact);
  Version filled;
  filled.import_notes = std::move(imported.notes);
  return Publish(draft, imported.model, std::move(filled), target);
}

absl::Status VersionBuilder::CheckNewModel(std::string_view model) const {
  if (!base::IsValidName(model)) {
    return base::Error(
               absl::StatusCode::kInvalidArgument, base::reason::kBadName,
               base::StrCat("model_id must match [a-z0-9]([a-z0-9_.-]{0,62}): \"", model, "\""))
        .Field("model_id");
  }
  if (!registry_.GetModel(model).ok()) return absl::OkStatus();
  return base::Error(absl::StatusCode::kAlreadyExists, base::reason::kAlreadyExists,
                     base::StrCat(base::ModelName(model), " exists already"))
      .Field("model_id");
}

absl::StatusOr<Version> VersionBuilder::CreateModel(std::string_view model,
                                                    std::string_view artifact,
                                                    std::string_view spec,
                                                    const base::CancelToken& cancel) const {
  LBW_RETURN_IF_ERROR(CheckNewModel(model));
  return Import({model, artifact, spec, cancel}, Target::kNewModel);
}

absl::StatusOr<Version> VersionBuilder::PreviewBuild(const model::BuildOptions& options,
                                                     std::string_view spec) const {
  LBW_ASSIGN_OR_RETURN(const model::Model built, model::BuildModel(options, spec));
  Version version;
  version.import_notes = {model::Describe(options)};
  DescribeModel(built, version);
  return version;
}

absl::StatusOr<Version> VersionBuilder::BuildModel(std::string_view model,
                                                   const model::BuildOptions& options,
                                                   std::string_view spec,
                                                   const base::CancelToken& cancel) const {
  LBW_RETURN_IF_ERROR(CheckNewModel(model));
  LBW_ASSIGN_OR_RETURN(const model::Model built, model::BuildModel(options, spec));
  LBW_RETURN_IF_ERROR(cancel.Check());
  VersionDraft draft;
  draft.model = std::string(model);
  Version filled;
  filled.import_notes = {model::Describe(options)};
  return Publish(draft, built, std::move(filled), Target::kNewModel);
}

absl::StatusOr<std::string> VersionBuilder::SpecOfNewestFloat(std::string_view model) const {
  LBW_ASSIGN_OR_RETURN(const Model found, registry_.GetModel(model));
  for (const Version& version : found.versions) {
    if (!version.quantized && version.state == VersionState::kReady) return version.spec_json;
  }
  return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadSpec,
                     base::StrCat("spec is needed: ", base::ModelName(model),
                                  " has no float version to take it from"))
      .Field("spec");
}

absl::StatusOr<Version> VersionBuilder::CreateVersion(std::string_view model,
                                                      std::string_view artifact,
                                                      std::string_view spec,
                                                      const base::CancelToken& cancel) const {
  std::string spec_text(spec);
  if (spec_text.empty()) {
    LBW_ASSIGN_OR_RETURN(spec_text, SpecOfNewestFloat(model));
  } else {
    LBW_RETURN_IF_ERROR(registry_.GetModel(model).status());
  }
  return Import({model, artifact, spec_text, cancel}, Target::kNextVersion);
}

absl::StatusOr<VersionBuilder::Quantized> VersionBuilder::Quantize(
    const QuantizeRequest& request, const model::QuantizeProgress& progress) const {
  LBW_ASSIGN_OR_RETURN(const Version parent, registry_.ResolveFloat(request.from));
  LBW_RETURN_IF_ERROR(RequireReady(parent));
  LBW_ASSIGN_OR_RETURN(model::Model model, ReadVersion(artifacts_, parent));
  Quantized result;
  if (request.mode == model::WriteMode::kDryRun) {
    LBW_ASSIGN_OR_RETURN(result.outcome, model::PlanQuantization(model, request.options));
    result.version = parent;
    return result;
  }
  LBW_ASSIGN_OR_RETURN(result.outcome, model::QuantizeModel(model, request.options, progress));
  VersionDraft draft;
  draft.model = parent.model;
  draft.parent = parent.number;
  draft.quantized = true;
  draft.quantization_json = request.options_text;
  Version filled;
  filled.report_json = request.report_to_text(result.outcome);
  LBW_ASSIGN_OR_RETURN(result.version,
                       Publish(draft, model, std::move(filled), Target::kNextVersion));
  return result;
}

absl::StatusOr<store::Artifact> VersionBuilder::Export(std::string_view model, int64_t number,
                                                       ExportAs format) const {
  LBW_ASSIGN_OR_RETURN(const Version version, registry_.GetVersion(model, number));
  LBW_RETURN_IF_ERROR(RequireReady(version));
  if (format == ExportAs::kPacked) {
    if (!version.quantized) {
      return base::Error(absl::StatusCode::kFailedPrecondition, base::reason::kNothingToQuantize,
                         base::StrCat(base::VersionName(model, number),
                                      " is float and has no packed weights: quantize it first, or "
                                      "export it as safetensors"));
    }
    // The bundle is a packed file already.
    return artifacts_.GetArtifact(version.bundle);
  }
  LBW_ASSIGN_OR_RETURN(const model::Model read, ReadVersion(artifacts_, version));
  LBW_ASSIGN_OR_RETURN(std::unique_ptr<store::BlobWriter> blob, artifacts_.NewBlob());
  LBW_RETURN_IF_ERROR(model::WriteFloatTensors(read, *blob));
  return artifacts_.AddArtifact(std::move(blob), store::ArtifactFormat::kSafetensors,
                                base::StrCat(model, "-", number, "-float.safetensors"));
}

absl::StatusOr<VersionBuilder::QuantizedArtifact> VersionBuilder::QuantizeArtifact(
    std::string_view artifact, const model::QuantizeOptions& options, model::WriteMode mode,
    const model::QuantizeProgress& progress) const {
  LBW_ASSIGN_OR_RETURN(const store::Artifact info, artifacts_.GetArtifact(artifact));
  LBW_ASSIGN_OR_RETURN(std::unique_ptr<store::BlobWriter> blob, artifacts_.NewBlob());
  QuantizedArtifact result;
  switch (info.format) {
    case store::ArtifactFormat::kSafetensors:
    case store::ArtifactFormat::kPackedSafetensors: {
      LBW_ASSIGN_OR_RETURN(const std::unique_ptr<base::RandomAccessReader> reader,
                           artifacts_.OpenArtifact(artifact));
      LBW_ASSIGN_OR_RETURN(result.outcome,
                           model::QuantizeSafetensors(*reader, options, mode, *blob, progress));
      break;
    }
    case store::ArtifactFormat::kOnnx: {
      LBW_ASSIGN_OR_RETURN(const std::string onnx, ReadOnnx(artifact));
      LBW_ASSIGN_OR_RETURN(result.outcome,
                           model::QuantizeOnnx(onnx, options, mode, *blob, progress));
      break;
    }
    case store::ArtifactFormat::kUnknown:
    case store::ArtifactFormat::kOther:
      return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kUnsupportedFormat,
                         base::StrCat(base::ArtifactName(artifact), " (\"", info.display_name,
                                      "\") is neither a safetensors nor an ONNX file"))
          .Field("artifact");
  }
  if (mode == model::WriteMode::kDryRun) return result;
  LBW_ASSIGN_OR_RETURN(
      result.artifact,
      artifacts_.AddArtifact(std::move(blob), store::ArtifactFormat::kPackedSafetensors,
                             base::StrCat(info.display_name, ".packed.safetensors")));
  return result;
}

absl::StatusOr<store::Artifact> VersionBuilder::DequantizeArtifact(
    std::string_view artifact, model::DequantizeTo to,
    const model::QuantizeProgress& progress) const {
  LBW_ASSIGN_OR_RETURN(const store::Artifact info, artifacts_.GetArtifact(artifact));
  if (info.format != store::ArtifactFormat::kPackedSafetensors) {
    return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kUnsupportedFormat,
                       base::StrCat(base::ArtifactName(artifact), " (\"", info.display_name,
                                    "\") is not a packed safetensors file"))
        .Field("artifact");
  }
  LBW_ASSIGN_OR_RETURN(const std::unique_ptr<base::RandomAccessReader> reader,
                       artifacts_.OpenArtifact(artifact));
  LBW_ASSIGN_OR_RETURN(std::unique_ptr<store::BlobWriter> blob, artifacts_.NewBlob());
  LBW_RETURN_IF_ERROR(model::DequantizeFile(*reader, to, *blob, progress));
  return artifacts_.AddArtifact(std::move(blob), store::ArtifactFormat::kSafetensors,
                                base::StrCat(info.display_name, ".float.safetensors"));
}

}  // namespace lbw::registry
