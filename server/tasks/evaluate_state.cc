#include "tasks/evaluate_state.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/numbers.h"
#include "base/status.h"
#include "base/strings.h"
#include "tensorfile/safetensors.h"

namespace lbw::tasks {
namespace {

using tensorfile::SafetensorsFile;
using tensorfile::SafetensorsWriter;

base::Error BadCheckpoint(std::string_view what) {
  return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadFile,
                     base::StrCat("the checkpoint is damaged: ", what));
}

template <typename T>
base::Tensor Make(base::DType dtype, base::Shape shape, const std::vector<T>& values) {
  base::Tensor tensor(dtype, std::move(shape));
  std::copy(values.begin(), values.end(), tensor.mutable_as<T>().begin());
  return tensor;
}
template <typename T>
base::Tensor List(base::DType dtype, const std::vector<T>& values) {
  return Make(dtype, {static_cast<int64_t>(values.size())}, values);
}

using Tensors = std::map<std::string, base::Tensor>;

template <typename T>
absl::StatusOr<std::vector<T>> ReadList(const ReadTensor& read, const std::string& name,
                                        base::DType dtype) {
  LBW_ASSIGN_OR_RETURN(const base::Tensor tensor, read(name));
  if (tensor.dtype() != dtype) return BadCheckpoint(name);
  const absl::Span<const T> values = tensor.as<T>();
  return std::vector<T>(values.begin(), values.end());
}

// Rising indices of pictures that are done.
bool IsWithin(const std::vector<int32_t>& pictures, int64_t done) {
  int64_t last = -1;
  for (const int32_t picture : pictures) {
    if (picture <= last || picture >= done) return false;
    last = picture;
  }
  return true;
}

}  // namespace

void AddRun(const std::string& prefix, const RunState& run, Tensors& tensors) {
  std::vector<float> boxes;
  std::vector<float> scores;
  std::vector<int32_t> classes;
  std::vector<int32_t> pictures;
  for (const eval::FoundBox& found : run.found) {
    const detect::BoxXyxyPx& box = found.detection.box;
    boxes.insert(boxes.end(), {box.x_min, box.y_min, box.x_max, box.y_max});
    scores.push_back(found.detection.score);
    classes.push_back(found.detection.class_index);
    pictures.push_back(found.image_index);
  }
  std::vector<int32_t> labels;
  std::vector<int32_t> predicted;
  std::vector<int32_t> ranks;
  for (const eval::JudgedPicture& judged : run.judged) {
    labels.push_back(judged.label);
    predicted.push_back(judged.predicted);
    ranks.push_back(judged.rank);
  }
  tensors.emplace(prefix + "boxes",
                  Make(base::DType::kF32, {static_cast<int64_t>(run.found.size()), 4}, boxes));
  tensors.emplace(prefix + "scores", List(base::DType::kF32, scores));
  tensors.emplace(prefix + "classes", List(base::DType::kI32, classes));
  tensors.emplace(prefix + "pictures", List(base::DType::kI32, pictures));
  tensors.emplace(prefix + "labels", List(base::DType::kI32, labels));
  tensors.emplace(prefix + "predicted", List(base::DType::kI32, predicted));
  tensors.emplace(prefix + "ranks", List(base::DType::kI32, ranks));
  tensors.emplace(prefix + "judged", List(base::DType::kI32, run.judged_pictures));
}

absl::StatusOr<RunState> ReadRun(const std::string& prefix, int64_t done, const ReadTensor& read) {
  const auto integers = [&](const char* list) {
    return ReadList<int32_t>(read, prefix + list, base::DType::kI32);
  };
  LBW_ASSIGN_OR_RETURN(const std::vector<float> boxes,
                       ReadList<float>(read, prefix + "boxes", base::DType::kF32));
  LBW_ASSIGN_OR_RETURN(const std::vector<float> scores,
                       ReadList<float>(read, prefix + "scores", base::DType::kF32));
  LBW_ASSIGN_OR_RETURN(const std::vector<int32_t> classes, integers("classes"));
  LBW_ASSIGN_OR_RETURN(const std::vector<int32_t> pictures, integers("pictures"));
  LBW_ASSIGN_OR_RETURN(const std::vector<int32_t> labels, integers("labels"));
  LBW_ASSIGN_OR_RETURN(const std::vector<int32_t> predicted, integers("predicted"));
  LBW_ASSIGN_OR_RETURN(const std::vector<int32_t> ranks, integers("ranks"));
  RunState run;
  LBW_ASSIGN_OR_RETURN(run.judged_pictures, integers("judged"));
  const size_t count = scores.size();
  if (boxes.size() != 4 * count || classes.size() != count || pictures.size() != count) {
    return BadCheckpoint(prefix + "boxes");
  }
  if (predicted.size() != labels.size() || ranks.size() != labels.size() ||
      run.judged_pictures.size() != labels.size()) {
    return BadCheckpoint(prefix + "labels");
  }
  for (size_t i = 0; i < count; ++i) {
    const detect::BoxXyxyPx box = {boxes[4 * i], boxes[4 * i + 1], boxes[4 * i + 2],
                                   boxes[4 * i + 3]};
    run.found.push_back({pictures[i], {box, classes[i], scores[i]}});
  }
  for (size_t i = 0; i < labels.size(); ++i) {
    run.judged.push_back({labels[i], predicted[i], ranks[i]});
  }
  const bool found_fit =
      std::all_of(run.found.begin(), run.found.end(), [&](const eval::FoundBox& found) {
        return found.image_index >= 0 && found.image_index < done;
      });
  if (!found_fit || !IsWithin(run.judged_pictures, done)) {
    return BadCheckpoint("a picture that is not done yet");
  }
  return run;
}

