// What calibration needs to know of a layer's inputs: second moments of the quantized network's
// inputs, their cross moments with the float network's, and the means.
//
// Math:      over samples t: H = (Xq' Xq) / m - mq mq', G = (Xf' Xq) / m - mf mq', mq = mean of Xq,
//            mf = mean of Xf; Xq, Xf [m, columns] are the same positions of the same pictures.
// Source:    the Gram matrices of A. Zhang et al., "COMQ: A Backpropagation-Free Algorithm for
//            Post-Training Quantization", arXiv 2403.07134 (2024); the cross moments are ours.
// Precision: from every sample the first one is taken off, in float32, and given back to the means:
//            an input that never changes has a variance of 0, whatever its value. float32 products
//            are summed in float32 over chunks of kChunkSamples samples in order, chunks in
//            float64: the same bits for every thread count, ISA and cut into Add calls that are
//            multiples of kChunkSamples. Samples that are not finite, or whose products are not,
//            leave moments that are not.
// Threads:   one at a time.
#ifndef LBW_QUANT_GRAM_H_
#define LBW_QUANT_GRAM_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "quant/kernels/linear.h"

namespace lbw::quant {

inline constexpr int64_t kChunkSamples = 256;

// What is summed up of the inputs.
enum class Moments : uint8_t {
  kAll,
  kDiagonal,  // means and variances alone: for layers whose H would be too large
};

// Sums, centred. H and G are [columns, columns] row-major; H is symmetric.
struct Gram {
  int64_t columns = 0;
  int64_t samples = 0;
  Moments moments = Moments::kAll;
  std::vector<double> h;  // kDiagonal: [columns], its diagonal
  std::vector<double> g;  // kDiagonal: empty
  std::vector<double> mean_quantized;
  std::vector<double> mean_float;
};

class GramSums {
 public:
  // columns >= 1. Memory: 16 * columns^2 bytes (kDiagonal: 24 * columns), and 8 * kChunkSamples *
  // columns while adding.
  explicit GramSums(int64_t columns, Isa isa = BestIsa(), Moments moments = Moments::kAll);

  // quantized, floating [samples, columns] row-major; borrowed for the call. The same span twice (a
  // layer whose inputs are not quantized yet) costs half.
  void Add(absl::Span<const float> quantized, absl::Span<const float> floating, int max_threads);
  int64_t samples() const { return samples_; }
  // The moments; all zero where no sample was added. The second one hands over its own room.
  Gram Finish() const&;
  Gram Finish() &&;

 private:
  struct Chunk {
    const float* quantized;
    const float* floating;
    int64_t samples;
  };
  void AddChunk(const Chunk& chunk, int max_threads);
  void AddTiles(const Chunk& chunk, int max_threads);

  const int64_t columns_;
  const LinearKernels& kernels_;
  const Moments moments_;
  int64_t samples_ = 0;
  std::vector<float> pilot_quantized_;  // [columns]: the first sample
  std::vector<float> pilot_float_;
  std::vector<double> h_;  // lower triangle of tiles; kDiagonal: [columns]
  std::vector<double> g_;
  std::vector<double> sum_quantized_;  // of what differs from the pilot
  std::vector<double> sum_float_;
};

}  // namespace lbw::quant

#endif  // LBW_QUANT_GRAM_H_
