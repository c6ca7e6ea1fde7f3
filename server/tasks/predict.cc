#include "tasks/predict.h"

#include <algorithm>
#include <utility>

#include "base/clock.h"
#include "base/status.h"
#include "base/strings.h"
#include "detect/image/image.h"
#include "quant/parallel.h"

namespace lbw::tasks {
namespace {

constexpr int64_t kMostPicturesARun = 8;

}  // namespace

absl::StatusOr<std::unique_ptr<Network>> Network::Load(store::BlobStore& blobs,
                                                       const std::string& bundle,
                                                       engine::ExecutorFactory& engine,
                                                       int threads) {
  absl::StatusOr<std::unique_ptr<base::RandomAccessReader>> reader = blobs.Open(bundle);
  if (!reader.ok()) {
    return base::Error(absl::StatusCode::kDataLoss, base::reason::kDataLoss,
                       base::StrCat("the bundle ", bundle, " is gone"));
  }
  absl::StatusOr<model::Model> model = model::ReadBundle(**reader);
  if (!model.ok()) {
    return base::Error(
        absl::StatusCode::kDataLoss, base::reason::kDataLoss,
        base::StrCat("the bundle ", bundle, " is damaged: ", base::Std(model.status().message())));
  }
  return Make(*std::move(model), engine, threads, Activations::kFloat);
}

absl::StatusOr<std::unique_ptr<Network>> Network::Make(model::Model model,
                                                       engine::ExecutorFactory& engine, int threads,
                                                       Activations activations) {
  std::unique_ptr<Network> network(new Network);
  network->model_ = std::move(model);
  LBW_ASSIGN_OR_RETURN(network->decoder_, model::MakeDecoder(network->model_));
  engine::CompileOptions options;
  options.fetch = network->decoder_->inputs();
  options.height = network->model_.spec.input.height;
  options.width = network->model_.spec.input.width;
  options.threads = threads;
  if (activations == Activations::kEmulated) options.emulate = network->model_.activations;
  LBW_ASSIGN_OR_RETURN(network->executor_,
                       engine.Compile(network->model_.graph, network->model_.constants, options));
  const int64_t max_batch = network->model_.graph.max_batch;
  network->batch_ = max_batch > 0 ? std::min(max_batch, kMostPicturesARun) : kMostPicturesARun;
  return network;
}

PreparedPicture PreparePicture(const detect::InputSpec& input, const std::string& encoded) {
  PreparedPicture picture;
  const base::Stopwatch decode;
  const absl::StatusOr<detect::Image> image = detect::DecodeImage(base::AsBytes(encoded));
  picture.decode_seconds = decode.ElapsedSeconds();
  picture.status = image.status();
  if (!image.ok()) return picture;
  const base::Stopwatch prepare;
  picture.values.resize(static_cast<size_t>(input.channels() * input.height * input.width));
  picture.status = detect::Preprocess(*image, input, absl::MakeSpan(picture.values));
  picture.placement = detect::PlacePicture(input, image->width, image->height);
  picture.preprocess_seconds = prepare.ElapsedSeconds();
  return picture;
}

PreparedPicture ReadPicture(const dataset::Pack& pack, size_t index,
                            const detect::InputSpec& input) {
  const absl::StatusOr<std::string> encoded = pack.ReadPicture(index);
  if (encoded.ok()) return PreparePicture(input, *encoded);
  PreparedPicture picture;
  picture.status = encoded.status();
  return picture;
}

std::vector<PreparedPicture> ReadPictures(const dataset::Pack& pack,
                                          absl::Span<const size_t> indices,
                                          const detect::InputSpec& input, int threads) {
  std::vector<PreparedPicture> pictures(indices.size());
  quant::ParallelFor(static_cast<int64_t>(indices.size()), threads, [&](int64_t i) {
    const auto one = static_cast<size_t>(i);
    pictures[one] = ReadPicture(pack, indices[one], input);
  });
  return pictures;
}

PreparedPicture Network::Prepare(const std::string& encoded) const {
  return PreparePicture(model_.spec.input, encoded);
}

absl::StatusOr<std::vector<Predicted>> Network::Run(absl::Span<const PreparedPicture> pictures,
                                                    const detect::DecodeOptions& options,
                                                    StageSeconds& seconds) {
  std::vector<Predicted> out(pictures.size());
  std::vector<size_t> good;
  for (size_t i = 0; i < pictures.size(); ++i) {
    out[i].status = pictures[i].status;
    seconds.decode += pictures[i].decode_seconds;
    seconds.preprocess += pictures[i].preprocess_seconds;
    if (pictures[i].status.ok()) good.push_back(i);
  }
  if (good.empty()) return out;
  const detect::InputSpec& input = model_.spec.input;
  base::Tensor batch(base::DType::kF32, {static_cast<int64_t>(good.size()), input.channels(),
                                         input.height, input.width});
  const absl::Span<float> values = batch.mutable_as<float>();
  size_t at = 0;
  for (const size_t i : good) {
    std::copy(pictures[i].values.begin(), pictures[i].values.end(),
              values.begin() + static_cast<std::ptrdiff_t>(at));
    at += pictures[i].values.size();
  }
  const base::Stopwatch compute;
  LBW_ASSIGN_OR_RETURN(const std::vector<base::Tensor> outputs,
                       executor_->Run(batch.view(), base::CancelToken()));
  seconds.compute += compute.ElapsedSeconds();
  const base::Stopwatch postprocess;
  for (size_t row = 0; row < good.size(); ++row) {
    Predicted& predicted = out[good[row]];
    absl::StatusOr<detect::Decoded> decoded =
        decoder_->Decode(outputs, static_cast<int64_t>(row), options);
    if (!decoded.ok()) return decoded.status();
    predicted.classes = std::move(decoded->classes);
    predicted.detections = std::move(decoded->detections);
    for (detect::Detection& detection : predicted.detections) {
      detection.box = detect::ToPicture(detection.box, pictures[good[row]].placement);
    }
  }
  seconds.postprocess += postprocess.ElapsedSeconds();
  return out;
}

}  // namespace lbw::tasks
