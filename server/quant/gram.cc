#include "quant/gram.h"

#include <algorithm>

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

}  // namespace

GramSums::GramSums(int64_t columns, Isa isa)
    : columns_(columns),
      kernels_(KernelsFor(isa)),
      h_(static_cast<size_t>(columns * columns), 0.0),
      g_(static_cast<size_t>(columns * columns), 0.0),
      sum_quantized_(static_cast<size_t>(columns), 0.0),
      sum_float_(static_cast<size_t>(columns), 0.0) {
  LBW_CHECK(columns >= 1);
}

void GramSums::Add(absl::Span<const float> quantized, absl::Span<const float> floating,
                   int max_threads) {
  LBW_CHECK(quantized.size() == floating.size());
  LBW_CHECK(quantized.size() % static_cast<size_t>(columns_) == 0);
  const int64_t samples = static_cast<int64_t>(quantized.size()) / columns_;
  for (int64_t first = 0; first < samples; first += kChunkSamples) {
    AddChunk({quantized.data() + first * columns_, floating.data() + first * columns_,
              std::min(kChunkSamples, samples - first)},
             max_threads);
  }
}

void GramSums::AddChunk(const Chunk& chunk, int max_threads) {
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
  AddColumns(chunk.quantized, chunk.samples, sum_quantized_);
  AddColumns(chunk.floating, chunk.samples, sum_float_);
  samples_ += chunk.samples;
}

Gram GramSums::Finish() const {
  Gram gram;
  gram.columns = columns_;
  gram.samples = samples_;
  gram.h.assign(h_.size(), 0.0);
  gram.g.assign(g_.size(), 0.0);
  gram.mean_quantized.assign(sum_quantized_.size(), 0.0);
  gram.mean_float.assign(sum_float_.size(), 0.0);
  if (samples_ == 0) return gram;
  const double scale = 1.0 / static_cast<double>(samples_);
  for (size_t j = 0; j < sum_quantized_.size(); ++j) {
    gram.mean_quantized[j] = sum_quantized_[j] * scale;
    gram.mean_float[j] = sum_float_[j] * scale;
  }
  for (int64_t i = 0; i < columns_; ++i) {
    for (int64_t j = 0; j < columns_; ++j) {
      const auto at = static_cast<size_t>(i * columns_ + j);
      // Tiles above the diagonal were not summed; those on it were, whole.
      const bool summed = j / kTile <= i / kTile;
      const size_t from = summed ? at : static_cast<size_t>(j * columns_ + i);
      const auto row = static_cast<size_t>(i);
      const auto column = static_cast<size_t>(j);
      gram.h[at] = h_[from] * scale - gram.mean_quantized[row] * gram.mean_quantized[column];
      gram.g[at] = g_[at] * scale - gram.mean_float[row] * gram.mean_quantized[column];
    }
  }
  return gram;
}

}  // namespace lbw::quant
