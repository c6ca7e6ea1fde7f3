#include "tasks/predict.h"

#include <algorithm>
#include <utility>

#include "base/clock.h"
#include "base/status.h"
#include "base/strings.h"
#include "base/tensor.h"

namespace lbw::tasks {
namespace {

double Ms(const base::Stopwatch& watch) { return static_cast<double>(watch.ElapsedNs()) * 1e-6; }

base::Tensor Stack(const Network& network, const PredictOrder& order) {
  base::Tensor batch(base::DType::kF32,
                     {static_cast<int64_t>(order.pictures.size()), network.input.channels(),
                      network.input.height, network.input.width});
  const absl::Span<float> rows = batch.mutable_as<float>();
  const size_t elements = network.input_elements();
  for (size_t i = 0; i < order.pictures.size(); ++i) {
    const std::vector<float>& input = order.pictures[i]->inputs[order.input];
    LBW_CHECK(input.size() == elements);
    std::copy(input.begin(), input.end(), rows.subspan(i * elements, elements).begin());
  }
  return batch;
}

}  // namespace

absl::StatusOr<Prediction> Predict(Network& network, const PredictOrder& order) {
  LBW_CHECK(!order.pictures.empty());
  Prediction prediction;
  const base::Tensor batch = Stack(network, order);
  const base::Stopwatch computing;
  absl::StatusOr<std::vector<base::Tensor>> outputs =
      network.executor->Run(batch.view(), order.cancel);
  if (!outputs.ok()) return base::WithContext(outputs.status(), network.name);
  prediction.compute_ms = Ms(computing);
  const base::Stopwatch decoding;
  for (size_t i = 0; i < order.pictures.size(); ++i) {
    absl::StatusOr<detect::Decoded> decoded =
        network.decoder->Decode(*outputs, static_cast<int64_t>(i), order.decode);
    if (!decoded.ok()) return base::WithContext(decoded.status(), network.name);
    for (detect::Detection& detection : decoded->detections) {
      detection.box = detect::ToPicture(detection.box, order.pictures[i]->placements[order.input]);
    }
    prediction.pictures.push_back(*std::move(decoded));
  }
  prediction.postprocess_ms = Ms(decoding);
  return prediction;
}

}  // namespace lbw::tasks
