#include "rpc/bundle_outline.h"

#include <utility>

#include "base/status.h"
#include "tensorfile/packed.h"

namespace lbw::rpc {
namespace {

constexpr uint64_t kMostReadBytes = uint64_t{1} << 20;
constexpr int64_t kMostIntegers = 8'192;
constexpr int64_t kMostFloats = 256;

bool IsRead(const tensorfile::LogicalTensor& tensor) {
  if (tensor.quantized) return false;
  const int64_t most = base::IsFloating(tensor.dtype) ? kMostFloats : kMostIntegers;
  return base::CheckedElementCount(tensor.shape, most).ok();
}

// A packed tensor has a shape of its own, and its codes are nobody's to read where shapes are
// inferred.
graph::Constant ShapeOnly(const tensorfile::LogicalTensor& tensor) {
  quant::QuantizedTensor empty;
  empty.shape = tensor.shape;
  return empty;
}

}  // namespace

absl::StatusOr<model::Model> ReadBundleOutline(const base::RandomAccessReader& reader) {
  // The limits of every reader of bundles: what a job would run has an outline.
  LBW_ASSIGN_OR_RETURN(const tensorfile::PackedFile file,
                       tensorfile::PackedFile::Open(reader, tensorfile::ReadLimits{}));
  LBW_ASSIGN_OR_RETURN(model::Model outline, model::ReadBundleHead(file));
  uint64_t room = kMostReadBytes;
  for (const tensorfile::LogicalTensor& tensor : file.tensors()) {
    if (!IsRead(tensor) || tensor.stored_bytes > room) {
      outline.constants.emplace(tensor.name, ShapeOnly(tensor));
      continue;
    }
    room -= tensor.stored_bytes;
    LBW_ASSIGN_OR_RETURN(tensorfile::AnyTensor read, file.Read(tensor));
    outline.constants.emplace(tensor.name, std::move(read));
  }
  return outline;
}

}  // namespace lbw::rpc
