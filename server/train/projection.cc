#include "train/projection.h"

#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>

#include <algorithm>
#include <array>
#include <cstddef>

#include "base/status.h"
#include "engine/torch/torch_bridge.h"
#include "quant/grid.h"
#include "quant/nearest_values.h"
#include "quant/parallel.h"
#include "quant/projection.h"
#include "train/projection_torch.h"

namespace lbw::train {
namespace {

using quant::Histogram;

// Elements that are worth a thread of their own: starting one takes as long as a hundred thousand.
constexpr int64_t kThreadElements = int64_t{1} << 20;
// Rows of one piece of work.
constexpr int64_t kPieceElements = int64_t{1} << 16;

bool IsRows(const at::Tensor& rows) {
  return rows.dim() == 2 && rows.scalar_type() == at::kFloat && rows.is_contiguous();
}

bool UsesTorch(const at::Tensor& rows, ProjectionPath path) {
  return path == ProjectionPath::kTorch || !rows.device().is_cpu();
}

absl::Span<const float> Row(const at::Tensor& rows, int64_t row) {
  const int64_t length = rows.size(1);
  return {rows.data_ptr<float>() + row * length, static_cast<size_t>(length)};
}
absl::Span<float> MutableRow(at::Tensor& rows, int64_t row) {
  const int64_t length = rows.size(1);
  return {rows.data_ptr<float>() + row * length, static_cast<size_t>(length)};
}

// Calls work(first row, behind the last one) for all rows.
template <typename Work>
void ForRows(const at::Tensor& rows, const Work& work) {
  const int64_t count = rows.size(0);
  const int64_t threads =
      std::clamp<int64_t>(rows.numel() / kThreadElements, 1, at::get_num_threads());
  if (threads == 1) {
    work(int64_t{0}, count);
    return;
  }
  const int64_t step = std::max<int64_t>(1, kPieceElements / std::max<int64_t>(1, rows.size(1)));
  quant::ParallelFor((count + step - 1) / step, static_cast<int>(threads), [&](int64_t piece) {
    work(piece * step, std::min(count, (piece + 1) * step));
  });
}

int16_t Choose(absl::Span<const Histogram::Bin> bins, int magnitudes, const ExponentSearch& search,
               int64_t row) {
  if (search.reach < 0) return static_cast<int16_t>(quant::ExactExponent(bins, magnitudes));
  const int around = search.around[static_cast<size_t>(row)];
  if (bins.empty()) return static_cast<int16_t>(around);
  // The difference of two exponents is a reach that holds them all.
  const int reach = std::min(search.reach, quant::kMaxExponent - quant::kMinExponent);
  return static_cast<int16_t>(
      quant::ExactExponent(bins, magnitudes,
                           {.first = std::max(around - reach, quant::kMinExponent),
                            .last = std::min(around + reach, quant::kMaxExponent)}));
}

std::vector<int16_t> ExponentsOnCpu(const at::Tensor& rows, const GridShape& grid,
                                    const ExponentSearch& search) {
  std::vector<int16_t> exponents(static_cast<size_t>(rows.size(0)));
  ForRows(rows, [&](int64_t begin, int64_t end) {
    Histogram histogram;
    std::array<Histogram::Bin, Histogram::kAllBins> storage;
    for (int64_t row = begin; row < end; ++row) {
      histogram.Clear();
      histogram.Add(Row(rows, row));
      exponents[static_cast<size_t>(row)] =
          Choose(histogram.Bins(storage), grid.magnitudes, search, row);
    }
  });
  return exponents;
}

std::vector<int16_t> ExponentsByTorch(const at::Tensor& rows, const GridShape& grid,
                                      const ExponentSearch& search) {
  std::vector<int16_t> exponents;
  const int64_t count = rows.size(0);
  const int64_t step =
      std::max<int64_t>(1, kHistogramElements / std::max<int64_t>(1, rows.size(1)));
  for (int64_t first = 0; first < count; first += step) {
    const TorchHistograms histograms(rows.narrow(0, first, std::min(step, count - first)));
    std::array<Histogram::Bin, Histogram::kAllBins> storage;
    for (int64_t row = first; row < std::min(count, first + step); ++row) {
      exponents.push_back(
          Choose(histograms.Bins(row - first, storage), grid.magnitudes, search, row));
    }
  }
  return exponents;
}

}  // namespace

absl::StatusOr<std::vector<int16_t>> ExactExponents(const at::Tensor& rows, const GridShape& grid,
                                                    ProjectionPath path) {
  return ExactExponentsNear(rows, grid, ExponentSearch{}, path);
}

absl::StatusOr<std::vector<int16_t>> ExactExponentsNear(const at::Tensor& rows,
                                                        const GridShape& grid,
                                                        const ExponentSearch& search,
                                                        ProjectionPath path) {
  LBW_CHECK(IsRows(rows));
  LBW_CHECK(search.reach < 0 || static_cast<int64_t>(search.around.size()) == rows.size(0));
  try {
    return UsesTorch(rows, path) ? ExponentsByTorch(rows, grid, search)
                                 : ExponentsOnCpu(rows, grid, search);
  } catch (...) {
    return engine::CurrentTorchError("exponents of a projection");
  }
}

absl::Status NearestValues(const at::Tensor& rows, const std::vector<int16_t>& exponents,
                           const GridShape& grid, at::Tensor& out, ProjectionPath path) {
  LBW_CHECK(IsRows(rows) && IsRows(out) && out.sizes() == rows.sizes());
  LBW_CHECK(static_cast<int64_t>(exponents.size()) == rows.size(0));
  try {
    if (UsesTorch(rows, path)) {
      NearestByTorch(rows, exponents, grid.magnitudes, out);
      return absl::OkStatus();
    }
    ForRows(rows, [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) {
        quant::NearestValues(Row(rows, row), grid.magnitudes, exponents[static_cast<size_t>(row)],
                             MutableRow(out, row));
      }
    });
  } catch (...) {
    return engine::CurrentTorchError("values of a projection");
  }
  return absl::OkStatus();
}

absl::Status TernaryValues(const at::Tensor& rows, const at::Tensor& threshold,
                           const at::Tensor& value, at::Tensor& out, ProjectionPath path) {
  LBW_CHECK(IsRows(rows) && IsRows(out) && out.sizes() == rows.sizes());
  LBW_CHECK(threshold.numel() == rows.size(0) && threshold.is_contiguous());
  LBW_CHECK(value.numel() == rows.size(0) && value.is_contiguous());
  try {
    if (UsesTorch(rows, path)) {
      TernaryByTorch(rows, threshold, value, out);
      return absl::OkStatus();
    }
    const float* const thresholds = threshold.data_ptr<float>();
    const float* const values = value.data_ptr<float>();
    ForRows(rows, [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) {
        quant::TernaryValues(Row(rows, row), {thresholds[row], values[row]}, MutableRow(out, row));
      }
    });
  } catch (...) {
    return engine::CurrentTorchError("values of a projection");
  }
  return absl::OkStatus();
}

}  // namespace lbw::train
