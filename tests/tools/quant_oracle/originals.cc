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

// Float initializers. Integers are shapes, which an import may rewrite to make the batch symbolic.
void AddInitializer(const onnx::TensorProto& from, Originals& out) {
  if (from.data_type() != onnx::TensorProto::FLOAT) return;
  base::Tensor tensor(base::DType::kF32, base::Shape(from.dims().begin(), from.dims().end()));
  const bool raw = !from.raw_data().empty();
  const void* data =
      raw ? static_cast<const void*>(from.raw_data().data()) : from.float_data().data();
  const size_t bytes =
      raw ? from.raw_data().size() : static_cast<size_t>(from.float_data_size()) * sizeof(float);
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
