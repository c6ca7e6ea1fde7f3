// Reads NumPy's .npy files: golden vectors of tests.
//
// Format: NEP 1 (versions 1.0 to 3.0); little-endian, C order; f4, f8, i4, i8, u1.
#ifndef LBW_TESTS_SUPPORT_NPY_H_
#define LBW_TESTS_SUPPORT_NPY_H_

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "base/tensor.h"

namespace lbw::testing {

// Errors: kInvalidArgument - not such a file; kNotFound.
absl::StatusOr<base::Tensor> ReadNpy(const std::string& path);
absl::StatusOr<base::Tensor> ParseNpy(std::string_view bytes);

}  // namespace lbw::testing

#endif  // LBW_TESTS_SUPPORT_NPY_H_
