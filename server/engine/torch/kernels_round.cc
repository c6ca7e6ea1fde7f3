// Rounding of activations to 8-bit codes and back.
#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty_like.h>

#include "engine/torch/kernels.h"

namespace lbw::engine {
namespace {

// Elements that are worth a thread of their own.
constexpr int64_t kGrain = 1 << 15;
// 1.5 * 2^23: adding it leaves no room for a fraction, so that the addition itself rounds a small
// number, half to even, without a call for every element.
constexpr float kNoFraction = 12582912.0F;

struct Codes {
  float scale;
  float low;  // least and greatest code, less the zero point
  float high;
};

// Clamping before rounding is the same as after it, for both bounds are whole; NaN passes.
void RoundRange(const float* in, float* out, int64_t count, const Codes& codes) {
  for (int64_t i = 0; i < count; ++i) {
    float code = in[i] / codes.scale;
    code = code < codes.low ? codes.low : code;
    code = code > codes.high ? codes.high : code;
    out[i] = ((code + kNoFraction) - kNoFraction) * codes.scale;
  }
}

// Both dense, of the same strides.
void RoundInto(const at::Tensor& in, const at::Tensor& out, const Codes& codes) {
  const float* from = in.data_ptr<float>();
  float* to = out.data_ptr<float>();
  at::parallel_for(0, in.numel(), kGrain, [&](int64_t begin, int64_t end) {
    RoundRange(from + begin, to + begin, end - begin, codes);
  });
}

at::Tensor RoundCopy(const at::Tensor& in, const Codes& codes) {
  const at::Tensor dense = in.is_non_overlapping_and_dense() ? in : in.contiguous();
  at::Tensor out = at::empty_like(dense);  // keeps the strides of what is dense
  RoundInto(dense, out, codes);
  return out;
}

}  // namespace

Kernel RoundKernel(const graph::ActivationRange& range) {
  const Codes codes{range.scale, static_cast<float>(range.least_code() - range.zero_point),
                    static_cast<float>(range.greatest_code() - range.zero_point)};
  Kernel kernel;
  kernel.run = [codes](const at::Tensor* const* in, at::Tensor* out) {
    out[0] = RoundCopy(*in[0], codes);
  };
  kernel.run_in_place = [codes](const at::Tensor* const* in, at::Tensor* out) {
    if (!in[0]->is_non_overlapping_and_dense()) {
      out[0] = RoundCopy(*in[0], codes);
      return;
    }
    RoundInto(*in[0], *in[0], codes);
    out[0] = *in[0];
  };
  return kernel;
}

}  // namespace lbw::engine
