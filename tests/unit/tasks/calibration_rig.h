// What tests of the jobs `quantize` and `compare` share: the disc detector, pictures with two
// splits, and specs.
#ifndef LBW_TESTS_UNIT_TASKS_CALIBRATION_RIG_H_
#define LBW_TESTS_UNIT_TASKS_CALIBRATION_RIG_H_

#include <google/protobuf/message.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "model/model.h"
#include "tasks/json.h"
#include "unit/tasks/tasks_fixture.h"

namespace lbw::tasks {

// The first `train` pictures are of split "train", the others of "val".
DiscSet MakeSplitDiscSet(int train, int val);
// {"version", "options": {"bits"}, "calibration", "measure"}: the train split of datasets/d,
// measured on its val split.
Json QuantizeSpecJson(int bits);

// The disc detector with weights a tenth off, so that no grid holds them exactly.
model::Model ShakenDiscModel();

class CalibrationRig {
 public:
  CalibrationRig();
  // The job `quantize` over `set`.
  TaskRig::Assignment Assign(const Json& spec);
  absl::StatusOr<std::string> Run(const TaskRig::Assignment& assignment, ScriptedLink& link);
  // Undisturbed; fails the test where it fails.
  Json Result(const TaskRig::Assignment& assignment);
  model::Model Bundle(const Json& result);

  TaskRig rig;
  model::Model model;
  DiscSet set;
};

// The job and what it leaves.
class QuantizeFixture : public ::testing::Test {
 protected:
  static const Json& Calibration(const Json& result);
  static std::vector<std::string> Measured(const Json& result);
  static const Json& Measurement(const Json& result, const std::string& what);
  // Without what is measured by the clock.
  static std::string Timeless(Json result);
  // A layer was solved, or taken over, and nothing was told since.
  static bool SolvedOne(const ScriptedLink& link);
  absl::Status Fails(const Json& spec);
  // Stopped whenever `stop` is true, with one and two threads by turns, each attempt going on from
  // the last checkpoint, until it ends.
  Json Interrupted(TaskRig::Assignment assignment,
                   const std::function<bool(const ScriptedLink&)>& stop);

  CalibrationRig rig_;
  int attempts_ = 0;
};

// Every field of the JSON is one of the message's, of its kind.
::testing::AssertionResult ParsesInto(const Json& json, google::protobuf::Message& message);

}  // namespace lbw::tasks

#endif  // LBW_TESTS_UNIT_TASKS_CALIBRATION_RIG_H_
