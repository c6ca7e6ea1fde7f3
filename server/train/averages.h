// Moving averages of parameters.
//
// Math:    a = d a + (1 - d) x, from a = x at the beginning; d grows from 0.1 to `ema` (EmaDecay).
// Threads: one.
#ifndef LBW_TRAIN_AVERAGES_H_
#define LBW_TRAIN_AVERAGES_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "train/parameter.h"

namespace lbw::train {

class Averages {
 public:
  // parameters: borrowed handles. ema 0: averages are the parameters themselves.
  Averages(const std::vector<Parameter>& parameters, double ema);
  ~Averages();
  // Behind step t. Throws what torch throws.
  void Update(int64_t t);
  // In the order of the parameters.
  const std::vector<at::Tensor>& values() const { return values_; }
  at::Tensor& value(size_t i);
  // The parameters take their averages' values.
  void CopyBack();

 private:
  const double ema_;
  std::vector<Parameter> parameters_;
  std::vector<at::Tensor> values_;
};

}  // namespace lbw::train

#endif  // LBW_TRAIN_AVERAGES_H_
