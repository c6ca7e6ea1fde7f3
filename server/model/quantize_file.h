// Quantizes the tensors of a file (safetensors, or the initializers of an ONNX file) into the
// packed format.
//
// Which tensors: safetensors - floating tensors of two or more dimensions; ONNX - the weight inputs
// of Conv, ConvTranspose, Gemm and MatMul only. Everything else is copied as it is. Memory: one
// tensor at a time and its codes; the packed result goes to the sink as it is made.
#ifndef LBW_MODEL_QUANTIZE_FILE_H_
#define LBW_MODEL_QUANTIZE_FILE_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/io.h"
#include "model/model.h"

namespace lbw::model {

enum class WriteMode { kWrite, kDryRun };

struct QuantizeFileOutcome {
  QuantizeOutcome outcome;
  std::vector<std::string> dropped;  // ONNX initializers that no node reads
};

// sink: where the packed file goes; not touched in a dry run. After an error it may hold a part.
// The file's own metadata are kept. Reports: the quantizable tensors in the file's order, then the
// others by name; all by the layer rules, of which @outputs and @depthwise match nothing here.
// Errors: kInvalidArgument - BAD_FILE, UNSUPPORTED_FORMAT, BAD_OPTIONS, NON_FINITE,
//         ALREADY_QUANTIZED (packed already, or a reserved name), NOTHING_TO_QUANTIZE (in a dry run
//         only where there is no weight at all); progress's; the sink's.
absl::StatusOr<QuantizeFileOutcome> QuantizeSafetensors(const base::RandomAccessReader& reader,
                                                        const QuantizeOptions& options,
                                                        WriteMode mode, base::ByteSink& sink,
                                                        const QuantizeProgress& progress);
// The same for a graph that was imported already.
absl::StatusOr<QuantizeFileOutcome> QuantizeConstants(const graph::Graph& graph,
                                                      const graph::Constants& constants,
                                                      const QuantizeOptions& options,
                                                      WriteMode mode, base::ByteSink& sink,
                                                      const QuantizeProgress& progress);

enum class DequantizeTo { kF32, kSourceDType };
// Packed file -> plain safetensors, tensor by tensor. A bias beside the codes is written as
// X.lbw_bias, as it is. Errors: kInvalidArgument - BAD_FILE; kFailedPrecondition,
// UNSUPPORTED_FORMAT - nothing in it is packed; progress's; the sink's.
absl::Status DequantizeFile(const base::RandomAccessReader& reader, DequantizeTo to,
                            base::ByteSink& sink, const QuantizeProgress& progress);

}  // namespace lbw::model

#endif  // LBW_MODEL_QUANTIZE_FILE_H_
