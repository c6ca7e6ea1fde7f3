// TensorProto -> base::Tensor.
#include <onnx/onnx_pb.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <optional>
#include <utility>

#include "base/strings.h"
#include "graph/onnx/steps.h"

namespace lbw::graph {
namespace {

std::optional<base::DType> FromOnnx(int32_t type) {
  switch (type) {
    case onnx::TensorProto::FLOAT:
      return base::DType::kF32;
    case onnx::TensorProto::UINT8:
      return base::DType::kU8;
    case onnx::TensorProto::INT8:
      return base::DType::kI8;
    case onnx::TensorProto::UINT16:
      return base::DType::kU16;
    case onnx::TensorProto::INT16:
      return base::DType::kI16;
    case onnx::TensorProto::INT32:
      return base::DType::kI32;
    case onnx::TensorProto::INT64:
      return base::DType::kI64;
    case onnx::TensorProto::BOOL:
      return base::DType::kBool;
    case onnx::TensorProto::FLOAT16:
      return base::DType::kF16;
    case onnx::TensorProto::DOUBLE:
      return base::DType::kF64;
    case onnx::TensorProto::UINT32:
      return base::DType::kU32;
    case onnx::TensorProto::UINT64:
      return base::DType::kU64;
    case onnx::TensorProto::BFLOAT16:
      return base::DType::kBF16;
    default:
      return std::nullopt;
  }
}

// Values of a repeated field into elements of type To; false where one does not fit.
template <typename To, typename Field>
bool CopyField(const Field& field, base::Tensor& out) {
  const auto to = out.mutable_as<To>();
  for (size_t i = 0; i < to.size(); ++i) {
    const auto value = field.Get(static_cast<int>(i));
    if constexpr (std::is_integral_v<To>) {
      if (value < std::numeric_limits<To>::min() || value > std::numeric_limits<To>::max()) {
        return false;
      }
    }
    to[i] = static_cast<To>(value);
  }
  return true;
}

// How many values the typed field of a type holds.
int64_t TypedCount(const onnx::TensorProto& proto, base::DType dtype) {
  switch (dtype) {
    case base::DType::kF32:
      return proto.float_data_size();
    case base::DType::kF64:
      return proto.double_data_size();
    case base::DType::kI64:
      return proto.int64_data_size();
    case base::DType::kU32:
    case base::DType::kU64:
      return proto.uint64_data_size();
    default:
      return proto.int32_data_size();
  }
}

bool CopyTyped(const onnx::TensorProto& proto, base::Tensor& out) {
  switch (out.dtype()) {
    case base::DType::kF32:
      return CopyField<float>(proto.float_data(), out);
    case base::DType::kF64:
      return CopyField<double>(proto.double_data(), out);
    case base::DType::kI64:
      return CopyField<int64_t>(proto.int64_data(), out);
    case base::DType::kU64:
      return CopyField<uint64_t>(proto.uint64_data(), out);
    case base::DType::kU32:
      return CopyField<uint32_t>(proto.uint64_data(), out);
    case base::DType::kI32:
      return CopyField<int32_t>(proto.int32_data(), out);
    case base::DType::kI16:
      return CopyField<int16_t>(proto.int32_data(), out);
    case base::DType::kU16:
    case base::DType::kF16:
    case base::DType::kBF16:
      return CopyField<uint16_t>(proto.int32_data(), out);
    case base::DType::kI8:
      return CopyField<int8_t>(proto.int32_data(), out);
    case base::DType::kU8:
    case base::DType::kBool:
      return CopyField<uint8_t>(proto.int32_data(), out);
  }
  return false;
}

absl::Status CheckForm(const onnx::TensorProto& proto, std::string_view where) {
  if (proto.data_location() == onnx::TensorProto::EXTERNAL || proto.external_data_size() != 0) {
    return BadFile(base::StrCat(where, ": its data lies in another file (external data)"));
  }
  if (proto.has_segment()) return BadFile(base::StrCat(where, ": tensors in segments"));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<base::Tensor> ReadTensor(const onnx::TensorProto& proto, std::string_view where,
                                        const ImportLimits& limits) {
  LBW_RETURN_IF_ERROR(CheckForm(proto, where));
  const std::optional<base::DType> dtype = FromOnnx(proto.data_type());
  if (!dtype.has_value()) {
    return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kUnsupportedOperator,
                       base::StrCat(where, ": element type ", proto.data_type(), " of ONNX"));
  }
  const base::Shape shape(proto.dims().begin(), proto.dims().end());
  const absl::StatusOr<int64_t> count =
      base::CheckedElementCount(shape, limits.max_tensor_elements);
  if (!count.ok()) {
    return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kLimitExceeded,
                       base::StrCat(where, ": ", std::string(count.status().message())));
  }
  const auto bytes = static_cast<uint64_t>(*count) * base::SizeOf(*dtype);
  const int64_t typed = TypedCount(proto, *dtype);
  if (proto.has_raw_data() && (typed == 0 || !proto.raw_data().empty())) {
    if (proto.raw_data().size() != bytes || typed != 0) {
      return BadFile(base::StrCat(where, ": shape ", base::ShapeToString(shape), " of ",
                                  base::Name(*dtype), " needs ", bytes, " bytes, the file has ",
                                  proto.raw_data().size()));
    }
    base::Tensor tensor(*dtype, shape);
    if (bytes != 0) {
      std::memcpy(tensor.mutable_bytes().data(), proto.raw_data().data(), bytes);
    }
    return tensor;
  }
  if (typed != *count) {
    return BadFile(base::StrCat(where, ": shape ", base::ShapeToString(shape), " needs ", *count,
                                " values, the file has ", typed));
  }
  base::Tensor tensor(*dtype, shape);
  if (!CopyTyped(proto, tensor)) {
    return BadFile(base::StrCat(where, ": a value does not fit ", base::Name(*dtype)));
  }
  return tensor;
}

}  // namespace lbw::graph
