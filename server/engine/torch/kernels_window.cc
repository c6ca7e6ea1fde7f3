// Convolution, pooling and resizing.
#include <ATen/core/Tensor.h>
#include <ATen/ops/add.h>
#include <ATen/ops/amax.h>
#include <ATen/ops/avg_pool2d.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/conv1d.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/conv3d.h>
#include <ATen/ops/convolution.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/max_pool2d.h>
#include <ATen/ops/mean.h>
#include <ATen/ops/mul.h>

#include <algorithm>
#include <limits>
#include <string>
#include <utility>

#include "base/status.h"
#include "base/tensor.h"
#include "engine/torch/kernels.h"
#include "engine/torch/torch_bridge.h"
#include "engine/torch/torch_version.h"

namespace lbw::engine {
namespace {

using In = const at::Tensor* const*;
using Sizes = std::vector<int64_t>;

Kernel Fresh(KernelFunction run) { return Kernel{std::move(run), {}, true}; }

// torch's order: last dimension first, begin and end in turn. Spatial dimensions only.
Sizes TorchPads(const Sizes& begin, const Sizes& end) {
  Sizes pads;
  for (size_t i = begin.size(); i-- > 0;) {
    pads.push_back(begin[i]);
    pads.push_back(end[i]);
  }
  return pads;
}

at::Tensor BiasOf(In in, bool has_bias) { return has_bias ? *in[2] : at::Tensor(); }

// By number of spatial dimensions: autocast of the CPU knows these, and not what they all call.
at::Tensor Convolve(const at::Tensor& x, In in, const graph::ConvParams& params,
                    const Sizes& padding, bool has_bias) {
  const graph::Window& window = params.window;
  const auto run = [&](auto convolve) {
    return convolve(x, *in[1], BiasOf(in, has_bias), Ints(window.strides), Ints(padding),
                    Ints(window.dilations), params.groups);
  };
  if (window.kernel.size() == 1) return run([](auto&&... a) { return at::conv1d(a...); });
  if (window.kernel.size() == 2) return run([](auto&&... a) { return at::conv2d(a...); });
  return run([](auto&&... a) { return at::conv3d(a...); });
}

absl::StatusOr<Kernel> ConvKernel(const graph::Operands& operands) {
  LBW_ASSIGN_OR_RETURN(graph::ConvParams params, graph::ResolveConv(operands));
  const bool has_bias = operands.has(2);
  const bool symmetric = params.window.begin == params.window.end;
  const Sizes zeros(params.window.kernel.size(), 0);
  const Sizes padding = symmetric ? params.window.begin : zeros;
  const Sizes pads = symmetric ? Sizes() : TorchPads(params.window.begin, params.window.end);
  return Fresh([params = std::move(params), padding, pads, has_bias](In in, at::Tensor* out) {
    const at::Tensor x = pads.empty() ? *in[0] : at::constant_pad_nd(*in[0], Ints(pads), 0);
    out[0] = Convolve(x, in, params, padding, has_bias);
  });
}

absl::StatusOr<Kernel> ConvTransposeKernel(const graph::Operands& operands) {
  LBW_ASSIGN_OR_RETURN(graph::ConvParams params, graph::ResolveConvTranspose(operands));
  const bool has_bias = operands.has(2);
  const bool symmetric = params.window.begin == params.window.end;
  const Sizes zeros(params.window.kernel.size(), 0);
  const Sizes padding = symmetric ? params.window.begin : zeros;
  return Fresh([params = std::move(params), padding, symmetric, has_bias](In in, at::Tensor* out) {
    const graph::Window& window = params.window;
    // Autocast of the CPU leaves it alone, where x may be narrower than the weight.
    const at::Tensor x = in[0]->to(in[1]->scalar_type());
    at::Tensor y = at::convolution(x, *in[1], BiasOf(in, has_bias), Ints(window.strides),
                                   Ints(padding), Ints(window.dilations), /*transposed=*/true,
                                   Ints(params.output_padding), params.groups);
    for (size_t i = 0; i < window.begin.size() && !symmetric; ++i) {
      y = y.narrow(static_cast<int64_t>(i) + 2, window.begin[i], params.output[i + 2]);
    }
    out[0] = y;
  });
}

// One spatial dimension is pooled as a picture of height 1.
graph::PoolParams AsPicture(graph::PoolParams params) {
  if (params.window.kernel.size() != 1) return params;
  const auto front = [](Sizes& sizes, int64_t value) { sizes.insert(sizes.begin(), value); };
  front(params.window.kernel, 1);
  front(params.window.strides, 1);
  front(params.window.dilations, 1);
  front(params.window.begin, 0);
  front(params.window.end, 0);
  params.output.insert(params.output.begin() + 2, 1);
  return params;
}

// torch pads both sides alike, by at most half the kernel.
bool TorchPadsIt(const graph::Window& window) {
  for (size_t i = 0; i < window.kernel.size(); ++i) {
    if (window.begin[i] != window.end[i] || 2 * window.begin[i] > window.kernel[i]) return false;
  }
  return true;
}

// Padding (or cropping) after which the windows fit exactly.
Sizes ExactPads(const graph::PoolParams& params, const Sizes& input) {
  const graph::Window& window = params.window;
  Sizes end;
  for (size_t i = 0; i < window.kernel.size(); ++i) {
    const int64_t extent = (window.kernel[i] - 1) * window.dilations[i] + 1;
    end.push_back((params.output[i + 2] - 1) * window.strides[i] + extent - input[i] -
                  window.begin[i]);
  }
  return TorchPads(window.begin, end);
}

// Height and width of input 0 as a picture.
Sizes PictureSize(const graph::Operands& operands) {
  const base::Shape& shape = operands.shape(0);
  return shape.size() == 3 ? Sizes{1, shape[2]} : Sizes{shape[2], shape[3]};
}

Kernel MaxPoolKernel(const graph::PoolParams& params, const Sizes& input, bool flat) {
  const bool native = TorchPadsIt(params.window);
  const Sizes zeros = {0, 0};
  const Sizes pads = native ? Sizes() : ExactPads(params, input);
  const Sizes padding = native ? params.window.begin : zeros;
  return Fresh([window = params.window, ceil = native && params.ceil_mode, pads, padding, flat](
                   In in, at::Tensor* out) {
    at::Tensor x = flat ? in[0]->unsqueeze(2) : *in[0];
    if (!pads.empty()) {
      x = at::constant_pad_nd(x, Ints(pads), -std::numeric_limits<float>::infinity());
    }
    x = at::max_pool2d(x, Ints(window.kernel), Ints(window.strides), Ints(padding),
                       Ints(window.dilations), ceil);
    out[0] = flat ? x.squeeze(2) : x;
  });
}

// 1 / (elements that a window averages over), [1, 1, H, W].
base::Tensor InverseCounts(const graph::PoolParams& params, const Sizes& input) {
  const graph::Window& window = params.window;
  std::vector<std::vector<float>> counts(2);
  for (size_t i = 0; i < 2; ++i) {
    const int64_t low = params.count_include_pad ? -window.begin[i] : 0;
    const int64_t high = input[i] + (params.count_include_pad ? window.end[i] : 0);
    for (int64_t o = 0; o < params.output[i + 2]; ++o) {
      const int64_t start = o * window.strides[i] - window.begin[i];
      const int64_t stop = std::min(start + window.kernel[i], high);
      counts[i].push_back(static_cast<float>(std::max<int64_t>(stop - std::max(start, low), 1)));
    }
  }
  std::vector<float> inverse;
  for (const float rows : counts[0]) {
    for (const float cols : counts[1]) inverse.push_back(1.0F / (rows * cols));
  }
  return base::Tensor::FromF32({1, 1, params.output[2], params.output[3]}, inverse);
}

// Of one spatial dimension where `flat`.
absl::StatusOr<Kernel> AveragePoolKernel(const graph::PoolParams& params, const Sizes& input,
                                         bool flat, const std::string& device) {
  const graph::Window window = params.window;
  if (TorchPadsIt(window)) {
    return Fresh([window, ceil = params.ceil_mode, include = params.count_include_pad, flat](
                     In in, at::Tensor* out) {
      at::Tensor x = flat ? in[0]->unsqueeze(2) : *in[0];
      x = at::avg_pool2d(x, Ints(window.kernel), Ints(window.strides), Ints(window.begin), ceil,
                         include);
      out[0] = flat ? x.squeeze(2) : x;
    });
  }
  const Sizes pads = ExactPads(params, input);
  LBW_ASSIGN_OR_RETURN(at::Tensor inverse,
                       CopyToTorch(InverseCounts(params, input).view(), device));
  return Fresh([window, pads, inverse, flat](In in, at::Tensor* out) {
    at::Tensor x = flat ? in[0]->unsqueeze(2) : *in[0];
    x = at::constant_pad_nd(x, Ints(pads), 0);
    x = at::avg_pool2d(x, Ints(window.kernel), Ints(window.strides), {0, 0}, /*ceil_mode=*/false,
                       /*count_include_pad=*/true, /*divisor_override=*/1);
    x = at::mul(x, inverse);
    out[0] = flat ? x.squeeze(2) : x;
  });
}

Kernel GlobalPoolKernel(const graph::Operands& operands) {
  Sizes axes;
  for (size_t i = 2; i < operands.shape(0).size(); ++i) axes.push_back(static_cast<int64_t>(i));
  if (operands.node->op_type == "GlobalMaxPool") {
    return Fresh([axes](In in, at::Tensor* out) { out[0] = at::amax(*in[0], Ints(axes), true); });
  }
  return Fresh([axes](In in, at::Tensor* out) { out[0] = at::mean(*in[0], Ints(axes), true); });
}

struct TorchAxis {
  int64_t axis;
  at::Tensor low, high, low_weight, high_weight;
};

absl::StatusOr<Kernel> ResizeKernel(const graph::Operands& operands, const std::string& device) {
  LBW_ASSIGN_OR_RETURN(const graph::ResizeParams params, graph::ResolveResize(operands));
  std::vector<TorchAxis> axes;
  for (const graph::ResizeAxis& from : params.axes) {
    const auto count = static_cast<int64_t>(from.low.size());
    TorchAxis axis{from.axis, {}, {}, {}, {}};
    LBW_ASSIGN_OR_RETURN(axis.low,
                         CopyToTorch(base::Tensor::FromI64({count}, from.low).view(), device));
    if (!params.nearest) {
      base::Shape shape(operands.shape(0).size(), 1);
      shape[from.axis] = count;
      std::vector<float> rest;
      for (const float weight : from.low_weight) rest.push_back(1 - weight);
      LBW_ASSIGN_OR_RETURN(axis.high,
                           CopyToTorch(base::Tensor::FromI64({count}, from.high).view(), device));
      LBW_ASSIGN_OR_RETURN(
          axis.low_weight,
          CopyToTorch(base::Tensor::FromF32(shape, from.low_weight).view(), device));
      LBW_ASSIGN_OR_RETURN(axis.high_weight,
                           CopyToTorch(base::Tensor::FromF32(shape, rest).view(), device));
    }
    axes.push_back(std::move(axis));
  }
  return Kernel{[axes = std::move(axes)](In in, at::Tensor* out) {
                  at::Tensor x = *in[0];
                  for (const TorchAxis& axis : axes) {
                    at::Tensor low = at::index_select(x, axis.axis, axis.low);
                    x = axis.high.defined()
                            ? at::add(
                                  low.mul_(axis.low_weight),
                                  at::index_select(x, axis.axis, axis.high).mul_(axis.high_weight))
                            : low;
                  }
                  out[0] = x;
                },
                {},
                /*fresh=*/false};
}

MaybeKernel Wrap(absl::StatusOr<Kernel> kernel) {
  if (!kernel.ok()) return kernel.status();
  return std::optional<Kernel>(*std::move(kernel));
}

}  // namespace

MaybeKernel MakeWindowKernel(const graph::Operands& operands, const std::string& device) {
  const std::string& op = operands.node->op_type;
  if (op == "Conv") return Wrap(ConvKernel(operands));
  if (op == "ConvTranspose") return Wrap(ConvTransposeKernel(operands));
  if (op == "MaxPool" || op == "AveragePool") {
    LBW_ASSIGN_OR_RETURN(const graph::PoolParams params, graph::ResolvePool(operands));
    const bool flat = params.window.kernel.size() == 1;
    const graph::PoolParams picture = AsPicture(params);
    const Sizes input = PictureSize(operands);
    if (op == "MaxPool") return std::optional<Kernel>(MaxPoolKernel(picture, input, flat));
    return Wrap(AveragePoolKernel(picture, input, flat, device));
  }
  if (op == "GlobalAveragePool" || op == "GlobalMaxPool") {
    return std::optional<Kernel>(GlobalPoolKernel(operands));
  }
  if (op == "Resize" || op == "Upsample") return Wrap(ResizeKernel(operands, device));
  return std::optional<Kernel>();
}

}  // namespace lbw::engine
