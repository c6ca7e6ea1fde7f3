#include "tasks/evaluate_state.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <map>
#include <optional>
#include <string_view>
#include <utility>

#include "absl/strings/numbers.h"
#include "base/digest.h"
#include "base/status.h"
#include "base/strings.h"
#include "tensorfile/safetensors.h"

namespace lbw::tasks {
namespace {

constexpr char kFormatKey[] = "lbw.checkpoint";
constexpr char kFormat[] = "1";
constexpr char kKindKey[] = "lbw.kind";
constexpr char kKind[] = "evaluate";
constexpr char kStepKey[] = "lbw.step";
constexpr char kEpochKey[] = "lbw.epoch";
constexpr char kPositionKey[] = "lbw.position";
constexpr char kSpecKey[] = "lbw.spec_sha256";
constexpr char kInputsKey[] = "lbw.inputs_sha256";
constexpr char kThreadsKey[] = "lbw.threads";
constexpr char kIsaKey[] = "lbw.isa";
constexpr int64_t kStages = 4;

base::Error BadCheckpoint(std::string_view what) {
  return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadFile,
                     base::StrCat("no checkpoint of an evaluation: ", what));
}

// --- Writing -------------------------------------------------------------------------------------

using Tensors = std::map<std::string, base::Tensor>;

base::Tensor Ints(const std::vector<int32_t>& values) {
  base::Tensor tensor(base::DType::kI32, {static_cast<int64_t>(values.size())});
  std::copy(values.begin(), values.end(), tensor.mutable_as<int32_t>().begin());
  return tensor;
}

void AddBoxes(const std::string& prefix, const std::vector<eval::FoundBox>& found,
              Tensors& tensors) {
  const auto count = static_cast<int64_t>(found.size());
  base::Tensor boxes(base::DType::kF32, {count, 4});
  base::Tensor scores(base::DType::kF32, {count});
  std::vector<int32_t> classes;
  std::vector<int32_t> pictures;
  const absl::Span<float> corners = boxes.mutable_as<float>();
  const absl::Span<float> score = scores.mutable_as<float>();
  for (size_t i = 0; i < found.size(); ++i) {
    const detect::BoxXyxyPx& box = found[i].detection.box;
    corners[i * 4] = box.x_min;
    corners[i * 4 + 1] = box.y_min;
    corners[i * 4 + 2] = box.x_max;
    corners[i * 4 + 3] = box.y_max;
    score[i] = found[i].detection.score;
    classes.push_back(found[i].detection.class_index);
    pictures.push_back(found[i].image_index);
  }
  tensors.emplace(prefix + "boxes", std::move(boxes));
  tensors.emplace(prefix + "scores", std::move(scores));
  tensors.emplace(prefix + "classes", Ints(classes));
  tensors.emplace(prefix + "pictures", Ints(pictures));
}

Tensors TensorsOf(const EvaluateState& state) {
  Tensors tensors;
  AddBoxes("state.", state.found, tensors);
  AddBoxes("state.against_", state.against_found, tensors);
  std::vector<int32_t> labels;
  std::vector<int32_t> predicted;
  std::vector<int32_t> ranks;
  for (const eval::JudgedPicture& picture : state.judged) {
    labels.push_back(picture.label);
    predicted.push_back(picture.predicted);
    ranks.push_back(picture.rank);
  }
  tensors.emplace("state.judged_pictures", Ints(state.judged_pictures));
  tensors.emplace("state.labels", Ints(labels));
  tensors.emplace("state.predicted", Ints(predicted));
  tensors.emplace("state.ranks", Ints(ranks));
  tensors.emplace("state.against_predicted", Ints(state.against_predicted));
  tensors.emplace("state.failed", Ints(state.failed));
  base::Tensor timings(base::DType::kF64, {kStages});
  std::copy(state.timings.ms.begin(), state.timings.ms.end(),
            timings.mutable_as<double>().begin());
  tensors.emplace("state.timings", std::move(timings));
  tensors.emplace("state.timed", Ints({state.timings.pictures}));
  return tensors;
}

// --- Reading -------------------------------------------------------------------------------------

absl::StatusOr<base::Tensor> ReadTensor(const tensorfile::SafetensorsFile& file,
                                        std::string_view name, base::DType dtype, size_t rank) {
  const tensorfile::TensorEntry* entry = file.Find(name);
  if (entry == nullptr) return BadCheckpoint(base::StrCat("tensor ", name, " is missing"));
  if (entry->dtype != dtype || entry->shape.size() != rank) {
    return BadCheckpoint(base::StrCat("tensor ", name, " is ", base::Name(entry->dtype),
                                      base::ShapeToString(entry->shape), ", expected ",
                                      base::Name(dtype), " of rank ", rank));
  }
  return file.Read(*entry);
}

absl::StatusOr<std::vector<int32_t>> ReadInts(const tensorfile::SafetensorsFile& file,
                                              std::string_view name, int64_t low, int64_t high) {
  LBW_ASSIGN_OR_RETURN(const base::Tensor tensor, ReadTensor(file, name, base::DType::kI32, 1));
  const absl::Span<const int32_t> values = tensor.as<int32_t>();
  for (const int32_t value : values) {
    if (value < low || value > high) {
      return BadCheckpoint(base::StrCat(name, " has ", value, ", expected ", low, "..", high));
    }
  }
  return std::vector<int32_t>(values.begin(), values.end());
}

absl::Status ReadBoxes(const tensorfile::SafetensorsFile& file, const std::string& prefix,
                       int64_t position, std::vector<eval::FoundBox>& found) {
  LBW_ASSIGN_OR_RETURN(const base::Tensor boxes,
                       ReadTensor(file, prefix + "boxes", base::DType::kF32, 2));
  LBW_ASSIGN_OR_RETURN(const base::Tensor scores,
                       ReadTensor(file, prefix + "scores", base::DType::kF32, 1));
  LBW_ASSIGN_OR_RETURN(const std::vector<int32_t> classes,
                       ReadInts(file, prefix + "classes", 0, eval::kMaxClasses - 1));
  LBW_ASSIGN_OR_RETURN(const std::vector<int32_t> pictures,
                       ReadInts(file, prefix + "pictures", 0, position - 1));
  const size_t count = classes.size();
  const base::Shape expected = {static_cast<int64_t>(count), 4};
  if (boxes.shape() != expected || scores.shape()[0] != expected[0] || pictures.size() != count) {
    return BadCheckpoint(base::StrCat("tensors of ", prefix, "* differ in length"));
  }
  const absl::Span<const float> corners = boxes.as<float>();
  const absl::Span<const float> score = scores.as<float>();
  found.resize(count);
  for (size_t i = 0; i < count; ++i) {
    found[i].image_index = pictures[i];
    found[i].detection = {
        {corners[i * 4], corners[i * 4 + 1], corners[i * 4 + 2], corners[i * 4 + 3]},
        classes[i],
        score[i]};
  }
  return absl::OkStatus();
}

absl::Status ReadJudged(const tensorfile::SafetensorsFile& file, EvaluateState& state) {
  constexpr int64_t kMost = eval::kMaxClasses;
  LBW_ASSIGN_OR_RETURN(state.judged_pictures,
                       ReadInts(file, "state.judged_pictures", 0, state.position - 1));
  LBW_ASSIGN_OR_RETURN(const std::vector<int32_t> labels,
                       ReadInts(file, "state.labels", 0, kMost - 1));
  LBW_ASSIGN_OR_RETURN(const std::vector<int32_t> predicted,
                       ReadInts(file, "state.predicted", 0, kMost - 1));
  LBW_ASSIGN_OR_RETURN(const std::vector<int32_t> ranks, ReadInts(file, "state.ranks", 0, kMost));
  LBW_ASSIGN_OR_RETURN(state.against_predicted,
                       ReadInts(file, "state.against_predicted", -1, kMost - 1));
  const size_t count = labels.size();
  const bool fits = state.judged_pictures.size() == count && predicted.size() == count &&
                    ranks.size() == count &&
                    (state.against_predicted.empty() || state.against_predicted.size() == count);
  if (!fits) return BadCheckpoint("tensors of judged pictures differ in length");
  for (size_t i = 0; i < count; ++i) state.judged.push_back({labels[i], predicted[i], ranks[i]});
  return absl::OkStatus();
}

absl::Status ReadTimings(const tensorfile::SafetensorsFile& file, TimingSums& timings) {
  LBW_ASSIGN_OR_RETURN(const base::Tensor ms,
                       ReadTensor(file, "state.timings", base::DType::kF64, 1));
  LBW_ASSIGN_OR_RETURN(
      const std::vector<int32_t> timed,
      ReadInts(file, "state.timed", 0, std::numeric_limits<int32_t>::max()));
  if (ms.elements() != kStages || timed.size() != 1) return BadCheckpoint("timings");
  std::copy_n(ms.as<double>().begin(), kStages, timings.ms.begin());
  timings.pictures = timed.front();
  return absl::OkStatus();
}

class Metadata {
 public:
  explicit Metadata(const std::map<std::string, std::string>& values) : values_(values) {}
  absl::StatusOr<std::string> Text(const char* key) const {
    const auto found = values_.find(key);
    if (found == values_.end()) return BadCheckpoint(base::StrCat("metadata ", key, " is missing"));
    return found->second;
  }
  absl::StatusOr<int64_t> Int(const char* key, int64_t max) const {
    LBW_ASSIGN_OR_RETURN(const std::string text, Text(key));
    int64_t value = 0;
    if (absl::SimpleAtoi(text, &value) && value >= 0 && value <= max) return value;
    return BadCheckpoint(base::StrCat("metadata ", key, "=", text.substr(0, 40)));
  }

