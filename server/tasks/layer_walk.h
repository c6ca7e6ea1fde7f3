// A network walked layer by layer over a set of pictures, in two editions side by side: the float
// one, and one whose layers are replaced on the way. What a layer reads in both is summed up for
// calibration; then both go on to the next layer. Nothing is computed twice but what lies between
// the nodes of a weight that several of them read.
//
// Order:     layers stand in the order of the first node that reads them. For each: Sums, Replace
//            where its weight changes, Advance. After the last Advance the head's values are there.
// Precision: the same bits for every number of threads: a picture runs on one thread, sums over
//            pictures are taken in their order.
// Memory:    values alive at the cut, of both editions, in memory up to max_cache_bytes and in the
//            scratch folder beyond; a layer's sums, and its solver later, max_layer_bytes at most.
//            Pictures are borrowed, not copied.
// Threads:   one; uses up to options.threads itself.
#ifndef LBW_TASKS_LAYER_WALK_H_
#define LBW_TASKS_LAYER_WALK_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "engine/executor.h"
#include "engine/layer_inputs.h"
#include "engine/pieces.h"
#include "graph/graph.h"
#include "model/model.h"
#include "quant/gram.h"
#include "quant/parallel.h"
#include "tasks/value_cache.h"

namespace lbw::tasks {

inline constexpr uint64_t kMaxLayerBytes = uint64_t{4} << 30;

// Whether so many groups of so many columns may be solved.
bool FitsLayer(int64_t groups, int64_t columns, uint64_t max_layer_bytes);

struct WalkOptions {
  int threads = 1;
  uint64_t seed = 0;        // of the positions
  int64_t positions = 400;  // of a layer's output in a picture; all where there are fewer
  uint64_t max_cache_bytes = uint64_t{1200} << 20;
  // Of a layer's sums and solver (quant::CalibrationBytes a group; 12,852 columns of one group at
  // the default). Above it means and variances alone are summed.
  uint64_t max_layer_bytes = kMaxLayerBytes;
  std::string scratch_folder;
};

// A weight and the nodes that read it.
struct WalkLayer {
  graph::Weight weight;
  std::vector<engine::WeightUse> uses;  // in graph order; empty where `unsupported`
  std::string unsupported;              // why its inputs cannot be laid beside its rows
  std::string limited;                  // why means and variances alone are summed
  std::vector<double> gains;            // RowGains of the uses
  size_t cut = 0;                       // index of the first node that reads it
};

struct LayerSums {
  std::vector<quant::Gram> groups;  // of the same moments
  // [rows of all groups]: of the float outputs about their mean, each use's own constant bias taken
  // off; one that is not constant counts with them.
  std::vector<double> output_power;
  int64_t samples = 0;
};

struct WalkSeconds {
  double forward = 0;
  double gram = 0;
};

using KeepGoing = quant::KeepGoing;  // asked between pictures

class LayerWalk {
 public:
  using Pictures = std::vector<std::vector<float>>;
  // model: float, borrowed. pictures: inputs [C, H, W] each, borrowed as long as the walk lives.
  // fetch: values whose errors are looked at (the head's). Errors: those of the engine;
  // kInvalidArgument, BAD_GRAPH - no picture, or one of another size.
  static absl::StatusOr<std::unique_ptr<LayerWalk>> Open(const model::Model& model,
                                                         engine::ExecutorFactory& engine,
                                                         const Pictures& pictures,
                                                         std::vector<std::string> fetch,
                                                         const WalkOptions& options);
  static absl::StatusOr<std::unique_ptr<LayerWalk>> Open(const model::Model&,
                                                         engine::ExecutorFactory&, Pictures&&,
                                                         std::vector<std::string>,
                                                         const WalkOptions&) = delete;

  const std::vector<WalkLayer>& layers() const { return layers_; }
  // The layer in front of which both editions stand; layers().size() behind the last.
  size_t at() const { return at_; }
  size_t pictures() const { return pictures_; }

