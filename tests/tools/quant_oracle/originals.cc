#include "tools/quant_oracle/originals.h"

#include <onnx/onnx_pb.h>

#include <cstring>
#include <string>
#include <utility>

#include "base/status.h"
#include "tensorfile/safetensors.h"

namespace lbw::oracle {
namespace {

constexpr uint64_t kMaxBytes = uint64_t{2} << 30;

// Float and 64-bit integer initializers; others are left out.
void AddInitializer(const onnx::TensorProto& from, Originals& out) {
  const bool is_float = from.data_type() == onnx::TensorProto::FLOAT;
  if (!is_float && from.data_type() != onnx::TensorProto::INT64) return;
  base::Tensor tensor(is_float ? base::DType::kF32 : base::DType::kI64,
                      base::Shape(from.dims().begin(), from.dims().end()));
  const void* data = from.raw_data().data();
  size_t bytes = from.raw_data().size();
  if (bytes == 0 && is_float) {
    data = from.float_data().data();
    bytes = static_cast<size_t>(from.float_data_size()) * sizeof(float);
  } else if (bytes == 0) {
    data = from.int64_data().data();
    bytes = static_cast<size_t>(from.int64_data_size()) * sizeof(int64_t);
  }
  if (bytes != tensor.size_bytes()) return;
  if (bytes > 0) std::memcpy(tensor.mutable_bytes().data(), data, bytes);
  out.tensors[from.name()] = std::move(tensor);
}

absl::StatusOr<Originals> ReadSafetensors(const base::RandomAccessReader& reader) {
  LBW_ASSIGN_OR_RETURN(const auto file, tensorfile::SafetensorsFile::Open(reader));
  Originals result;
  for (const tensorfile::TensorEntry& entry : file.tensors()) {
    LBW_ASSIGN_OR_RETURN(result.tensors[entry.name], file.Read(entry));
  }
  return result;
}

}  // namespace

absl::StatusOr<Originals> ReadOriginals(const base::RandomAccessReader& reader) {
  LBW_ASSIGN_OR_RETURN(const std::string bytes, base::ReadAll(reader, kMaxBytes));
  if (tensorfile::LooksLikeSafetensors(base::AsBytes(bytes))) return ReadSafetensors(reader);
  onnx::ModelProto model;
  if (!model.ParseFromString(bytes)) {
    return absl::InvalidArgumentError("the original is neither a safetensors nor an ONNX file");
  }
  Originals result;
  result.is_graph = true;
  for (const onnx::TensorProto& initializer : model.graph().initializer()) {
    AddInitializer(initializer, result);
  }
  return result;
}

}  // namespace lbw::oracle