 private:
  const std::map<std::string, std::string>& values_;
};

absl::StatusOr<CheckpointKey> ReadKey(const Metadata& metadata) {
  LBW_ASSIGN_OR_RETURN(const std::string format, metadata.Text(kFormatKey));
  if (format != kFormat) return BadCheckpoint(base::StrCat("format=", format.substr(0, 40)));
  LBW_ASSIGN_OR_RETURN(const std::string kind, metadata.Text(kKindKey));
  if (kind != kKind) return BadCheckpoint(base::StrCat("kind=", kind.substr(0, 40)));
  CheckpointKey key;
  LBW_ASSIGN_OR_RETURN(key.spec_sha256, metadata.Text(kSpecKey));
  LBW_ASSIGN_OR_RETURN(key.inputs_sha256, metadata.Text(kInputsKey));
  LBW_ASSIGN_OR_RETURN(const int64_t threads, metadata.Int(kThreadsKey, 1 << 20));
  key.threads = static_cast<int>(threads);
  LBW_ASSIGN_OR_RETURN(key.isa, metadata.Text(kIsaKey));
  return key;
}

}  // namespace

absl::Status WriteCheckpoint(const EvaluateState& state, const CheckpointKey& key,
                             base::ByteSink& sink) {
  const Tensors tensors = TensorsOf(state);
  std::vector<tensorfile::SafetensorsWriter::Declared> declared;
  for (const auto& [name, tensor] : tensors) {
    declared.push_back({name, tensor.dtype(), tensor.shape()});
  }
  const std::string position = base::StrCat(state.position);
  const std::map<std::string, std::string> metadata = {{kFormatKey, kFormat},
                                                       {kKindKey, kKind},
                                                       {kStepKey, position},
                                                       {kEpochKey, "0"},
                                                       {kPositionKey, position},
                                                       {kSpecKey, key.spec_sha256},
                                                       {kInputsKey, key.inputs_sha256},
                                                       {kThreadsKey, base::StrCat(key.threads)},
                                                       {kIsaKey, key.isa}};
  LBW_ASSIGN_OR_RETURN(
      tensorfile::SafetensorsWriter writer,
      tensorfile::SafetensorsWriter::Start(sink, std::move(declared), metadata));
  for (const auto& next : writer.order()) {
    LBW_RETURN_IF_ERROR(writer.Append(next.name, tensors.at(next.name).bytes()));
  }
  return writer.Finish();
}

absl::StatusOr<ReadState> ReadCheckpoint(const base::RandomAccessReader& reader) {
  LBW_ASSIGN_OR_RETURN(const tensorfile::SafetensorsFile file,
                       tensorfile::SafetensorsFile::Open(reader));
  const Metadata metadata(file.metadata());
  ReadState read;
  LBW_ASSIGN_OR_RETURN(read.key, ReadKey(metadata));
  EvaluateState& state = read.state;
  LBW_ASSIGN_OR_RETURN(state.position, metadata.Int(kPositionKey, eval::kMaxImages));
  LBW_RETURN_IF_ERROR(ReadBoxes(file, "state.", state.position, state.found));
  LBW_RETURN_IF_ERROR(ReadBoxes(file, "state.against_", state.position, state.against_found));
  LBW_RETURN_IF_ERROR(ReadJudged(file, state));
  LBW_ASSIGN_OR_RETURN(state.failed, ReadInts(file, "state.failed", 0, state.position - 1));
  LBW_RETURN_IF_ERROR(ReadTimings(file, state.timings));
  return read;
}

}  // namespace lbw::tasks
