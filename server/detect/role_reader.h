// Reads what a role names out of an executor's outputs: rows [anchors, channels] of one picture,
// whatever the layout of the values and however many there are.
//
// Layouts of one value, k channels a row:
//   [N, A, k]           rows as they are (a channel slice picks k of more)
//   [N, A * k]          the same, flattened
//   [N, c * k, H, W]    as a convolution leaves it: anchor = (row * W + col) * c + i
// Threads: immutable.
#ifndef LBW_DETECT_ROLE_READER_H_
#define LBW_DETECT_ROLE_READER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "base/tensor.h"
#include "detect/role_source.h"
#include "detect/spec.h"

namespace lbw::detect {

class RoleReader {
 public:
  // name: for messages ("head.outputs.boxes"). Values that `inputs` lacks are added to it.
  RoleReader(std::string name, const Role& role, int64_t channels,
             std::vector<std::string>& inputs);

  // shapes: of the inputs. Returns the number of rows.
  // Errors: kInvalidArgument, BAD_GRAPH - names role, value, shape and expectation.
  absl::StatusOr<int64_t> CountRows(absl::Span<const base::Shape> shapes) const;

  // The rows of picture `index`, borrowed from outputs where they lie there, else from storage.
  // Errors: as CountRows; kInvalidArgument - BAD_GRAPH (not F32), BAD_ARGUMENT (index).
  absl::StatusOr<absl::Span<const float>> Read(absl::Span<const base::Tensor> outputs,
                                               int64_t index, std::vector<float>& storage) const;

  int64_t channels() const { return channels_; }
  const std::string& name() const { return name_; }

 private:
  // Element (a, c) of picture n stands at n * picture + begin + cell * cell_stride
  // + (box * k + c) * channel_stride with a = cell * boxes + box.
  struct Plan {
    int64_t picture = 0;
    int64_t begin = 0;
    int64_t cells = 0;
    int64_t boxes = 1;
    int64_t cell_stride = 0;
    int64_t channel_stride = 1;
    bool contiguous = false;
  };
  absl::StatusOr<Plan> MakePlan(const RoleSource& source, absl::Span<const int64_t> shape) const;

  std::string name_;
  int64_t channels_ = 0;
  std::vector<RoleSource> sources_;
};

}  // namespace lbw::detect

#endif  // LBW_DETECT_ROLE_READER_H_
