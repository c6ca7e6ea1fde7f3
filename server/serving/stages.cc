#include "serving/stages.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/str_format.h"
#include "base/status.h"
#include "serving/request.h"

namespace lbw::serving {
namespace {

using Stage = ServingObserver::Stage;

// Times one stage of one picture and tells the observer, also when the stage failed.
class StageTimer {
 public:
  StageTimer(const StageContext& context, std::string_view model, Stage stage, uint32_t& out_us)
      : context_(context), model_(model), stage_(stage), out_us_(out_us), watch_(*context.clock) {}
  ~StageTimer() {
    out_us_ = watch_.ElapsedUs();
    if (context_.observer == nullptr) return;
    context_.observer->StageDone(model_, stage_, watch_.ElapsedSeconds());
  }
  StageTimer(const StageTimer&) = delete;
  StageTimer& operator=(const StageTimer&) = delete;

 private:
  const StageContext& context_;
  const std::string_view model_;
  const Stage stage_;
  uint32_t& out_us_;
  const base::Stopwatch watch_;
};

std::string FieldOf(size_t index) { return absl::StrCat("images[", index, "]"); }

// The batch that picture `index` belongs to.
Batch& BatchOf(Call& call, size_t index) {
  return call.work.batches[index / call.work.network->pictures_per_run];
}

absl::Span<const std::byte> AsSpan(const std::string& bytes) { return base::AsBytes(bytes); }

// Row `row` of a tensor [N, ...] as a tensor of its own.
base::Tensor RowOf(const base::Tensor& tensor, size_t row) {
  const base::Shape& shape = tensor.shape();
  const base::Shape rest(shape.begin() + (shape.empty() ? 0 : 1), shape.end());
  const size_t rows = shape.empty() ? 1 : static_cast<size_t>(shape[0]);
  const size_t row_bytes = rows == 0 ? 0 : tensor.size_bytes() / rows;
  return base::Tensor(
      base::TensorView{tensor.dtype(), rest, tensor.bytes().subspan(row * row_bytes, row_bytes)});
}

std::string LabelOf(const Network& network, int32_t class_index) {
  const auto index = static_cast<size_t>(class_index);
  return index < network.labels->size() ? (*network.labels)[index] : absl::StrCat(class_index);
}

// Decoded again: keeping every picture's pixels from the first stage on would hold up to 120 MB a
// picture while the call waits.
absl::StatusOr<std::string> Annotate(const StageContext& context, const Call& call, size_t index) {
  const PictureResult& result = call.work.response.pictures[index];
  LBW_ASSIGN_OR_RETURN(detect::Image image,
                       detect::DecodeImage(AsSpan(call.request.images[index]), context.image));
  std::vector<detect::DrawItem> items;
  items.reserve(result.detections.size());
  for (const detect::Detection& found : result.detections) {
    detect::DrawItem item;
    item.box = found.box;
    item.text = absl::StrFormat("%s %.2f", LabelOf(*call.work.network, found.class_index),
                                static_cast<double>(found.score));
    item.color_index = found.class_index;
    items.push_back(std::move(item));
  }
  LBW_RETURN_IF_ERROR(detect::DrawBoxes(image, items));
  return detect::EncodeImage(image, *call.request.options.annotate);
}

void Fail(PictureResult& result, const absl::Status& status, size_t index) {
  const Timings timings = result.timings;
  result = PictureResult();
  result.timings = timings;
  result.status = WithField(status, FieldOf(index));
}

}  // namespace

uint64_t EncodedBytes(const DetectRequest& request) {
  uint64_t bytes = 0;
  for (const std::string& image : request.images) bytes += image.size();
  return bytes;
}

uint64_t InputBytes(const Network& network, size_t pictures) {
  return uint64_t{pictures} * network.input_elements() * sizeof(float);
}

absl::Status Plan(ServedVersion& version, Call& call) {
  CallWork& work = call.work;
  work.network = version.network();
  const Network& network = *work.network;
  work.decode = call.request.options.decode;
  LBW_ASSIGN_OR_RETURN(work.decode.classes,
                       FindClasses(call.request.options.class_names, *network.labels));
  work.response.model = version.name().model;
  work.response.version = version.name().number;
  work.response.job = version.name().job;
  work.response.labels = network.labels;
  const size_t pictures = call.request.images.size();
  for (size_t first = 0; first < pictures; first += network.pictures_per_run) {
    Batch batch;
    batch.first = first;
    batch.count = std::min(network.pictures_per_run, pictures - first);
    batch.input = base::Tensor(base::DType::kF32,
                               {static_cast<int64_t>(batch.count), network.input.channels(),
                                network.input.height, network.input.width});
    work.batches.push_back(std::move(batch));
  }
  return absl::OkStatus();
}

void PreparePicture(const StageContext& context, Call& call, size_t index) {
  CallWork& work = call.work;
  const Network& network = *work.network;
  PictureResult& result = work.response.pictures[index];
  std::string& encoded = call.request.images[index];
  absl::StatusOr<detect::Image> image = absl::UnknownError("");
  {
    const StageTimer timer(context, work.response.model, Stage::kDecode, result.timings.decode_us);
    image = detect::DecodeImage(AsSpan(encoded), context.image);
  }
  // Freed early: it may be tens of megabytes, and the call may wait for long.
  if (!image.ok() || !call.request.options.annotate.has_value()) std::string().swap(encoded);
  if (!image.ok()) {
    Fail(result, image.status(), index);
    return;
  }
  const StageTimer timer(context, work.response.model, Stage::kPreprocess,
                         result.timings.preprocess_us);
  result.width = image->width;
  result.height = image->height;
  work.placements[index] = detect::PlacePicture(network.input, image->width, image->height);
  Batch& batch = BatchOf(call, index);
  const size_t elements = network.input_elements();
  const absl::Status prepared = detect::Preprocess(
      *image, network.input,
      batch.input.mutable_as<float>().subspan((index - batch.first) * elements, elements));
  if (!prepared.ok()) Fail(result, prepared, index);
}

size_t Compact(Call& call) {
  size_t good = 0;
  const size_t row_bytes = InputBytes(*call.work.network, 1);
  for (Batch& batch : call.work.batches) {
    std::byte* const rows = batch.input.mutable_bytes().data();
    for (size_t row = 0; row < batch.count; ++row) {
      const size_t index = batch.first + row;
      if (!call.work.response.pictures[index].status.ok()) continue;
      const size_t to = batch.good.size();
      if (to != row) std::memcpy(rows + to * row_bytes, rows + row * row_bytes, row_bytes);
      batch.good.push_back(index);
    }
    good += batch.good.size();
  }
  return good;
}

absl::Status RunBatches(const StageContext& context, Call& call) {
  CallWork& work = call.work;
  // The supervisor ends a call that is cancelled, and also one that a drain gives up.
  const base::CancelToken wanted([&call] { return call.finished(); },
                                 call.request.cancel.deadline());
  for (Batch& batch : work.batches) {
    if (batch.good.empty()) continue;
    base::TensorView input = batch.input.view();
    input.shape[0] = static_cast<int64_t>(batch.good.size());
    input.bytes = input.bytes.subspan(0, InputBytes(*work.network, batch.good.size()));
    uint32_t compute_us = 0;
    absl::StatusOr<std::vector<base::Tensor>> outputs = std::vector<base::Tensor>();
    {
      const StageTimer timer(context, work.response.model, Stage::kCompute, compute_us);
      outputs = work.network->executor->Run(input, wanted);
    }
    LBW_RETURN_IF_ERROR(outputs.status());
    batch.outputs = *std::move(outputs);
    batch.input = base::Tensor();
    for (const size_t index : batch.good) {
      work.response.pictures[index].timings.compute_us = compute_us;
    }
  }
  return absl::OkStatus();
}

void FinishPicture(const StageContext& context, Call& call, size_t index) {
  CallWork& work = call.work;
  const Network& network = *work.network;
  PictureResult& result = work.response.pictures[index];
  const Batch& batch = BatchOf(call, index);
  const auto found = std::lower_bound(batch.good.begin(), batch.good.end(), index);
  const auto row = static_cast<size_t>(found - batch.good.begin());
  {
    const StageTimer timer(context, work.response.model, Stage::kPostprocess,
                           result.timings.postprocess_us);
    absl::StatusOr<detect::Decoded> decoded =
        network.decoder->Decode(batch.outputs, static_cast<int64_t>(row), work.decode);
    if (!decoded.ok()) {
      Fail(result, decoded.status(), index);
      return;
    }
    result.detections = std::move(decoded->detections);
    result.classes = std::move(decoded->classes);
    for (detect::Detection& detection : result.detections) {
      detection.box = detect::ToPicture(detection.box, work.placements[index]);
    }
    if (call.request.options.include_outputs) {
      for (size_t i = 0; i < batch.outputs.size(); ++i) {
        result.outputs.push_back(
            NamedTensor{network.decoder->inputs()[i], RowOf(batch.outputs[i], row)});
      }
    }
  }
  if (!call.request.options.annotate.has_value()) return;
  const StageTimer timer(context, work.response.model, Stage::kDraw, result.timings.draw_us);
  absl::StatusOr<std::string> annotated = Annotate(context, call, index);
  if (annotated.ok()) {
    result.annotated = *std::move(annotated);
  } else {
    Fail(result, annotated.status(), index);
  }
}

}  // namespace lbw::serving
