// What a training run is asked, as plain values. Checked by CheckOptions; every limit stands there.
//
// Threads: values.
#ifndef LBW_TRAIN_OPTIONS_H_
#define LBW_TRAIN_OPTIONS_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

namespace lbw::train {

// kAdam: steps in units of a row's own scale: w -= lr * r * m / (sqrt(v) + eps), r = rms of the row
//        when the run began. Source: D. Kingma, J. Ba, "Adam", arXiv 1412.6980 (2014); the unit is
//        ours.
// kSgd:  momentum on weights divided by their row's rms: w -= lr * r^2 * u, u = momentum * u + g.
enum class Optimizer : uint8_t { kAdam, kSgd };
// Behind the warm-up, t of T steps: kConstant 1; kStep `step_gamma` at every one of `step_at`;
// kCosine (1 + cos(pi t / T)) / 2.
enum class Schedule : uint8_t { kConstant, kStep, kCosine };
enum class BatchNorm : uint8_t { kFrozen, kTrain };

struct OptimizerOptions {
  Optimizer kind = Optimizer::kAdam;
  double rate = 3e-3;        // of weights
  double bias_rate = 3e-4;   // of everything else that is trained: biases, gamma, beta
  double scale_rate = 6e-3;  // of a row's real scale, exp(a)
  double beta1 = 0.9, beta2 = 0.99;
  double momentum = 0.9;    // kSgd
  double weight_decay = 0;  // of weights, decoupled: w -= lr * weight_decay * w
  double clip_norm = 0;     // of all gradients in their units; 0: none
  Schedule schedule = Schedule::kCosine;
  int64_t warmup_steps = 20;
  std::vector<double> step_at;  // fractions of the run, rising, each in (0, 1)
  double step_gamma = 0.1;
};

struct LossOptions {
  // Shares of the loss on labels and of the distance from the teacher; at least one above 0.
  double labels = 1;
  double distill = 0;
  // Of softmax scores: cross-entropy over positives and the hardest negatives; of sigmoid scores:
  // binary cross-entropy over the same. Focal: T.-Y. Lin et al., "Focal Loss for Dense Object
  // Detection", arXiv 1708.02002 (2017), over all anchors that are not ignored.
  bool focal = false;
  double focal_alpha = 0.25, focal_gamma = 2;
  double negatives = 3;      // a positive
  double match_iou = 0.5;    // a positive from here on
  double force_iou = 0.3;    // the best anchor of a box, from here on, is positive
  double ignore_iou = 0.35;  // from here to match_iou: neither
  double box_weight = 1;
  double label_smoothing = 0;  // classifiers
};

// How codes are trained. Source: the shadow weights and the straight-through gradient of P. Yin et
// al., arXiv 1612.06052 (2016), algorithm 2; start, units and schedules are ours.
struct LowBitOptions {
  // The shadow begins at calibration's float target, moved just inside the cell of its code, so
  // that a code can flip. false: at the float weights themselves.
  bool start_in_cell = true;
  // Steps between two exact searches of exponents; 0: fixed to the end. kReal scales stay fixed.
  int64_t exponent_every = 0;
  // A search looks at start +- so many, -1: everywhere.
  int exponent_reach = 1;
  // BinaryRelax (P. Yin et al., arXiv 1801.06313 (2018)): the network reads (lambda q + w) /
  // (1 + lambda), lambda = blend_start * blend_growth^epoch; above 1e4, and in the last tenth of
  // the run, q alone. 0: q alone throughout.
  double blend_start = 0;
  double blend_growth = 1.5;
  // A weight whose code flipped in more than this share of steps (a moving average over about 100)
  // stays at its more frequent code. 0: none. Source: M. Nagel et al., "Overcoming Oscillations in
  // Quantization-Aware Training", arXiv 2203.11086 (2022), section 4.
  double freeze_flips = 0;
  // Share of the run behind which codes are fixed and only biases and scales go on, from the moving
  // averages, with a third of the step; 1: never.
  double codes_until = 1;
  // Widths of weights before their own, in equal parts of the run: {6, 4} with layers of 3 bits
  // trains a third at 6, a third at 4, a third at 3. Empty: their own throughout.
  std::vector<int> stages;
};

struct AugmentOptions {
  bool enabled = true;
  double flip = 0.5;         // left and right
  double crop = 0.5;         // chance; detection: keeps at least a box's centre
  double crop_scale = 0.4;   // of a side, to 1
  double zoom_out = 0.25;    // chance, where there was no crop; detection
  double zoom_scale = 1.8;   // at most
  double photometric = 0.8;  // chance: brightness, contrast, saturation, hue
  double shift = 0.125;      // of a side, at most; classifiers
};

struct TrainOptions {
  int64_t epochs = 4;
  int64_t batch = 16;
  int64_t steps_an_epoch = 0;  // 0: as many whole batches as the split has pictures for
  uint64_t seed = 0;
  int threads = 1;
  int loader_threads = 1;
  std::string device = "auto";  // "auto", "cpu", "cuda:N"
  bool autocast = false;        // bf16 where it gains
  BatchNorm batch_norm = BatchNorm::kTrain;
  double batch_norm_momentum = 0.1;
  double ema = 0.98;  // d = min(ema, (1 + t) / (10 + t)); 0: none
  OptimizerOptions optimizer;
  LossOptions loss;
  LowBitOptions low_bit;
  AugmentOptions augment;
};

// Errors: kInvalidArgument, BAD_ARGUMENT - names field, value and limits. The field is the member's
// name, behind "low_bit." or "augment." where it stands in those.
absl::Status CheckOptions(const TrainOptions& options);

}  // namespace lbw::train

#endif  // LBW_TRAIN_OPTIONS_H_
