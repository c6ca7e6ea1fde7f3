// Starts of layers on the grid, from a seed.
#ifndef LBW_TESTS_UNIT_TRAIN_LAYER_STARTS_H_
#define LBW_TESTS_UNIT_TRAIN_LAYER_STARTS_H_

#include <cmath>
#include <cstdint>
#include <random>
#include <utility>
#include <vector>

#include "quant/quantize.h"
#include "quant/rows.h"
#include "train/low_bit_layer.h"
#include "unit/quant/random_weights.h"

namespace lbw::train::testing {

struct StartShape {
  base::Shape shape = {6, 5, 3, 3};
  int axis = 0;
  int groups = 1;
};

inline int64_t Elements(const base::Shape& shape) {
  int64_t elements = 1;
  for (const int64_t size : shape) elements *= size;
  return elements;
}

// Rows of different scale, as behind a folded batch norm.
inline std::vector<float> RowWeights(const StartShape& of, uint64_t seed) {
  std::vector<float> weights =
      quant::testing::NormalWeights(static_cast<size_t>(Elements(of.shape)), seed);
  const quant::RowLayout layout = quant::MakeRowLayout(of.shape, of.axis, of.groups);
  for (int64_t row = 0; row < layout.rows; ++row) {
    const float scale = std::ldexp(1.0F, static_cast<int>(row * 5 % 11) - 5);
    for (int64_t j = 0; j < layout.row_elements; ++j) {
      weights[static_cast<size_t>(layout.Offset(row, j))] *= scale;
    }
  }
  return weights;
}

// Codes of weights, and the weights moved a little as the target.
inline LayerStart MakeStart(int bits, quant::CodeBook book, const StartShape& of, uint64_t seed) {
  LayerStart start;
  start.name = "conv.weight";
  const std::vector<float> weights = RowWeights(of, seed);
  quant::TensorOptions options;
  options.bits = bits;
  options.code_book = book;
  options.axis = of.axis;
  options.groups = of.groups;
  start.codes = quant::QuantizeTensor(base::Tensor::FromF32(of.shape, weights).view(), options)
                    .value()
                    .tensor;
  start.target = weights;
  std::mt19937_64 random(seed + 1);
  std::normal_distribution<float> normal(1.0F, 0.3F);
  for (float& w : start.target) w *= normal(random);
  return start;
}

// 2 bits with a real scale a row.
inline LayerStart MakeRealStart(const StartShape& of, uint64_t seed) {
  LayerStart start = MakeStart(2, quant::CodeBook::kPaper, of, seed);
  for (size_t row = 0; row < start.codes.exponents.size(); ++row) {
    start.codes.scales.push_back(1.0F + 0.07F * static_cast<float>(row % 13));
  }
  return start;
}

}  // namespace lbw::train::testing

#endif  // LBW_TESTS_UNIT_TRAIN_LAYER_STARTS_H_
