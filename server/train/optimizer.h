// One step of all parameters, from their gradients.
//
// Math:      train/options.h; both moments of Adam are corrected for their start. eps = 1e-12 for
//            weights, 1e-8 otherwise. Gradients that are not finite count as 0.
// Precision: on the CPU the same bits for the same gradients and thread count.
// Threads:   one.
#ifndef LBW_TRAIN_OPTIMIZER_H_
#define LBW_TRAIN_OPTIMIZER_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/tensor.h"
#include "train/options.h"
#include "train/parameter.h"

namespace lbw::train {

class ParameterOptimizer {
 public:
  // parameters: in an order that stays; their names and kinds are unique together. Options are
  // checked already.
  static std::unique_ptr<ParameterOptimizer> Make(const OptimizerOptions& options,
                                                  std::vector<Parameter> parameters);
  virtual ~ParameterOptimizer() = default;

  struct StepFacts {
    double gradient_norm = 0;  // in units, before clipping
    int64_t not_finite = 0;    // elements of gradients
  };
  // factor: RateFactor. Errors: kInternal, kResourceExhausted - torch's.
  virtual absl::StatusOr<StepFacts> Step(double factor) = 0;
  // First moments and momenta to 0; counts go on.
  virtual void ClearFirstMoments() = 0;
  // A parameter takes no further steps.
  virtual void Freeze(const std::string& name, ParameterKind kind) = 0;

  // "m.KIND.NAME", "v.KIND.NAME", and "count" (I64): what a run that goes on needs. Restore takes
  // exactly what State gave. Errors: kDataLoss - a tensor is missing or of another shape.
  virtual absl::StatusOr<std::map<std::string, base::Tensor>> State() const = 0;
  virtual absl::Status Restore(const std::map<std::string, base::Tensor>& state) = 0;
};

}  // namespace lbw::train

#endif  // LBW_TRAIN_OPTIMIZER_H_
