// ONNX bytes to a Model, and ONNX bytes to packed weights: the import of room graph behind the
// types of this room.
//
// Threads: pure functions. Memory: the bytes and one copy of the constants.
#ifndef LBW_MODEL_IMPORT_MODEL_H_
#define LBW_MODEL_IMPORT_MODEL_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/io.h"
#include "model/model.h"
#include "model/quantize_file.h"

namespace lbw::model {

struct ImportedModel {
  Model model;
  std::vector<std::string> notes;  // what was dropped, changed or could not be proved, for people
};

// Errors: kInvalidArgument - those of graph::ImportOnnx and MakeModel.
absl::StatusOr<ImportedModel> ImportOnnxModel(std::string_view onnx, ModelSpec spec);

// Weights of an ONNX file into the packed format; see quantize_file.h.
absl::StatusOr<QuantizeFileOutcome> QuantizeOnnx(std::string_view onnx,
                                                 const QuantizeOptions& options, WriteMode mode,
                                                 base::ByteSink& sink,
                                                 const QuantizeProgress& progress);

// The initializers of an ONNX file that its nodes read, sorted by name.
struct InitializerInfo {
  std::string name;
  base::DType dtype = base::DType::kF32;
  base::Shape shape;
  uint64_t bytes = 0;
};
absl::StatusOr<std::vector<InitializerInfo>> ListOnnxInitializers(std::string_view onnx);

}  // namespace lbw::model

#endif  // LBW_MODEL_IMPORT_MODEL_H_
