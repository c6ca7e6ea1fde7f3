#include "serving/network.h"

#include <utility>

#include "base/ids.h"
#include "base/status.h"
#include "model/model.h"
#include "serving/policy.h"
#include "serving/served_version.h"

namespace lbw::serving {
namespace {

constexpr int64_t kRetryMs = 100;

// The call's argument is right and the stored model is not: what a reader or an engine calls an
// invalid argument is `code` here. The reason stays.
absl::Status NotTheCallers(const absl::Status& status, absl::StatusCode code,
                           std::string_view context) {
  if (status.code() != absl::StatusCode::kInvalidArgument) {
    return base::WithContext(status, context);
  }
  const base::ErrorDetails details = base::GetErrorDetails(status);
  const base::Reason reason = code == absl::StatusCode::kDataLoss ? base::reason::kDataLoss
                              : details.reason.empty()            ? base::reason::kInternal
                                                                  : base::Reason{details.reason};
  return base::Error(code, reason, base::StrCat(context, ": ", base::Std(status.message())));
}

// An open file is read to its end also after it was unlinked.
absl::StatusOr<model::Model> ReadModel(const LoadContext& context, const registry::Version& version,
                                       const std::string& name) {
  absl::StatusOr<std::unique_ptr<base::RandomAccessReader>> reader =
      context.artifacts->OpenArtifact(version.bundle);
  if (!reader.ok()) {
    if (reader.status().code() != absl::StatusCode::kNotFound) {
      return base::WithContext(reader.status(), base::StrCat("the bundle of ", name));
    }
    if (version.number == 0) {
      return base::Error(absl::StatusCode::kUnavailable, base::reason::kBlobGone,
                         base::StrCat("newer checkpoints have replaced that of ", name,
                                      ": sha256=", version.bundle, "; ask again"))
          .RetryAfterMs(kRetryMs);
    }
    // Deleted since it was resolved, or lost.
    LBW_RETURN_IF_ERROR(context.registry->GetVersion(version.model, version.number).status());
    return base::Error(absl::StatusCode::kDataLoss, base::reason::kDataLoss,
                       base::StrCat("the bundle of ", name, " is gone: sha256=", version.bundle));
  }
  absl::StatusOr<model::Model> model = model::ReadBundle(**reader);
  if (model.ok()) return model;
  return NotTheCallers(model.status(), absl::StatusCode::kDataLoss,
                       base::StrCat("the bundle of ", name, " is damaged"));
}

absl::Status CheckOutputs(const Network& network) {
  const std::vector<graph::ValueInfo>& outputs = network.executor->outputs();
  std::vector<base::Shape> shapes;
  shapes.reserve(outputs.size());
  for (const graph::ValueInfo& value : outputs) shapes.push_back(value.shape);
  return network.decoder->CheckShapes(shapes);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Network>> LoadNetwork(const LoadContext& context,
                                                     const registry::Version& version) {
  const std::string name =
      ResourceName({version.model, version.number, version.number == 0 ? version.job : ""});
  LBW_ASSIGN_OR_RETURN(model::Model model, ReadModel(context, version, name));
  const auto cannot = [&name](const absl::Status& status) {
    return NotTheCallers(status, absl::StatusCode::kFailedPrecondition,
                         base::StrCat("cannot load ", name));
  };
  auto network = std::make_unique<Network>();
  network->input = model.spec.input;
  network->labels = std::make_shared<const std::vector<std::string>>(model.spec.classes);
  network->pictures_per_run = PicturesPerRun(model.graph.max_batch);
  absl::StatusOr<std::unique_ptr<detect::Decoder>> decoder = model::MakeDecoder(model);
  if (!decoder.ok()) return cannot(decoder.status());
  network->decoder = *std::move(decoder);
  engine::CompileOptions options;
  options.fetch = network->decoder->inputs();
  options.height = network->input.height;
  options.width = network->input.width;
  options.threads = context.threads;
  absl::StatusOr<std::unique_ptr<engine::Executor>> executor =
      context.engine->Compile(model.graph, model.constants, options);
  if (!executor.ok()) return cannot(executor.status());
  network->executor = *std::move(executor);
  network->bytes = network->executor->resident_bytes();
  if (const absl::Status fits = CheckOutputs(*network); !fits.ok()) return cannot(fits);
  return network;
}

}  // namespace lbw::serving
