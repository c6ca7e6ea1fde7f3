#include <map>
#include <utility>
#include <variant>
#include <vector>

#include "base/status.h"
#include "base/strings.h"
#include "model/quantize_file.h"
#include "tensorfile/packed.h"
#include "tensorfile/safetensors.h"

namespace lbw::model {
namespace {

using tensorfile::LogicalTensor;
using tensorfile::SafetensorsFile;
using tensorfile::SafetensorsWriter;
using tensorfile::TensorEntry;

constexpr std::string_view kBiasSuffix = ".lbw_bias";

// One tensor of the plain file: a logical one, or a bias that stands beside codes.
struct Source {
  const LogicalTensor* logical = nullptr;
  const TensorEntry* bias = nullptr;
};

base::DType TypeOf(const LogicalTensor& tensor, DequantizeTo to) {
  const bool widened = tensor.quantized && to == DequantizeTo::kF32;
  return widened ? base::DType::kF32 : tensor.dtype;
}

std::map<std::string, Source> ListSources(const tensorfile::PackedFile& packed,
                                          const SafetensorsFile& raw) {
  std::map<std::string, Source> sources;
  for (const LogicalTensor& tensor : packed.tensors()) {
    sources[tensor.name].logical = &tensor;
    const std::string bias_name = base::StrCat(tensor.name, kBiasSuffix);
    const TensorEntry* bias = tensor.quantized ? raw.Find(bias_name) : nullptr;
    if (bias != nullptr) sources[bias_name].bias = bias;
  }
  return sources;
}

}  // namespace

absl::Status DequantizeFile(const base::RandomAccessReader& reader, DequantizeTo to,
                            base::ByteSink& sink, const QuantizeProgress& progress) {
  LBW_ASSIGN_OR_RETURN(const tensorfile::PackedFile packed, tensorfile::PackedFile::Open(reader));
  if (!packed.is_packed()) {
    return base::Error(absl::StatusCode::kFailedPrecondition, base::reason::kUnsupportedFormat,
                       "nothing in the file is packed");
  }
  LBW_ASSIGN_OR_RETURN(const SafetensorsFile raw, SafetensorsFile::Open(reader));
  const std::map<std::string, Source> sources = ListSources(packed, raw);
  std::vector<SafetensorsWriter::Declared> declared;
  for (const auto& [name, source] : sources) {
    if (source.bias != nullptr) {
      declared.push_back({name, source.bias->dtype, source.bias->shape});
    } else {
      declared.push_back({name, TypeOf(*source.logical, to), source.logical->shape});
    }
  }
  LBW_ASSIGN_OR_RETURN(SafetensorsWriter writer,
                       SafetensorsWriter::Start(sink, std::move(declared), packed.metadata()));
  size_t done = 0;
  for (const auto& next : writer.order()) {
    if (progress) LBW_RETURN_IF_ERROR(progress(done++, sources.size(), next.name));
    const Source& source = sources.at(next.name);
    if (source.bias != nullptr) {
      LBW_ASSIGN_OR_RETURN(const base::Tensor bias, raw.Read(*source.bias));
      LBW_RETURN_IF_ERROR(writer.Append(next.name, bias.bytes()));
      continue;
    }
    LBW_ASSIGN_OR_RETURN(tensorfile::AnyTensor read, packed.Read(*source.logical));
    if (const auto* codes = std::get_if<quant::QuantizedTensor>(&read)) {
      read = quant::DequantizeAs(*codes, next.dtype);
    }
    LBW_RETURN_IF_ERROR(writer.Append(next.name, std::get<base::Tensor>(read).bytes()));
  }
  return writer.Finish();
}

}  // namespace lbw::model
