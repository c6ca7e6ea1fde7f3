// The half of convert.h that concerns detection.
#include <utility>

#include "base/ids.h"
#include "base/status.h"
#include "base/strings.h"
#include "registry/checkpoint_version.h"
#include "rpc/convert.h"
#include "rpc/status_mapping.h"

namespace lbw::rpc {
namespace {

void TimingsToProto(const serving::Timings& from, v1::DetectTimings* out) {
  out->set_queue_us(from.queue_us);
  out->set_decode_us(from.decode_us);
  out->set_preprocess_us(from.preprocess_us);
  out->set_compute_us(from.compute_us);
  out->set_postprocess_us(from.postprocess_us);
  out->set_draw_us(from.draw_us);
}

std::string LabelOf(const serving::DetectResponse& response, int32_t index) {
  if (response.labels == nullptr || index < 0 ||
      static_cast<size_t>(index) >= response.labels->size()) {
    return "";
  }
  return (*response.labels)[static_cast<size_t>(index)];
}

void PictureToProto(const serving::DetectResponse& response, const serving::PictureResult& picture,
                    v1::DetectResult* out) {
  if (!picture.status.ok()) {
    *out->mutable_error() = ToRpcStatus(picture.status);
    return;
  }
  out->set_image_width(static_cast<uint32_t>(picture.width));
  out->set_image_height(static_cast<uint32_t>(picture.height));
  for (const detect::Detection& from : picture.detections) {
    v1::Detection* detection = out->add_detections();
    detection->set_class_index(static_cast<uint32_t>(from.class_index));
    detection->set_label(LabelOf(response, from.class_index));
    detection->set_score(from.score);
    v1::Box* box = detection->mutable_box();
    box->set_x_min(from.box.x_min);
    box->set_y_min(from.box.y_min);
    box->set_x_max(from.box.x_max);
    box->set_y_max(from.box.y_max);
  }
  for (const detect::ClassScore& from : picture.classes) {
    v1::Classification* classification = out->add_classifications();
    classification->set_class_index(static_cast<uint32_t>(from.class_index));
    classification->set_label(LabelOf(response, from.class_index));
    classification->set_score(from.score);
  }
  TimingsToProto(picture.timings, out->mutable_timings());
  out->set_annotated_image(picture.annotated);
  for (const serving::NamedTensor& from : picture.outputs) {
    v1::OutputTensor* tensor = out->add_outputs();
    tensor->set_name(from.name);
    tensor->mutable_shape()->Assign(from.tensor.shape().begin(), from.tensor.shape().end());
    const auto values = from.tensor.as<float>();
    tensor->mutable_values()->Add(values.begin(), values.end());
  }
}

}  // namespace

std::string CheckpointName(std::string_view model, std::string_view job) {
  return base::AliasName(model, base::StrCat(registry::kJobAlias, job));
}

absl::StatusOr<serving::DetectOptions> FromProto(const v1::DetectOptions& options) {
  serving::DetectOptions result;
  if (options.has_score_threshold()) result.decode.score_threshold = options.score_threshold();
  if (options.has_iou_threshold()) result.decode.iou_threshold = options.iou_threshold();
  if (options.has_max_detections()) result.decode.max_detections = options.max_detections();
  if (options.has_per_class_nms()) result.decode.per_class = options.per_class_nms();
  if (options.has_top_k()) result.decode.top_k = options.top_k();
  result.class_names.assign(options.classes().begin(), options.classes().end());
  result.include_outputs = options.include_outputs();
  switch (options.annotate()) {
    case v1::IMAGE_FORMAT_UNSPECIFIED:
      break;
    case v1::IMAGE_FORMAT_JPEG:
      result.annotate = detect::ImageFormat::kJpeg;
      break;
    case v1::IMAGE_FORMAT_PNG:
      result.annotate = detect::ImageFormat::kPng;
      break;
    default:
      return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadArgument,
                         base::StrCat("unknown image format: annotate=",
                                      static_cast<int>(options.annotate())))
          .Field("options.annotate");
  }
  return result;
}

void ToProto(const serving::DetectResponse& response, v1::DetectResponse* out) {
  if (response.job.empty()) {
    out->set_model_version(base::VersionName(response.model, response.version));
  } else {
    out->set_model_version(CheckpointName(response.model, response.job));
    out->set_checkpoint(base::ArtifactName(response.bundle));
  }
  out->set_queue_us(response.queue_us);
  for (const serving::PictureResult& picture : response.pictures) {
    PictureToProto(response, picture, out->add_results());
  }
}

absl::Status CheckAnswerSize(uint64_t bytes, uint64_t max_bytes) {
  if (bytes <= max_bytes) return absl::OkStatus();
  return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kLimitExceeded,
                     base::StrCat("the answer is larger than a message may be: bytes=", bytes,
                                  " limit=", max_bytes,
                                  "; send fewer pictures a call, or do without annotate and "
                                  "include_outputs"))
      .Field("images");
}

}  // namespace lbw::rpc
