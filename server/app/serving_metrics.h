// What serving tells, as metrics: rooms know no metrics, so the plug is here.
#ifndef LBW_APP_SERVING_METRICS_H_
#define LBW_APP_SERVING_METRICS_H_

#include <string_view>

#include "metrics/metrics.h"
#include "serving/detector.h"

namespace lbw::app {

class ServingMetrics final : public serving::ServingObserver {
 public:
  explicit ServingMetrics(metrics::Metrics& metrics) : metrics_(metrics) {}

  void StageDone(std::string_view model, Stage stage, double seconds) override {
    metrics_.StageDone(model, NameOf(stage), seconds);
  }
  void PictureDone(std::string_view model, bool ok) override { metrics_.PictureDone(model, ok); }
  void QueueLength(std::string_view model, int64_t version, size_t calls) override {
    metrics_.QueueLength(model, version, calls);
  }
  void LoadDone(std::string_view model, double seconds, bool ok) override {
    metrics_.LoadDone(model, seconds, ok);
  }
  void LoadedChanged(size_t versions, uint64_t bytes) override {
    metrics_.LoadedChanged(versions, bytes);
  }
  void Unloaded(std::string_view model, int64_t version) override {
    metrics_.RemoveVersion(model, version);
  }

 private:
  static std::string_view NameOf(Stage stage) {
    switch (stage) {
      case Stage::kQueue:
        return "queue";
      case Stage::kDecode:
        return "decode";
      case Stage::kPreprocess:
        return "preprocess";
      case Stage::kCompute:
        return "compute";
      case Stage::kPostprocess:
        return "postprocess";
      case Stage::kDraw:
        return "draw";
    }
    return "other";
  }

  metrics::Metrics& metrics_;
};

}  // namespace lbw::app

#endif  // LBW_APP_SERVING_METRICS_H_