absl::Status WriteState(const EvaluateState& state, const CheckpointHeader& header,
                        base::ByteSink& sink) {
  Tensors tensors;
  AddRun("state.main.", state.main, tensors);
  AddRun("state.against.", state.against, tensors);
  tensors.emplace("state.failed", List(base::DType::kI32, state.failed));
  const std::vector<double> seconds = {state.seconds.decode, state.seconds.preprocess,
                                       state.seconds.compute, state.seconds.postprocess};
  tensors.emplace("state.seconds", List(base::DType::kF64, seconds));
  std::vector<SafetensorsWriter::Declared> declared;
  for (const auto& [name, tensor] : tensors)
    declared.push_back({name, tensor.dtype(), tensor.shape()});
  const std::map<std::string, std::string> metadata = {{"lbw.checkpoint", "1"},
                                                       {"step", base::StrCat(state.done)},
                                                       {"epoch", "0"},
                                                       {"position", base::StrCat(state.done)},
                                                       {"spec", header.spec_sha256},
                                                       {"threads", base::StrCat(header.threads)},
                                                       {"isa", header.isa}};
  LBW_ASSIGN_OR_RETURN(SafetensorsWriter writer,
                       SafetensorsWriter::Start(sink, std::move(declared), metadata));
  for (const SafetensorsWriter::Declared& next : writer.order()) {
    LBW_RETURN_IF_ERROR(writer.Append(next.name, tensors.at(next.name).bytes()));
  }
  return writer.Finish();
}

absl::StatusOr<EvaluateState> ReadState(const base::RandomAccessReader& reader,
                                        std::string_view spec_sha256) {
  LBW_ASSIGN_OR_RETURN(const SafetensorsFile file, SafetensorsFile::Open(reader));
  const auto metadata = [&](const char* key) {
    const auto found = file.metadata().find(key);
    return found == file.metadata().end() ? std::string() : found->second;
  };
  if (metadata("lbw.checkpoint") != "1") return BadCheckpoint("lbw.checkpoint is not 1");
  if (metadata("spec") != spec_sha256) {
    return base::Error(absl::StatusCode::kFailedPrecondition, base::reason::kBadFile,
                       "the checkpoint is of another spec");
  }
  const ReadTensor read = [&file](const std::string& name) -> absl::StatusOr<base::Tensor> {
    const tensorfile::TensorEntry* const entry = file.Find(name);
    if (entry == nullptr) return BadCheckpoint(name);
    return file.Read(*entry);
  };
  EvaluateState state;
  if (!absl::SimpleAtoi(metadata("step"), &state.done) || state.done < 0) {
    return BadCheckpoint("step");
  }
  // Pictures that are skipped because of a damaged number would be missed in silence.
  if (metadata("position") != metadata("step")) return BadCheckpoint("position");
  LBW_ASSIGN_OR_RETURN(state.main, ReadRun("state.main.", state.done, read));
  LBW_ASSIGN_OR_RETURN(state.against, ReadRun("state.against.", state.done, read));
  LBW_ASSIGN_OR_RETURN(state.failed, ReadList<int32_t>(read, "state.failed", base::DType::kI32));
  LBW_ASSIGN_OR_RETURN(const std::vector<double> seconds,
                       ReadList<double>(read, "state.seconds", base::DType::kF64));
  if (seconds.size() != 4) return BadCheckpoint("state.seconds");
  if (!IsWithin(state.failed, state.done)) return BadCheckpoint("state.failed");
  state.seconds = {seconds[0], seconds[1], seconds[2], seconds[3]};
  return state;
}

absl::StatusOr<CheckpointHeader> ReadHeader(const base::RandomAccessReader& reader) {
  LBW_ASSIGN_OR_RETURN(const SafetensorsFile file, SafetensorsFile::Open(reader));
  CheckpointHeader header;
  for (const auto& [key, value] : file.metadata()) {
    if (key == "spec") header.spec_sha256 = value;
    if (key == "isa") header.isa = value;
    if (key == "threads" && !absl::SimpleAtoi(value, &header.threads)) {
      return BadCheckpoint("threads");
    }
  }
  return header;
}

}  // namespace lbw::tasks
