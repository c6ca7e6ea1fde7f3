// Tells metrics what a quantization did.
#ifndef LBW_RPC_OBSERVE_H_
#define LBW_RPC_OBSERVE_H_

#include <string_view>

#include "base/clock.h"
#include "metrics/metrics.h"
#include "model/model.h"
#include "quant/grid.h"

namespace lbw::rpc {

// call: "artifact" or "version".
inline void ObserveQuantization(metrics::Metrics& metrics, std::string_view call,
                                const model::QuantizeOutcome& outcome,
                                const base::Stopwatch& watch) {
  for (const quant::TensorReport& report : outcome.reports) {
    if (report.quantized)
      metrics.TensorQuantized(quant::Name(report.options.scheme), report.elements);
  }
  metrics.QuantizeDone(call, static_cast<double>(watch.ElapsedNs()) * 1e-9);
}

}  // namespace lbw::rpc

#endif  // LBW_RPC_OBSERVE_H_
