// Writes a packed file tensor by tensor, so that a large file needs the memory of one tensor: what
// WritePacked does with everything at hand, in the same bytes.
//
// Only what projection makes: codes and exponents, or 8-bit codes and scales; neither real factors
// beside a grid nor biases.
#ifndef LBW_TENSORFILE_PACKED_WRITER_H_
#define LBW_TENSORFILE_PACKED_WRITER_H_

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "base/io.h"
#include "base/tensor.h"
#include "quant/quantize.h"
#include "tensorfile/safetensors.h"

namespace lbw::tensorfile {

class PackedWriter {
 public:
  struct Declared {
    std::string name = {};                             // logical
    base::DType dtype = base::DType::kF32;             // the source's where it is quantized
    base::Shape shape = {};                            // logical
    std::optional<quant::TensorOptions> options = {};  // it comes as codes made with these
  };
  // Declares everything; writes the header at once. sink is borrowed.
  // Errors: kInvalidArgument - as WritePacked, options that do not fit a shape; the sink's.
  static absl::StatusOr<PackedWriter> Start(base::ByteSink& sink, std::vector<Declared> tensors,
                                            const std::map<std::string, std::string>& metadata);
  // The order in which Append must deliver (sorted by name).
  const std::vector<Declared>& order() const { return order_; }
  // The next tensor: its bytes as they are, or its codes.
  // Errors: kFailedPrecondition - not what was declared next; the sink's.
  absl::Status Append(std::string_view name, absl::Span<const std::byte> bytes);
  absl::Status Append(std::string_view name, const quant::QuantizedTensor& tensor);
  // Errors: kFailedPrecondition - tensors are missing; the sink's.
  absl::Status Finish();

 private:
  explicit PackedWriter(SafetensorsWriter writer) : writer_(std::move(writer)) {}
  // Writes the small entries that come before `name`.
  absl::Status FlushBefore(std::string_view name);
  absl::Status CheckNext(std::string_view name, bool quantized);

  SafetensorsWriter writer_;
  std::vector<Declared> order_;
  size_t next_ = 0;
  // Exponents and scales whose turn has not come: other names may sort between a tensor and them.
  std::map<std::string, std::string, std::less<>> waiting_;
};

}  // namespace lbw::tensorfile

#endif  // LBW_TENSORFILE_PACKED_WRITER_H_
