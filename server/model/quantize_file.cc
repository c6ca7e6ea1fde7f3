#include "model/quantize_file.h"

#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <utility>
#include <variant>

#include "base/status.h"
#include "base/strings.h"
#include "model/plan.h"
#include "tensorfile/packed.h"
#include "tensorfile/packed_writer.h"
#include "tensorfile/safetensors.h"

namespace lbw::model {
namespace {

// Gives one tensor's bytes to `use` while they are in memory.
using UseView = std::function<absl::Status(const base::TensorView&)>;
using WithTensor = std::function<absl::Status(const std::string& name, const UseView& use)>;

absl::Status CheckFormat(const base::RandomAccessReader& reader) {
  std::array<std::byte, 16> first{};
  const size_t length = std::min<uint64_t>(first.size(), reader.size());
  LBW_RETURN_IF_ERROR(reader.ReadAt(0, absl::MakeSpan(first).subspan(0, length)));
  if (tensorfile::LooksLikeSafetensors(absl::MakeConstSpan(first).subspan(0, length))) {
    return absl::OkStatus();
  }
  return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kUnsupportedFormat,
                     "not a safetensors file");
}

// Writes the packed file in the writer's order, with one tensor in memory at a time.
absl::Status WritePlan(Plan& plan, const std::map<std::string, std::string>& metadata,
                       const WithTensor& with_tensor, base::ByteSink& sink,
                       const QuantizeProgress& progress) {
  std::vector<tensorfile::PackedWriter::Declared> declared;
  std::map<std::string_view, size_t> index;
  for (size_t i = 0; i < plan.tensors.size(); ++i) {
    const PlannedTensor& tensor = plan.tensors[i];
    index.emplace(tensor.name, i);
    declared.push_back({tensor.name, tensor.dtype, tensor.shape,
                        tensor.quantize ? std::optional(tensor.options) : std::nullopt});
  }
  LBW_ASSIGN_OR_RETURN(tensorfile::PackedWriter writer,
                       tensorfile::PackedWriter::Start(sink, std::move(declared), metadata));
  size_t done = 0;
  for (const auto& next : writer.order()) {
    if (progress) LBW_RETURN_IF_ERROR(progress(done++, plan.tensors.size(), next.name));
    const auto write = [&](const base::TensorView& view) -> absl::Status {
      if (!next.options) return writer.Append(next.name, view.bytes);
      LBW_ASSIGN_OR_RETURN(const quant::QuantizedTensor codes,
                           QuantizePlanned(view, index.at(next.name), plan));
      return writer.Append(next.name, codes);
    };
    LBW_RETURN_IF_ERROR(with_tensor(next.name, write));
  }
  return writer.Finish();
}

}  // namespace

absl::StatusOr<QuantizeFileOutcome> QuantizeSafetensors(const base::RandomAccessReader& reader,
                                                        const QuantizeOptions& options,
                                                        WriteMode mode, base::ByteSink& sink,
                                                        const QuantizeProgress& progress) {
  LBW_RETURN_IF_ERROR(CheckFormat(reader));
  LBW_ASSIGN_OR_RETURN(const tensorfile::SafetensorsFile file,
                       tensorfile::SafetensorsFile::Open(reader));
  LBW_ASSIGN_OR_RETURN(Plan plan, PlanFile(file, options));
  if (mode == WriteMode::kWrite) {
    LBW_RETURN_IF_ERROR(CheckSomethingIsQuantized(plan));
    const auto with_tensor = [&](const std::string& name, const UseView& use) -> absl::Status {
      LBW_ASSIGN_OR_RETURN(const base::Tensor tensor, file.Read(*file.Find(name)));
      return use(tensor.view());
    };
    LBW_RETURN_IF_ERROR(WritePlan(plan, file.metadata(), with_tensor, sink, progress));
  }
  return QuantizeFileOutcome{std::move(plan.outcome), {}};
}

absl::StatusOr<QuantizeFileOutcome> QuantizeConstants(const graph::Graph& graph,
                                                      const graph::Constants& constants,
                                                      const QuantizeOptions& options,
                                                      WriteMode mode, base::ByteSink& sink,
                                                      const QuantizeProgress& progress) {
  LBW_ASSIGN_OR_RETURN(Plan plan, PlanGraph(graph, constants, {}, options));
  if (mode == WriteMode::kWrite) {
    LBW_RETURN_IF_ERROR(CheckSomethingIsQuantized(plan));
    // The plan holds no codes among the constants: they were refused.
    const auto with_tensor = [&](const std::string& name, const UseView& use) {
      return use(std::get<base::Tensor>(constants.find(name)->second).view());
    };
    LBW_RETURN_IF_ERROR(WritePlan(plan, {}, with_tensor, sink, progress));
  }
  return QuantizeFileOutcome{std::move(plan.outcome), {}};
}

}  // namespace lbw::model
