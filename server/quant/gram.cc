#include "quant/gram.h"

#include <algorithm>
#include <utility>

#include "base/status.h"
#include "quant/parallel.h"

namespace lbw::quant {
namespace {

constexpr int64_t kTile = 96;

// One tile of sum_t a[t][i] * b[t][j] over a chunk, added to float64 sums.
struct TileSum {
  const float* a;
  const float* b;
  int64_t samples;
  int64_t columns;
  int64_t i;
  int64_t j;
  double* total;  // [columns, columns]
};

void AddTile(const LinearKernels& kernels, const TileSum& tile) {
  std::vector<float> part(static_cast<size_t>(kTile * kTile), 0.0F);
  OuterSum<float> sum;
  sum.m = std::min(kTile, tile.columns - tile.i);
  sum.n = std::min(kTile, tile.columns - tile.j);
  sum.depth = tile.samples;
  sum.a = tile.a + tile.i;
  sum.a_stride_i = 1;
  sum.a_stride_k = tile.columns;
  sum.b = tile.b + tile.j;
  sum.b_stride = tile.columns;
  sum.c = part.data();
  sum.c_stride = kTile;
  kernels.outer_f32(sum);
  for (int64_t r = 0; r < sum.m; ++r) {
    double* const total = tile.total + (tile.i + r) * tile.columns + tile.j;
    for (int64_t c = 0; c < sum.n; ++c) total[c] += static_cast<double>(part[r * kTile + c]);
  }
}

void AddColumns(const float* rows, int64_t samples, std::vector<double>& sums) {
  const auto columns = static_cast<int64_t>(sums.size());
  for (int64_t t = 0; t < samples; ++t) {
    for (int64_t j = 0; j < columns; ++j) {
      sums[static_cast<size_t>(j)] += static_cast<double>(rows[t * columns + j]);
    }
  }
}

// What a chunk differs from a sample by.
std::vector<float> Without(const std::vector<float>& pilot, const float* rows, int64_t samples) {
  const size_t columns = pilot.size();
  std::vector<float> out(static_cast<size_t>(samples) * columns);
  for (size_t at = 0; at < out.size(); at += columns) {
    for (size_t j = 0; j < columns; ++j) out[at + j] = rows[at + j] - pilot[j];
  }
  return out;
}

void AddSquares(const float* rows, int64_t samples, std::vector<double>& sums) {
  const size_t columns = sums.size();
  for (size_t at = 0; at < static_cast<size_t>(samples) * columns; at += columns) {
    for (size_t j = 0; j < columns; ++j) {
      const auto x = static_cast<double>(rows[at + j]);
      sums[j] += x * x;
    }
  }
}

}  // namespace

GramSums::GramSums(int64_t columns, Isa isa, Moments moments)
    : columns_(columns),
      kernels_(KernelsFor(isa)),
      moments_(moments),
      h_(static_cast<size_t>(moments == Moments::kAll ? columns * columns : columns), 0.0),
      g_(static_cast<size_t>(moments == Moments::kAll ? columns * columns : 0), 0.0),
      sum_quantized_(static_cast<size_t>(columns), 0.0),
      sum_float_(static_cast<size_t>(columns), 0.0) {
  LBW_CHECK(columns >= 1);
}

void GramSums::Add(absl::Span<const float> quantized, absl::Span<const float> floating,
                   int max_threads) {
  LBW_CHECK(quantized.size() == floating.size());
  LBW_CHECK(quantized.size() % static_cast<size_t>(columns_) == 0);
  const int64_t samples = static_cast<int64_t>(quantized.size()) / columns_;
  if (samples > 0 && pilot_quantized_.empty()) {
    pilot_quantized_.assign(quantized.begin(), quantized.begin() + columns_);
    pilot_float_.assign(floating.begin(), floating.begin() + columns_);
  }
  for (int64_t first = 0; first < samples; first += kChunkSamples) {
    AddChunk({quantized.data() + first * columns_, floating.data() + first * columns_,
              std::min(kChunkSamples, samples - first)},
             max_threads);
  }
}

void GramSums::AddChunk(const Chunk& chunk, int max_threads) {
  const bool same = chunk.quantized == chunk.floating && pilot_quantized_ == pilot_float_;
  const std::vector<float> quantized = Without(pilot_quantized_, chunk.quantized, chunk.samples);
  std::vector<float> own;
  if (!same) own = Without(pilot_float_, chunk.floating, chunk.samples);
  const float* const floating = same ? quantized.data() : own.data();
  if (moments_ == Moments::kAll) {
    AddTiles({quantized.data(), floating, chunk.samples}, max_threads);
  } else {
    AddSquares(quantized.data(), chunk.samples, h_);
  }
  AddColumns(quantized.data(), chunk.samples, sum_quantized_);
  AddColumns(floating, chunk.samples, sum_float_);
  samples_ += chunk.samples;
}

void GramSums::AddTiles(const Chunk& chunk, int max_threads) {
  const int64_t tiles = (columns_ + kTile - 1) / kTile;
  const bool same = chunk.quantized == chunk.floating;
  ParallelFor(tiles * tiles, max_threads, [&](int64_t index) {
    const int64_t i = index / tiles * kTile;
    const int64_t j = index % tiles * kTile;
    if (j <= i) {
      AddTile(kernels_,
              {chunk.quantized, chunk.quantized, chunk.samples, columns_, i, j, h_.data()});
    }
    if (!same) {
      AddTile(kernels_,
              {chunk.floating, chunk.quantized, chunk.samples, columns_, i, j, g_.data()});
    } else if (j <= i) {
      AddTile(kernels_,
              {chunk.quantized, chunk.quantized, chunk.samples, columns_, i, j, g_.data()});
      // The mirrored tile of a symmetric sum: products commute, the order of k is the same.
      if (j < i) {
        AddTile(kernels_,
                {chunk.quantized, chunk.quantized, chunk.samples, columns_, j, i, g_.data()});
      }
    }
  });
}

Gram GramSums::Finish() const& {
  GramSums copy(*this);
  return std::move(copy).Finish();
}

Gram GramSums::Finish() && {
  Gram gram;
  gram.columns = columns_;
  gram.samples = samples_;
  gram.moments = moments_;
  gram.h = std::move(h_);
  gram.g = std::move(g_);
  gram.mean_quantized = std::move(sum_quantized_);
  gram.mean_float = std::move(sum_float_);
  if (samples_ == 0) return gram;
  const double scale = 1.0 / static_cast<double>(samples_);
  std::vector<double>& mean_quantized = gram.mean_quantized;
  std::vector<double>& mean_float = gram.mean_float;
  for (double& mean : mean_quantized) mean *= scale;
  for (double& mean : mean_float) mean *= scale;
  const auto n = static_cast<size_t>(columns_);
  if (moments_ == Moments::kDiagonal) {
    for (size_t j = 0; j < n; ++j) {
      gram.h[j] = gram.h[j] * scale - mean_quantized[j] * mean_quantized[j];
    }
  } else {
    constexpr auto kSide = static_cast<size_t>(kTile);
    for (size_t i = 0; i < n; ++i) {
      for (size_t j = 0; j < n; ++j) {
        const size_t at = i * n + j;
        gram.g[at] = gram.g[at] * scale - mean_float[i] * mean_quantized[j];
        // Tiles above the diagonal were not summed; those on it were, whole.
        if (j / kSide > i / kSide) continue;
        gram.h[at] = gram.h[at] * scale - mean_quantized[i] * mean_quantized[j];
        if (j / kSide < i / kSide) gram.h[j * n + i] = gram.h[at];
      }
    }
  }
  for (size_t j = 0; j < n; ++j) {
    mean_quantized[j] += static_cast<double>(pilot_quantized_[j]);
    mean_float[j] += static_cast<double>(pilot_float_[j]);
  }
  return gram;
}

}  // namespace lbw::quant
