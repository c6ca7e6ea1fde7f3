// A tensor that is trained, and how far a step goes.
//
// Torch's types are named, not included.
#ifndef LBW_TRAIN_PARAMETER_H_
#define LBW_TRAIN_PARAMETER_H_

#include <cstdint>
#include <memory>
#include <string>

namespace at {
class Tensor;
}  // namespace at

namespace lbw::train {

enum class ParameterKind : uint8_t {
  kWeight,  // steps in units of its row's rms; decays
  kBias,    // also gamma, beta, slopes
  kScale,   // a: a row of weights is its codes times exp(a)
};

// value, gradient and unit are of one device. at::Tensor is a handle: copies share storage, and the
// optimizer writes into value's storage.
struct Parameter {
  std::string name;  // of the constant; of kScale the weight's
  ParameterKind kind = ParameterKind::kWeight;
  std::shared_ptr<at::Tensor> value;     // f32, any shape, no autograd
  std::shared_ptr<at::Tensor> gradient;  // of value's shape; undefined: no step
  std::shared_ptr<at::Tensor> unit;      // broadcasts to value: rows' rms; undefined: 1
};

}  // namespace lbw::train

#endif  // LBW_TRAIN_PARAMETER_H_
