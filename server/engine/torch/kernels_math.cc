// Element-wise operators, products, normalization and reductions.
#include <ATen/core/Tensor.h>
#include <ATen/ops/_softmax.h>
#include <ATen/ops/abs.h>
#include <ATen/ops/add.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/amax.h>
#include <ATen/ops/amin.h>
#include <ATen/ops/batch_norm.h>
#include <ATen/ops/ceil.h>
#include <ATen/ops/clamp.h>
#include <ATen/ops/div.h>
#include <ATen/ops/elu.h>
#include <ATen/ops/eq.h>
#include <ATen/ops/erf.h>
#include <ATen/ops/exp.h>
#include <ATen/ops/floor.h>
#include <ATen/ops/gt.h>
#include <ATen/ops/hardswish.h>
#include <ATen/ops/leaky_relu.h>
#include <ATen/ops/log.h>
#include <ATen/ops/lt.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/maximum.h>
#include <ATen/ops/mean.h>
#include <ATen/ops/minimum.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/neg.h>
#include <ATen/ops/pow.h>
#include <ATen/ops/reciprocal.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/softplus.h>
#include <ATen/ops/sqrt.h>
#include <ATen/ops/sub.h>
#include <ATen/ops/sum.h>
#include <ATen/ops/tanh.h>
#include <ATen/ops/where.h>

#include <string_view>
#include <utility>

#include "base/status.h"
#include "engine/torch/kernels.h"
#include "engine/torch/torch_version.h"

