// Judges a packed file against the weights that it was made from.
#ifndef LBW_TESTS_TOOLS_QUANT_ORACLE_CHECK_PACKED_H_
#define LBW_TESTS_TOOLS_QUANT_ORACLE_CHECK_PACKED_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/io.h"
#include "quant/grid.h"

namespace lbw::oracle {

struct CheckOptions {
  // What every tensor on a grid must have been made with; not checked where left out.
  std::optional<int> bits = {};
  std::optional<quant::CodeBook> code_book = {};
  std::optional<quant::Granularity> granularity = {};
  // Threshold scheme: the error may be above the optimum, never below.
  bool threshold = false;
};

// One tensor's verdict.
struct TensorCheck {
  std::string name = {};
  std::string kind = {};     // "4 full channel", "8 uniform tensor", "F32"
  int64_t exponents = 0;     // rows, or 1 per tensor
  int64_t ambiguous = 0;     // exponents whose runner-up is as good within 1e-12
  double error = 0;          // of the file
  double optimum = 0;        // by brute force
  std::string failure = {};  // empty: as it must be
};

// One check a tensor of either file, by name. Relative tolerance 1e-12.
// Errors: those of the readers.
absl::StatusOr<std::vector<TensorCheck>> CheckPacked(const base::RandomAccessReader& original,
                                                     const base::RandomAccessReader& packed,
                                                     const CheckOptions& options);

}  // namespace lbw::oracle

#endif  // LBW_TESTS_TOOLS_QUANT_ORACLE_CHECK_PACKED_H_
