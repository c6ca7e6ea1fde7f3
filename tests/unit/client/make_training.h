// A training's report as a server would answer it.
#ifndef LBW_TESTS_UNIT_CLIENT_MAKE_TRAINING_H_
#define LBW_TESTS_UNIT_CLIENT_MAKE_TRAINING_H_

#include <cstdint>

#include "lbw/v1/training.pb.h"

namespace lbw::client {

// On the grid, two layers; the loss falls from 2 by halves.
inline v1::TrainingReport MakeTraining(uint64_t epochs = 3) {
  v1::TrainingReport report;
  report.set_dataset("datasets/faces");
  report.set_split("train");
  report.set_pictures(720);
  report.set_steps(45 * epochs);
  report.set_epochs(epochs);
  report.set_batch(16);
  double loss = 4.0;
  for (uint64_t i = 1; i <= epochs; ++i) {
    v1::EpochReport& epoch = *report.add_history();
    epoch.set_epoch(i);
    epoch.set_steps(45);
    loss /= 2;
    (*epoch.mutable_losses())["loss"] = loss;
    (*epoch.mutable_losses())["distill.scores"] = loss / 4;
    (*epoch.mutable_losses())["distill.boxes"] = loss * 3 / 4;
    epoch.set_rate(0.003 / static_cast<double>(i));
    epoch.set_pictures_per_s(24.06);
    epoch.set_value(0.9 + 0.001 * static_cast<double>(i));
    epoch.set_average_value(0.91 + 0.001 * static_cast<double>(i));
    epoch.set_codes_changed(0.0123);
    epoch.set_quantization_error(0.0456);
  }
  report.set_metric("map_50");
  report.set_float_value(0.896);
  report.set_start_value(0.8851);
  report.set_value(0.9371);
  report.set_chosen("average");
  report.set_other_value(0.9312);
  report.set_attempts(1);
  report.set_bit_exact(true);
  v1::TrainingTimings& timings = *report.mutable_timings();
  timings.set_total_s(320);
  timings.set_train_s(300);
  timings.set_wait_s(6);
  timings.set_project_s(3);
  timings.set_evaluate_s(12);
  timings.set_epoch_s(75);
  timings.set_threads(2);
  timings.set_device("cpu, avx512_core_vnni");
  for (const char* name : {"conv0.weight", "conv1.weight"}) {
    v1::TrainedLayer& layer = *report.add_layers();
    layer.set_name(name);
    layer.set_bits(3);
    layer.set_weights(1'000);
    layer.set_codes_changed(87);
    layer.set_frozen(2);
    layer.set_quantization_error(0.05);
  }
  return report;
}

inline v1::TrainingResult MakeTrainingResult() {
  v1::TrainingResult result;
  result.set_version("models/face/versions/3");
  *result.mutable_training() = MakeTraining();
  return result;
}

}  // namespace lbw::client

#endif  // LBW_TESTS_UNIT_CLIENT_MAKE_TRAINING_H_