  // Of layers()[at()], which is supported: Moments::kDiagonal where it is limited. Also takes the
  // float edition over the layer.
  absl::StatusOr<LayerSums> Sums(const KeepGoing& keep_going);
  // The constants of the changed edition: the model's own at first. `changed` names those that were
  // replaced since the last Advance.
  graph::Constants& constants() { return constants_; }
  // To the next layer.
  absl::Status Advance(const std::vector<std::string>& changed, const KeepGoing& keep_going);

  // Mean squared difference of a fetched value between the editions over its variance, averaged
  // over the fetched values. The variance is the mean of its elements' own from picture to picture:
  // what is the same in every picture tells nothing of them. Where no element changes, as in a
  // single picture, it is that of all elements about their mean. Behind the last layer.
  absl::StatusOr<double> OutputError() const;
  // The same error where the float edition goes on from here with other constants, on the first so
  // many pictures. The first call must be in front of the first layer, with the most pictures.
  absl::StatusOr<double> ErrorOf(const graph::Constants& constants, size_t pictures);
  const WalkSeconds& seconds() const { return seconds_; }

 private:
  enum class Edition : uint8_t { kFloat, kChanged };
  struct Inputs {                // of one layer in one picture, in both editions
    std::vector<float> changed;  // empty: as floating
    std::vector<float> floating;
  };
  using GroupSums = std::vector<std::unique_ptr<quant::GramSums>>;
  using Visit = std::function<absl::Status(size_t picture)>;
  // A value of a picture in an edition.
  using Source = std::function<absl::StatusOr<base::TensorView>(Edition, size_t, base::Tensor&)>;

  LayerWalk(const model::Model& model, size_t pictures, std::vector<std::string> fetch,
            const WalkOptions& options);
  static absl::Span<const float> Floats(const base::TensorView& view);
  std::map<std::string, size_t> OtherReaders(const std::vector<graph::Weight>& weights) const;
  void ResolveUses(const std::map<std::string, size_t, std::less<>>& nodes, WalkLayer& layer) const;
  absl::Status FindLayers();
  absl::Status RunToFirst();
  absl::Status BorrowPictures(const Pictures& pictures);
  void FindLifetimes();
  size_t EndOf(size_t layer) const;
  std::vector<std::string> MadeAndAlive(size_t first, size_t end) const;
  std::string KeyOf(Edition edition, const std::string& value) const;
  absl::Status ForPictures(size_t count, const KeepGoing& keep_going, const Visit& work) const;
  absl::StatusOr<std::vector<base::Tensor>> RunPiece(const engine::Piece& piece, Edition edition,
                                                     size_t picture) const;
  absl::Status RunOver(Edition edition, const std::vector<std::string>& fetch,
                       const KeepGoing& keep_going, std::vector<double>* power);
  absl::Status AddUse(const engine::WeightUse& use, size_t index, const Source& source,
                      GroupSums& sums, const KeepGoing& keep_going);
  absl::Status AddFarUse(const engine::WeightUse& use, size_t index, GroupSums& sums,
                         std::vector<double>& power, const KeepGoing& keep_going);
  int64_t SamplesOf(const engine::WeightUse& use) const;
  std::vector<int32_t> Positions(const engine::WeightUse& use, size_t index, size_t picture) const;
  void Taint(size_t first, size_t end, const std::vector<std::string>& changed);
  void DropDead(size_t node);

  const model::Model& model_;
  const size_t pictures_;
  const std::vector<std::string> fetch_;
  const WalkOptions options_;
  std::unique_ptr<engine::PieceCompiler> compiler_;
  std::vector<WalkLayer> layers_;
  std::map<std::string, int64_t, std::less<>> made_by_;    // value -> node; -1: the picture
  std::map<std::string, int64_t, std::less<>> last_read_;  // value -> node; their number: fetched
  graph::Constants constants_;
  std::set<std::string, std::less<>> tainted_;  // values that differ between the editions
  ValueCache cache_;
  size_t at_ = 0;
  bool float_is_over_ = false;  // the float edition stands behind the layer at()
  std::vector<std::vector<base::Tensor>> reference_;  // of ErrorOf: [picture][fetched]
  WalkSeconds seconds_;
};

}  // namespace lbw::tasks

#endif  // LBW_TASKS_LAYER_WALK_H_