namespace lbw::engine {
namespace {

using In = const at::Tensor* const*;
using UnaryFunction = at::Tensor (*)(const at::Tensor&);
using InPlaceFunction = at::Tensor& (*)(at::Tensor&);
using BinaryFunction = at::Tensor (*)(const at::Tensor&, const at::Tensor&);

struct UnaryEntry {
  std::string_view op;
  UnaryFunction run;
  InPlaceFunction run_in_place;
};

// nullptr in the last column: never where its input may be overwritten.
constexpr UnaryEntry kUnary[] = {
    {"Abs", [](const at::Tensor& x) { return at::abs(x); }, nullptr},
    {"Ceil", [](const at::Tensor& x) { return at::ceil(x); }, nullptr},
    {"Erf", [](const at::Tensor& x) { return at::erf(x); }, nullptr},
    {"Exp", [](const at::Tensor& x) { return at::exp(x); }, nullptr},
    {"Floor", [](const at::Tensor& x) { return at::floor(x); }, nullptr},
    {"HardSwish", [](const at::Tensor& x) { return at::hardswish(x); },
     [](at::Tensor& x) -> at::Tensor& { return at::hardswish_(x); }},
    {"Log", [](const at::Tensor& x) { return at::log(x); }, nullptr},
    {"Neg", [](const at::Tensor& x) { return at::neg(x); }, nullptr},
    {"Reciprocal", [](const at::Tensor& x) { return at::reciprocal(x); }, nullptr},
    {"Relu", [](const at::Tensor& x) { return at::relu(x); },
     [](at::Tensor& x) -> at::Tensor& { return at::relu_(x); }},
    {"Sigmoid", [](const at::Tensor& x) { return at::sigmoid(x); },
     [](at::Tensor& x) -> at::Tensor& { return at::sigmoid_(x); }},
    {"Softplus", [](const at::Tensor& x) { return at::softplus(x); }, nullptr},
    {"Sqrt", [](const at::Tensor& x) { return at::sqrt(x); }, nullptr},
    {"Tanh", [](const at::Tensor& x) { return at::tanh(x); },
     [](at::Tensor& x) -> at::Tensor& { return at::tanh_(x); }},
};

struct BinaryEntry {
  std::string_view op;
  BinaryFunction run;
};

constexpr BinaryEntry kBinary[] = {
    {"Add", [](const at::Tensor& a, const at::Tensor& b) { return at::add(a, b); }},
    {"Equal", [](const at::Tensor& a, const at::Tensor& b) { return at::eq(a, b); }},
    {"Greater", [](const at::Tensor& a, const at::Tensor& b) { return at::gt(a, b); }},
    {"Less", [](const at::Tensor& a, const at::Tensor& b) { return at::lt(a, b); }},
    {"Mul", [](const at::Tensor& a, const at::Tensor& b) { return at::mul(a, b); }},
    {"Pow", [](const at::Tensor& a, const at::Tensor& b) { return at::pow(a, b); }},
    {"Sub", [](const at::Tensor& a, const at::Tensor& b) { return at::sub(a, b); }},
};

Kernel Unary(KernelFunction run) { return Kernel{std::move(run), {}, true}; }

Kernel FromUnary(const UnaryEntry& entry) {
  Kernel kernel;
  kernel.run = [run = entry.run](In in, at::Tensor* out) { out[0] = run(*in[0]); };
  if (entry.run_in_place != nullptr) {
    kernel.run_in_place = [run = entry.run_in_place](In in, at::Tensor* out) {
      at::Tensor x = *in[0];
      out[0] = run(x);
    };
  }
  return kernel;
}

Kernel AddKernel(const graph::Operands& operands) {
  Kernel kernel;
  kernel.run = [](In in, at::Tensor* out) { out[0] = at::add(*in[0], *in[1]); };
  const auto sum = graph::BroadcastShapes(*operands.node, operands.shape(0), operands.shape(1));
  if (sum.ok() && *sum == operands.shape(0)) {
    kernel.run_in_place = [](In in, at::Tensor* out) {
      at::Tensor x = *in[0];
      out[0] = x.add_(*in[1]);
    };
  }
  return kernel;
}

// Min and Max of any number of tensors.
Kernel Fold(size_t count, BinaryFunction run) {
  return Unary([count, run](In in, at::Tensor* out) {
    at::Tensor result = *in[0];
    for (size_t i = 1; i < count; ++i) result = run(result, *in[i]);
    out[0] = count == 1 ? result.clone() : result;
  });
}

Kernel DivKernel(bool floating) {
  if (floating) return Unary([](In in, at::Tensor* out) { out[0] = at::div(*in[0], *in[1]); });
  return Unary([](In in, at::Tensor* out) { out[0] = at::div(*in[0], *in[1], "trunc"); });
}

absl::StatusOr<Kernel> ClipKernel(const graph::Operands& operands) {
  if (!base::IsFloating(operands.dtype(0))) {
    return graph::UnsupportedNode(*operands.node, "integers");
  }
  LBW_ASSIGN_OR_RETURN(const graph::ClipParams params, graph::ResolveClip(operands));
  Kernel kernel;
  kernel.run = [params](In in, at::Tensor* out) {
    out[0] = at::clamp(*in[0], params.low, params.high);
  };
  kernel.run_in_place = [params](In in, at::Tensor* out) {
    at::Tensor x = *in[0];
    out[0] = at::clamp_(x, params.low, params.high);
  };
  return kernel;
}

absl::StatusOr<Kernel> SoftmaxKernel(const graph::Operands& operands) {
  LBW_ASSIGN_OR_RETURN(const graph::SoftmaxParams params, graph::ResolveSoftmax(operands));
  if (!params.flatten) {
    return Unary([axis = params.axis](In in, at::Tensor* out) {
      out[0] = at::_softmax(in[0]->to(at::kFloat), axis, false);  // also under autocast
    });
  }
  int64_t rows = 1;
  int64_t cols = 1;
  const base::Shape shape = operands.shape(0);
  for (size_t i = 0; i < shape.size(); ++i) {
    (static_cast<int64_t>(i) < params.axis ? rows : cols) *= shape[i];
  }
  return Unary([rows, cols, shape](In in, at::Tensor* out) {
    out[0] =
        at::_softmax(in[0]->to(at::kFloat).reshape({rows, cols}), 1, false).reshape(Ints(shape));
  });
}

Kernel BatchNormalizationKernel(const graph::Node& node) {
  const auto epsilon = static_cast<double>(node.Float("epsilon", 1e-5F));
  return Unary([epsilon](In in, at::Tensor* out) {
    out[0] = at::batch_norm(*in[0], *in[1], *in[2], *in[3], *in[4], /*training=*/false,
                            /*momentum=*/0.0, epsilon, /*cudnn_enabled=*/false);
  });
}

absl::StatusOr<Kernel> GemmKernel(const graph::Operands& operands) {
  LBW_ASSIGN_OR_RETURN(const graph::GemmParams params, graph::ResolveGemm(operands));
  const bool has_c = operands.has(2) && params.beta != 0;
  return Unary([params, has_c](In in, at::Tensor* out) {
    const at::Tensor a = params.trans_a ? in[0]->t() : *in[0];
    const at::Tensor b = params.trans_b ? in[1]->t() : *in[1];
    if (has_c) {
      out[0] = at::addmm(*in[2], a, b, params.beta, params.alpha);
    } else {
      out[0] = params.alpha == 1 ? at::mm(a, b) : at::mul(at::mm(a, b), params.alpha);
    }
  });
}

absl::StatusOr<Kernel> ReduceKernel(const graph::Operands& operands) {
  LBW_ASSIGN_OR_RETURN(const graph::ReduceParams params, graph::ResolveReduce(operands));
  const std::string& op = operands.node->op_type;
  if (params.axes.empty()) return Unary([](In in, at::Tensor* out) { out[0] = in[0]->clone(); });
  const std::vector<int64_t> axes = params.axes;
  const bool keep = params.keep_dims;
  if (op == "ReduceMean") {
    return Unary(
        [axes, keep](In in, at::Tensor* out) { out[0] = at::mean(*in[0], Ints(axes), keep); });
  }
  if (op == "ReduceSum") {
    // torch would widen integers.
    return Unary([axes, keep](In in, at::Tensor* out) {
      out[0] = at::sum(*in[0], Ints(axes), keep, in[0]->scalar_type());
    });
  }
  if (op == "ReduceMax") {
    return Unary(
        [axes, keep](In in, at::Tensor* out) { out[0] = at::amax(*in[0], Ints(axes), keep); });
  }
  return Unary(
      [axes, keep](In in, at::Tensor* out) { out[0] = at::amin(*in[0], Ints(axes), keep); });
}

std::optional<Kernel> ParametricKernel(const graph::Operands& operands) {
  const graph::Node& node = *operands.node;
  if (node.op_type == "LeakyRelu") {
    return Unary([alpha = node.Float("alpha", 0.01F)](In in, at::Tensor* out) {
      out[0] = at::leaky_relu(*in[0], alpha);
    });
  }
  if (node.op_type == "Elu") {
    return Unary([alpha = node.Float("alpha", 1.0F)](In in, at::Tensor* out) {
      out[0] = at::elu(*in[0], alpha);
    });
  }
  if (node.op_type == "HardSigmoid") {
    const float alpha = node.Float("alpha", 0.2F);
    const float beta = node.Float("beta", 0.5F);
    return Unary([alpha, beta](In in, at::Tensor* out) {
      out[0] = at::clamp(at::add(at::mul(*in[0], alpha), beta), 0, 1);
    });
  }
  if (node.op_type == "PRelu") {
    return Unary([](In in, at::Tensor* out) {
      out[0] = at::where(at::gt(*in[0], 0), *in[0], at::mul(*in[0], *in[1]));
    });
  }
  if (node.op_type == "Where") {
    return Unary([](In in, at::Tensor* out) { out[0] = at::where(*in[0], *in[1], *in[2]); });
  }
  if (node.op_type == "MatMul") {
    return Unary([](In in, at::Tensor* out) { out[0] = at::matmul(*in[0], *in[1]); });
  }
  return std::nullopt;
}

MaybeKernel Wrap(absl::StatusOr<Kernel> kernel) {
  if (!kernel.ok()) return kernel.status();
  return std::optional<Kernel>(*std::move(kernel));
}

}  // namespace

KernelFunction TrainingBatchNormalization(const graph::Node& node, double momentum) {
  const auto epsilon = static_cast<double>(node.Float("epsilon", 1e-5F));
  return [epsilon, momentum](In in, at::Tensor* out) {
    out[0] = at::batch_norm(*in[0], *in[1], *in[2], *in[3], *in[4], /*training=*/true, momentum,
                            epsilon, /*cudnn_enabled=*/in[0]->is_cuda());
  };
}

MaybeKernel MakeMathKernel(const graph::Operands& operands) {
  const std::string& op = operands.node->op_type;
  if (op == "Add") return std::optional<Kernel>(AddKernel(operands));
  for (const UnaryEntry& entry : kUnary) {
    if (entry.op == op) return std::optional<Kernel>(FromUnary(entry));
  }
  for (const BinaryEntry& entry : kBinary) {
    if (entry.op != op) continue;
    return std::optional<Kernel>(
        Unary([run = entry.run](In in, at::Tensor* out) { out[0] = run(*in[0], *in[1]); }));
  }
  if (op == "Div") {
    return std::optional<Kernel>(DivKernel(base::IsFloating(operands.dtype(0))));
  }
  if (op == "Min" || op == "Max") {
    const BinaryFunction run =
        op == "Min" ? [](const at::Tensor& a, const at::Tensor& b) { return at::minimum(a, b); }
                    : [](const at::Tensor& a, const at::Tensor& b) { return at::maximum(a, b); };
    return std::optional<Kernel>(Fold(operands.inputs.size(), run));
  }
  if (op == "Clip") return Wrap(ClipKernel(operands));
  if (op == "Softmax") return Wrap(SoftmaxKernel(operands));
  if (op == "BatchNormalization") {
    return std::optional<Kernel>(BatchNormalizationKernel(*operands.node));
  }
  if (op == "Gemm") return Wrap(GemmKernel(operands));
  if (op.rfind("Reduce", 0) == 0) return Wrap(ReduceKernel(operands));
  return ParametricKernel(operands);
}

}  // namespace lbw::engine
