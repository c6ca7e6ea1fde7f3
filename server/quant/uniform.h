// Signed 8-bit uniform quantization: value = scale * code, codes -127..127.
//
// Math:      scale = max|w| / 127 per tensor or per row, rounded to float32 and at least 2^-149;
//            code = w / scale rounded to nearest, ties to even. A row of zeros has scale 0.
// Threads:   pure.
#ifndef LBW_QUANT_UNIFORM_H_
#define LBW_QUANT_UNIFORM_H_

#include "absl/types/span.h"
#include "quant/quantize.h"
#include "quant/report.h"

namespace lbw::quant {

// Fills tensor.codes and tensor.scales from its shape and options, and report. weights: the
// tensor's own order, finite.
void QuantizeUniform(absl::Span<const float> weights, QuantizedTensor& tensor,
                     ReportBuilder& report);

}  // namespace lbw::quant

#endif  // LBW_QUANT_UNIFORM_H_
