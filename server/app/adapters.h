// What ties rooms together that do not know each other.
#ifndef LBW_APP_ADAPTERS_H_
#define LBW_APP_ADAPTERS_H_

#include <string>
#include <string_view>

#include "base/io.h"
#include "metrics/metrics.h"
#include "serving/detector.h"
#include "store/artifact_store.h"

namespace lbw::app {

// serving's observer into metrics. Threads: as Metrics.
class ServingMetrics final : public serving::ServingObserver {
 public:
  explicit ServingMetrics(metrics::Metrics& metrics) : metrics_(metrics) {}
  void StageDone(std::string_view model, Stage stage, double seconds) override;
  void PictureDone(std::string_view model, bool ok) override;
  void QueueLength(std::string_view model, int64_t version, size_t calls) override;
  void LoadDone(std::string_view model, double seconds, bool ok) override;
  void LoadedChanged(size_t versions, uint64_t bytes) override;
  void Unloaded(std::string_view model, int64_t version) override;

 private:
  metrics::Metrics& metrics_;
};

// Tells a file's format from its content: the header of a safetensors file, the first fields of an
// ONNX file.
store::ArtifactFormat DetectFormat(const base::RandomAccessReader& reader);

// "AMD EPYC; avx2 avx512f avx512_vnni avx512_bf16", from /proc/cpuinfo.
std::string DescribeCpu();

}  // namespace lbw::app

#endif  // LBW_APP_ADAPTERS_H_
