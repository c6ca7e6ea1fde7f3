#include "tasks/network.h"

#include <utility>

#include "base/status.h"
#include "base/strings.h"
#include "model/model.h"

namespace lbw::tasks {
namespace {

constexpr std::string_view kClassifier = "logits";

// The job's spec is right and the stored model is not: what a reader or an engine calls an invalid
// argument is `code` here. The reason stays.
absl::Status NotTheCallers(const absl::Status& status, absl::StatusCode code,
                           std::string_view context) {
  if (status.code() != absl::StatusCode::kInvalidArgument) {
    return base::WithContext(status, context);
  }
  const base::ErrorDetails details = base::GetErrorDetails(status);
  base::Reason reason = base::reason::kInternal;
  if (!details.reason.empty()) reason = base::Reason{details.reason};
  if (code == absl::StatusCode::kDataLoss) reason = base::reason::kDataLoss;
  return base::Error(code, reason, base::StrCat(context, ": ", base::Std(status.message())));
}

absl::StatusOr<model::Model> ReadModel(const NetworkSource& source) {
  absl::StatusOr<std::unique_ptr<base::RandomAccessReader>> reader =
      source.blobs.Open(source.bundle);
  if (!reader.ok()) {
    return base::WithContext(reader.status(), base::StrCat("the bundle of ", source.name));
  }
  absl::StatusOr<model::Model> model = model::ReadBundle(**reader);
  if (model.ok()) return model;
  return NotTheCallers(model.status(), absl::StatusCode::kDataLoss,
                       base::StrCat("the bundle of ", source.name, " is damaged"));
}

absl::Status CheckOutputs(const Network& network) {
  std::vector<base::Shape> shapes;
  for (const graph::ValueInfo& value : network.executor->outputs()) shapes.push_back(value.shape);
  return network.decoder->CheckShapes(shapes);
}

}  // namespace

absl::StatusOr<Network> LoadNetwork(const NetworkSource& source) {
  LBW_ASSIGN_OR_RETURN(model::Model model, ReadModel(source));
  const auto cannot = [&source](const absl::Status& status) {
    return NotTheCallers(status, absl::StatusCode::kFailedPrecondition,
                         base::StrCat("cannot run ", source.name));
  };
  Network network;
  network.name = std::string(source.name);
  network.input = model.spec.input;
  network.labels = model.spec.classes;
  network.nms = model.spec.head.nms;
  network.classifies = model.spec.head.kind == kClassifier;
  network.max_batch = model.graph.max_batch;
  absl::StatusOr<std::unique_ptr<detect::Decoder>> decoder = model::MakeDecoder(model);
  if (!decoder.ok()) return cannot(decoder.status());
  network.decoder = *std::move(decoder);
  engine::CompileOptions options;
  options.fetch = network.decoder->inputs();
  options.height = network.input.height;
  options.width = network.input.width;
  options.threads = source.threads;
  absl::StatusOr<std::unique_ptr<engine::Executor>> executor =
      source.engine.Compile(model.graph, model.constants, options);
  if (!executor.ok()) return cannot(executor.status());
  network.executor = *std::move(executor);
  if (const absl::Status fits = CheckOutputs(network); !fits.ok()) return cannot(fits);
  return network;
}

}  // namespace lbw::tasks
