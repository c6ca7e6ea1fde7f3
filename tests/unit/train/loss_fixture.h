// Heads without graphs, tensors from numbers, and gradients against central differences.
#ifndef LBW_TESTS_UNIT_TRAIN_LOSS_FIXTURE_H_
#define LBW_TESTS_UNIT_TRAIN_LOSS_FIXTURE_H_

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "base/status.h"
#include "model/model.h"
#include "train/loss.h"

namespace lbw::train {

// f64, so that differences are exact enough.
inline at::Tensor TensorOf(at::IntArrayRef sizes, const std::vector<double>& values) {
  at::Tensor tensor = at::empty(sizes, at::TensorOptions().dtype(at::kDouble));
  EXPECT_EQ(tensor.numel(), static_cast<int64_t>(values.size()));
  std::copy(values.begin(), values.end(), tensor.data_ptr<double>());
  return tensor;
}

inline at::Tensor RandomTensor(at::IntArrayRef sizes, uint64_t seed) {
  int64_t count = 1;
  for (const int64_t size : sizes) count *= size;
  base::Random random(seed);
  std::vector<double> values;
  for (int64_t i = 0; i < count; ++i) {
    values.push_back(static_cast<double>(random.Between(-2, 2)));
  }
  return TensorOf(sizes, values);
}

inline at::Tensor Leaf(const at::Tensor& tensor) {
  at::Tensor leaf = tensor.detach().clone();
  leaf.set_requires_grad(true);
  return leaf;
}

inline std::string ReasonOf(const absl::Status& status) {
  return base::GetErrorDetails(status).reason;
}

inline std::unique_ptr<HeadLoss> MakeLoss(const model::Model& model, const LossOptions& options) {
  auto loss = NewHeadLoss(model, options);
  EXPECT_TRUE(loss.ok()) << loss.status();
  return loss.ok() ? *std::move(loss) : nullptr;
}

inline LossValue Compute(HeadLoss& loss, const std::vector<at::Tensor>& outputs,
                         const std::vector<at::Tensor>& teacher, const BatchTruth& truth) {
  auto value = loss.Compute(outputs, teacher, truth);
  EXPECT_TRUE(value.ok()) << value.status();
  return value.ok() ? *std::move(value) : LossValue{};
}

inline double TotalOf(HeadLoss& loss, const std::vector<at::Tensor>& outputs,
                      const std::vector<at::Tensor>& teacher, const BatchTruth& truth) {
  return Compute(loss, outputs, teacher, truth).total->item<double>();
}

// Gradients of the total, one an output.
inline std::vector<at::Tensor> GradientsOf(HeadLoss& loss, const std::vector<at::Tensor>& outputs,
                                           const std::vector<at::Tensor>& teacher,
                                           const BatchTruth& truth) {
  std::vector<at::Tensor> leaves;
  for (const at::Tensor& output : outputs) leaves.push_back(Leaf(output));
  Compute(loss, leaves, teacher, truth).total->backward();
  std::vector<at::Tensor> gradients;
  for (const at::Tensor& leaf : leaves) gradients.push_back(leaf.grad());
  return gradients;
}

// Every element of every output against (f(x + h) - f(x - h)) / 2h. Outputs are f64 and contiguous;
// no two losses of background anchors may be closer than h.
inline void ExpectGradients(HeadLoss& loss, const std::vector<at::Tensor>& outputs,
                            const std::vector<at::Tensor>& teacher, const BatchTruth& truth) {
  constexpr double kStep = 1e-5;
  const std::vector<at::Tensor> gradients = GradientsOf(loss, outputs, teacher, truth);
  bool any = false;
  for (size_t i = 0; i < outputs.size(); ++i) {
    std::vector<at::Tensor> moved;
    for (const at::Tensor& output : outputs) moved.push_back(output.clone());
    double* const x = moved[i].data_ptr<double>();
    const at::Tensor gradient = gradients[i].contiguous();
    for (int64_t k = 0; k < moved[i].numel(); ++k) {
      const double before = x[k];
      x[k] = before + kStep;
      const double above = TotalOf(loss, moved, teacher, truth);
      x[k] = before - kStep;
      const double below = TotalOf(loss, moved, teacher, truth);
      x[k] = before;
      const double expected = (above - below) / (2 * kStep);
      EXPECT_NEAR(gradient.data_ptr<double>()[k], expected, 1e-7) << "output " << i << " at " << k;
      any = any || expected != 0;
    }
  }
  EXPECT_TRUE(any);
}

inline double LargestOf(const std::vector<at::Tensor>& tensors) {
  double largest = 0;
  for (const at::Tensor& tensor : tensors) {
    largest = std::max(largest, tensor.abs().max().item<double>());
  }
  return largest;
}

}  // namespace lbw::train

#endif  // LBW_TESTS_UNIT_TRAIN_LOSS_FIXTURE_H_
