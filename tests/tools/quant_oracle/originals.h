// The float weights that a packed file was made from: a safetensors file, or an ONNX file's
// initializers.
#ifndef LBW_TESTS_TOOLS_QUANT_ORACLE_ORIGINALS_H_
#define LBW_TESTS_TOOLS_QUANT_ORACLE_ORIGINALS_H_

#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "base/io.h"
#include "base/tensor.h"

namespace lbw::oracle {

struct Originals {
  std::map<std::string, base::Tensor> tensors;
  bool is_graph = false;  // ONNX
};

// Reads with ONNX's own messages, not with the product's import. Errors: kInvalidArgument - neither
// kind of file.
absl::StatusOr<Originals> ReadOriginals(const base::RandomAccessReader& reader);

}  // namespace lbw::oracle

#endif  // LBW_TESTS_TOOLS_QUANT_ORACLE_ORIGINALS_H_
