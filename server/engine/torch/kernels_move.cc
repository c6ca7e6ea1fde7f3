// Operators that move elements, and the choice of a node's kernel.
#include <ATen/core/Tensor.h>
#include <ATen/ops/add.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/lt.h>
#include <ATen/ops/where.h>

#include <algorithm>
#include <string>
#include <utility>

#include "base/status.h"
#include "base/strings.h"
#include "base/tensor.h"
#include "engine/torch/kernels.h"
#include "engine/torch/torch_bridge.h"
#include "engine/torch/torch_version.h"

namespace lbw::engine {
namespace {

using In = const at::Tensor* const*;

Kernel Fresh(KernelFunction run) { return Kernel{std::move(run), {}, true}; }
Kernel View(KernelFunction run) { return Kernel{std::move(run), {}, false}; }

absl::StatusOr<Kernel> TransposeKernel(const graph::Operands& operands) {
  LBW_ASSIGN_OR_RETURN(const std::vector<int64_t> perm, graph::ResolveTranspose(operands));
  return View([perm](In in, at::Tensor* out) { out[0] = in[0]->permute(Ints(perm)); });
}

absl::StatusOr<Kernel> ConcatKernel(const graph::Operands& operands) {
  const auto rank = static_cast<int64_t>(operands.shape(0).size());
  LBW_ASSIGN_OR_RETURN(const int64_t axis,
                       graph::NormalizeAxis(operands, operands.node->Int("axis", 0), rank));
  return Fresh([axis, count = operands.inputs.size()](In in, at::Tensor* out) {
    std::vector<at::Tensor> parts;
    for (size_t i = 0; i < count; ++i) parts.push_back(*in[i]);
    out[0] = at::cat(parts, axis);
  });
}

absl::StatusOr<Kernel> SplitKernel(const graph::Operands& operands) {
  LBW_ASSIGN_OR_RETURN(const graph::SplitParams params, graph::ResolveSplit(operands));
  return View([params](In in, at::Tensor* out) {
    int64_t start = 0;
    for (size_t i = 0; i < params.sizes.size(); ++i) {
      out[i] = in[0]->narrow(params.axis, start, params.sizes[i]);
      start += params.sizes[i];
    }
  });
}

absl::StatusOr<at::Tensor> IndexTensor(const std::vector<int64_t>& values,
                                       const std::string& device) {
  return CopyToTorch(base::Tensor::FromI64({static_cast<int64_t>(values.size())}, values).view(),
                     device);
}

absl::StatusOr<Kernel> SliceKernel(const graph::Operands& operands, const std::string& device) {
  LBW_ASSIGN_OR_RETURN(const std::vector<graph::SliceRange> ranges, graph::ResolveSlice(operands));
  // torch does not slice backwards: those dimensions are picked by index.
  std::vector<std::pair<int64_t, at::Tensor>> picks;
  for (const graph::SliceRange& range : ranges) {
    if (range.step > 0) continue;
    std::vector<int64_t> at;
    for (int64_t i = 0; i < range.length; ++i) at.push_back(range.start + i * range.step);
    LBW_ASSIGN_OR_RETURN(at::Tensor index, IndexTensor(at, device));
    picks.emplace_back(range.axis, std::move(index));
  }
  return View([ranges, picks](In in, at::Tensor* out) {
    at::Tensor x = *in[0];
    for (const graph::SliceRange& range : ranges) {
      if (range.step < 0) continue;
      const int64_t stop =
          range.length == 0 ? range.start : range.start + (range.length - 1) * range.step + 1;
      x = x.slice(range.axis, range.start, stop, range.length > 1 ? range.step : 1);
    }
    for (const auto& pick : picks) x = at::index_select(x, pick.first, pick.second);
    out[0] = x;
  });
}

// Which element each padded position repeats.
std::vector<int64_t> PadSource(graph::PadMode mode, int64_t begin, int64_t size, int64_t end) {
  std::vector<int64_t> source;
  for (int64_t i = -begin; i < size + end; ++i) {
    int64_t at = std::clamp<int64_t>(i, 0, size - 1);
    if (mode == graph::PadMode::kReflect) at = i < 0 ? -i : i >= size ? 2 * size - 2 - i : i;
    source.push_back(at);
  }
  return source;
}

absl::StatusOr<Kernel> PadKernel(const graph::Operands& operands, const std::string& device) {
  LBW_ASSIGN_OR_RETURN(const graph::PadParams params, graph::ResolvePad(operands));
  if (params.mode == graph::PadMode::kConstant) {
    std::vector<int64_t> pads;
    for (size_t i = params.begin.size(); i-- > 0;) {
      pads.push_back(params.begin[i]);
      pads.push_back(params.end[i]);
    }
    return Fresh([pads, value = params.value](In in, at::Tensor* out) {
      out[0] = at::constant_pad_nd(*in[0], Ints(pads), value);
    });
  }
  std::vector<std::pair<int64_t, at::Tensor>> picks;
  for (size_t i = 0; i < params.begin.size(); ++i) {
    if (params.begin[i] == 0 && params.end[i] == 0) continue;
    LBW_ASSIGN_OR_RETURN(
        at::Tensor index,
        IndexTensor(PadSource(params.mode, params.begin[i], operands.shape(0)[i], params.end[i]),
                    device));
    picks.emplace_back(static_cast<int64_t>(i), std::move(index));
  }
  return View([picks](In in, at::Tensor* out) {
    at::Tensor x = *in[0];
    for (const auto& pick : picks) x = at::index_select(x, pick.first, pick.second);
    out[0] = x;
  });
}

absl::StatusOr<Kernel> GatherKernel(const graph::Operands& operands, const base::Shape& output) {
  const auto rank = static_cast<int64_t>(operands.shape(0).size());
  LBW_ASSIGN_OR_RETURN(const int64_t axis,
                       graph::NormalizeAxis(operands, operands.node->Int("axis", 0), rank));
  const int64_t size = operands.shape(0)[axis];
  if (operands.shape(1).empty() && operands.known[1] != nullptr) {
    LBW_ASSIGN_OR_RETURN(const std::vector<int64_t> index, graph::KnownInts(operands, 1));
    const int64_t at = index[0] < 0 ? index[0] + size : index[0];
    return View([axis, at](In in, at::Tensor* out) { out[0] = in[0]->select(axis, at); });
  }
  return Fresh([axis, size, output](In in, at::Tensor* out) {
    const at::Tensor given = in[1]->reshape({-1}).to(at::kLong);
    const at::Tensor index = at::where(at::lt(given, 0), at::add(given, size), given);
    out[0] = at::index_select(*in[0], axis, index).reshape(Ints(output));
  });
}

absl::StatusOr<Kernel> CastKernel(const graph::Operands& operands) {
  LBW_ASSIGN_OR_RETURN(const base::DType dtype, graph::ResolveCast(operands));
  const base::Tensor sample(dtype, {0});
  LBW_ASSIGN_OR_RETURN(const at::Tensor typed, CopyToTorch(sample.view()));
  return View([type = typed.scalar_type()](In in, at::Tensor* out) { out[0] = in[0]->to(type); });
}

MaybeKernel Wrap(absl::StatusOr<Kernel> kernel) {
  if (!kernel.ok()) return kernel.status();
  return std::optional<Kernel>(*std::move(kernel));
}

}  // namespace

MaybeKernel MakeMoveKernel(const graph::Operands& operands,
                           const std::vector<graph::ValueInfo>& outputs,
                           const std::string& device) {
  const std::string& op = operands.node->op_type;
  const base::Shape& output = outputs[0].shape;
  if (op == "Reshape" || op == "Flatten" || op == "Squeeze" || op == "Unsqueeze") {
    return std::optional<Kernel>(
        View([output](In in, at::Tensor* out) { out[0] = in[0]->reshape(Ints(output)); }));
  }
  if (op == "Identity" || op == "Dropout") {
    return std::optional<Kernel>(View([](In in, at::Tensor* out) { out[0] = *in[0]; }));
  }
  if (op == "Expand") {
    return std::optional<Kernel>(
        View([output](In in, at::Tensor* out) { out[0] = in[0]->expand(Ints(output)); }));
  }
  if (op == "Transpose") return Wrap(TransposeKernel(operands));
  if (op == "Concat") return Wrap(ConcatKernel(operands));
  if (op == "Split") return Wrap(SplitKernel(operands));
  if (op == "Slice") return Wrap(SliceKernel(operands, device));
  if (op == "Pad") return Wrap(PadKernel(operands, device));
  if (op == "Gather") return Wrap(GatherKernel(operands, output));
  if (op == "Cast") return Wrap(CastKernel(operands));
  return std::optional<Kernel>();
}

absl::StatusOr<Kernel> MakeKernel(const graph::Operands& operands,
                                  const std::vector<graph::ValueInfo>& outputs,
                                  const std::string& device) {
  LBW_ASSIGN_OR_RETURN(std::optional<Kernel> kernel, MakeMathKernel(operands));
  if (!kernel.has_value()) {
    LBW_ASSIGN_OR_RETURN(kernel, MakeWindowKernel(operands, device));
  }
  if (!kernel.has_value()) {
    LBW_ASSIGN_OR_RETURN(kernel, MakeMoveKernel(operands, outputs, device));
  }
  if (!kernel.has_value()) {
    return graph::UnsupportedNode(*operands.node,
                                  "its result must follow from constants and shapes alone");
  }
  return *std::move(kernel);
}

}  // namespace lbw::engine
