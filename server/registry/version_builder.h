// Makes versions: imports an ONNX artifact, builds an architecture with fresh weights, quantizes a
// float version, writes a version as a file.
// And the same for plain artifacts.
//
// Order:   work first, then the row CREATING, the durable bundle, the row READY. What fails leaves
// neither row nor blob behind. Threads: every method may be called concurrently; each works on the
// calling thread and takes seconds on large models.
#ifndef LBW_REGISTRY_VERSION_BUILDER_H_
#define LBW_REGISTRY_VERSION_BUILDER_H_

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/cancel.h"
#include "base/ids.h"
#include "model/build_model.h"
#include "model/import_model.h"
#include "model/model.h"
#include "model/quantize_file.h"
#include "registry/registry.h"
#include "store/artifact_store.h"

namespace lbw::registry {

struct BuilderLimits {
  uint64_t max_import_bytes = uint64_t{2} << 30;  // of an ONNX artifact
};

enum class ExportAs : uint8_t { kPacked, kFloat };

// Turns an outcome into the text that a version keeps (the API's protojson); plugged in, since this
// room knows no API.
using ReportToText = std::function<std::string(const model::QuantizeOutcome&)>;

class VersionBuilder {
 public:
  // Both are borrowed.
  VersionBuilder(store::ArtifactStore& artifacts, Registry& registry, const BuilderLimits& limits);

  // What an import would give; nothing is stored. Errors: those of CreateModel but kAlreadyExists.
  absl::StatusOr<Version> PreviewImport(std::string_view artifact, std::string_view spec) const;
  // Errors: kInvalidArgument - BAD_NAME, UNSUPPORTED_FORMAT (not ONNX), BAD_SPEC and those of the
  // import; kAlreadyExists; kNotFound.
  absl::StatusOr<Version> CreateModel(std::string_view model, std::string_view artifact,
                                      std::string_view spec, const base::CancelToken& cancel) const;
  // A built-in architecture with fresh weights: the version has no source artifact, its notes tell
  // how it was built. Errors: kInvalidArgument - BAD_NAME and those of model::BuildModel;
  // kAlreadyExists. PreviewBuild stores nothing and asks for no name.
  absl::StatusOr<Version> PreviewBuild(const model::BuildOptions& options,
                                       std::string_view spec) const;
  absl::StatusOr<Version> BuildModel(std::string_view model, const model::BuildOptions& options,
                                     std::string_view spec, const base::CancelToken& cancel) const;
  // spec empty: that of the newest float version.
  absl::StatusOr<Version> CreateVersion(std::string_view model, std::string_view artifact,
                                        std::string_view spec,
                                        const base::CancelToken& cancel) const;

  struct QuantizeRequest {
    base::ModelRef from;
    model::QuantizeOptions options;
    std::string options_text;  // kept with the version
    ReportToText report_to_text;
    model::WriteMode mode = model::WriteMode::kWrite;
  };
  struct Quantized {
    Version version;  // in a dry run: the parent
    model::QuantizeOutcome outcome;
  };
  // Errors: those of Registry::ResolveFloat and model::QuantizeModel.
  absl::StatusOr<Quantized> Quantize(const QuantizeRequest& request,
                                     const model::QuantizeProgress& progress) const;

  // Errors: kNotFound; kFailedPrecondition - VERSION_NOT_READY, or packed asked of a float version.
  absl::StatusOr<store::Artifact> Export(std::string_view model, int64_t number,
                                         ExportAs format) const;

  struct QuantizedArtifact {
    store::Artifact artifact;  // empty in a dry run
    model::QuantizeFileOutcome outcome;
  };
  // safetensors or ONNX -> packed safetensors. Errors: those of model::QuantizeSafetensors;
  // kNotFound.
  absl::StatusOr<QuantizedArtifact> QuantizeArtifact(std::string_view artifact,
                                                     const model::QuantizeOptions& options,
                                                     model::WriteMode mode,
                                                     const model::QuantizeProgress& progress) const;
  absl::StatusOr<store::Artifact> DequantizeArtifact(std::string_view artifact,
                                                     model::DequantizeTo to,
                                                     const model::QuantizeProgress& progress) const;

 private:
  enum class Target { kNewModel, kNextVersion };
  struct ImportOrder {
    std::string_view model;
    std::string_view artifact;
    std::string_view spec;
    const base::CancelToken& cancel;
  };
  absl::StatusOr<Version> Import(const ImportOrder& order, Target target) const;
  absl::Status CheckNewModel(std::string_view model) const;
  absl::StatusOr<std::string> ReadOnnx(std::string_view artifact) const;
  absl::StatusOr<Version> Publish(const VersionDraft& draft, const model::Model& model,
                                  Version filled, Target target) const;
  absl::StatusOr<std::string> SpecOfNewestFloat(std::string_view model) const;

  store::ArtifactStore& artifacts_;
  Registry& registry_;
  const BuilderLimits limits_;
};

}  // namespace lbw::registry

#endif  // LBW_REGISTRY_VERSION_BUILDER_H_
