// What a job will cost, before it is queued. Plain rates, a thread: 25 GMAC/s of a network and of
// sums of products, 4 GMAC/s of a solver; 8 ms of decoding a picture.
//
// evaluate   Time: pictures * the measured milliseconds a picture of earlier evaluations of the
//            version (their median), else from the graph's multiply-adds. Memory: the bundle's
//            bytes three times, the activations' peak bound, 300 MB.
// quantize   Time: two networks over the calibration pictures, sums of products of the inputs of
//            every layer (samples * columns^2, twice), its solver (columns^3 + 3 exponents * sweeps
//            * rows * columns^2; once for every width that is tried), and the networks that are
//            measured; layers beyond kMaxLayerBytes have neither sums nor solver. Memory: the
//            bundle's bytes four times, the most of a layer (quant::CalibrationBytes a group and 9
//            bytes an element), the pictures, activations that are kept (at most 1.5 GB), 300 MB.
// compare    Time: two networks over the pictures. Memory: as evaluate, of two.
// train,     Time: of every picture of every step three networks (forward, and backward twice as
// fine_tune  long), one more for a teacher, or its decoding on the loader's threads where that is
//            slower; two networks over the pictures of every evaluation; fine_tune: its
//            calibration. A GPU counts as 1,000 GMAC/s. Memory: the bundle's bytes eight times
//            (weights, gradients, moments, averages, shadows), the activations of a batch twice,
//            six batches of inputs, 300 MB; or the calibration's.
#ifndef LBW_TASKS_ESTIMATE_H_
#define LBW_TASKS_ESTIMATE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "model/model.h"

namespace lbw::tasks {

struct Estimate {
  absl::Duration duration;
  uint64_t memory_bytes = 0;
  std::string basis;
};

struct EstimateInput {
  const model::Model* model = nullptr;  // borrowed
  uint64_t bundle_bytes = 0;
  uint64_t pictures = 0;
  int threads = 1;
  std::vector<double> measured_ms;  // a picture, of earlier evaluations
};
// Errors: those of shape inference.
absl::StatusOr<Estimate> EstimateEvaluation(const EstimateInput& input);

struct QuantizeEstimateInput {
  const model::Model* model = nullptr;  // borrowed
  uint64_t bundle_bytes = 0;
  uint64_t pictures = 0;   // calibrated on
  uint64_t positions = 0;  // of a layer's output, a picture
  int sweeps = 3;
  int widths = 1;         // that are solved for
  uint64_t measured = 0;  // pictures
  int networks = 3;       // that are measured
  int threads = 1;
};
// Errors: those of shape inference.
absl::StatusOr<Estimate> EstimateQuantization(const QuantizeEstimateInput& input);

struct CompareEstimateInput {
  const model::Model* model = nullptr;  // borrowed; the other has its shapes
  uint64_t bundle_bytes = 0;            // of both
  uint64_t pictures = 0;
  int threads = 1;
};
// Errors: those of shape inference.
absl::StatusOr<Estimate> EstimateComparison(const CompareEstimateInput& input);

struct TrainingEstimateInput {
  const model::Model* model = nullptr;  // borrowed
  uint64_t bundle_bytes = 0;
  uint64_t batch = 1;
  uint64_t steps = 0;  // of the whole run
  bool teacher = false;
  uint64_t evaluations = 0;
  uint64_t evaluated = 0;  // pictures of one
  int threads = 1;
  int loader_threads = 1;
  bool gpu = false;
  std::optional<QuantizeEstimateInput> calibration;  // its model is not looked at
};
// Errors: those of shape inference.
absl::StatusOr<Estimate> EstimateTraining(const TrainingEstimateInput& input);

}  // namespace lbw::tasks

#endif  // LBW_TASKS_ESTIMATE_H_
