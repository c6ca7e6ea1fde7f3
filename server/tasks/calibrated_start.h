// Where training on the grid begins: the calibrated network, or the plain projection, with what
// each layer's codes aimed at.
//
// Precision: the same bits for every number of threads.
#ifndef LBW_TASKS_CALIBRATED_START_H_
#define LBW_TASKS_CALIBRATED_START_H_

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/executor.h"
#include "model/model.h"
#include "tasks/json.h"
#include "tasks/train_spec.h"
#include "train/low_bit_layer.h"

namespace lbw::tasks {

struct CalibratedStart {
  model::Model model;  // codes and corrected biases
  // Of every layer that can be trained: scheme exact, an exponent a row.
  std::vector<train::LayerStart> layers;
  Json calibrated_layers = Json::array();  // of lbw.v1.CalibratedLayer
  double output_error = 0;
  std::vector<std::string> notes;
};

struct StartInputs {
  const model::Model* model = nullptr;  // float; all borrowed
  engine::ExecutorFactory* engine = nullptr;
  const std::vector<std::vector<float>>* pictures = nullptr;  // [C, H, W] each
  const FineTuneAsked* asked = nullptr;
  int threads = 1;
  std::string scratch_folder;
};
struct StartSteps {
  std::function<absl::Status()> keep_going;           // asked within a layer
  std::function<absl::Status(size_t layers)> solved;  // so many
};
// Errors: those of LayerWalk, ChooseLayers and CalibrateNetwork; kInvalidArgument,
// NOTHING_TO_QUANTIZE - no layer can be trained.
absl::StatusOr<CalibratedStart> MakeStart(const StartInputs& inputs, const StartSteps& steps);

// Rows of a float weight with all |w| < 1e-12, by codes' rows; empty where there are none.
std::vector<uint8_t> DeadRows(const base::Tensor& weight, const quant::TensorOptions& options);

}  // namespace lbw::tasks

#endif  // LBW_TASKS_CALIBRATED_START_H_
