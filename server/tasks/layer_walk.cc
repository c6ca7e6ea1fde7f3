#include "tasks/layer_walk.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "base/clock.h"
#include "base/status.h"
#include "base/strings.h"
#include "graph/operators.h"
#include "graph/views.h"
#include "quant/calibrate.h"
#include "quant/parallel.h"
#include "tasks/layer_readers.h"

namespace lbw::tasks {
namespace {

bool IsKnown(const graph::Node& node, const graph::InferredShapes& shapes) {
  return std::all_of(node.outputs.begin(), node.outputs.end(), [&](const std::string& output) {
    return output.empty() || shapes.known.count(output) != 0;
  });
}

// Sums are taken over all uses together, a group at a time.
bool ReadAlike(const engine::WeightUse& a, const engine::WeightUse& b) {
  return a.groups == b.groups && a.rows == b.rows && a.columns == b.columns;
}

}  // namespace

bool FitsLayer(int64_t groups, int64_t columns, uint64_t max_layer_bytes) {
  const auto parts = static_cast<uint64_t>(std::max<int64_t>(groups, 1));
  return quant::CalibrationBytes(columns) <= max_layer_bytes / parts;
}

LayerWalk::LayerWalk(const model::Model& model, size_t pictures, std::vector<std::string> fetch,
                     const WalkOptions& options)
    : model_(model),
      pictures_(pictures),
      fetch_(std::move(fetch)),
      options_(options),
      constants_(model.constants),
      cache_({pictures, options.max_cache_bytes, options.scratch_folder}) {}

absl::Span<const float> LayerWalk::Floats(const base::TensorView& view) {
  return {reinterpret_cast<const float*>(view.bytes.data()), static_cast<size_t>(view.elements())};
}

absl::StatusOr<std::unique_ptr<LayerWalk>> LayerWalk::Open(const model::Model& model,
                                                           engine::ExecutorFactory& engine,
                                                           const Pictures& pictures,
                                                           std::vector<std::string> fetch,
                                                           const WalkOptions& options) {
  if (pictures.empty()) {
    return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadGraph,
                       "no picture to walk over");
  }
  std::unique_ptr<LayerWalk> walk(new LayerWalk(model, pictures.size(), std::move(fetch), options));
  engine::CompileOptions compile;
  compile.height = model.spec.input.height;
  compile.width = model.spec.input.width;
  LBW_ASSIGN_OR_RETURN(walk->compiler_, engine.OpenPieces(model.graph, model.constants, compile));
  walk->FindLifetimes();
  LBW_RETURN_IF_ERROR(walk->FindLayers());
  LBW_RETURN_IF_ERROR(walk->BorrowPictures(pictures));
  LBW_RETURN_IF_ERROR(walk->RunToFirst());
  return walk;
}

// What stands in front of the first layer.
absl::Status LayerWalk::RunToFirst() {
  const size_t first = layers_.empty() ? model_.graph.nodes.size() : layers_[0].cut;
  const std::vector<std::string> made = MadeAndAlive(0, first);
  LBW_ASSIGN_OR_RETURN(const std::unique_ptr<engine::Piece> piece,
                       compiler_->Compile(model_.constants, {0, first, made}));
  for (const std::string& value : made) {
    LBW_RETURN_IF_ERROR(
        cache_.Declare(KeyOf(Edition::kFloat, value), compiler_->shapes().values.at(value).shape));
  }
  if (!made.empty()) {
    LBW_RETURN_IF_ERROR(ForPictures(pictures_, {}, [&](size_t picture) {
      absl::StatusOr<std::vector<base::Tensor>> values = RunPiece(*piece, Edition::kFloat, picture);
      if (!values.ok()) return values.status();
      for (size_t i = 0; i < made.size(); ++i) {
        LBW_RETURN_IF_ERROR(
            cache_.Put(KeyOf(Edition::kFloat, made[i]), picture, std::move((*values)[i])));
      }
      return absl::OkStatus();
    }));
  }
  DropDead(first);
  return absl::OkStatus();
}

absl::Status LayerWalk::BorrowPictures(const Pictures& pictures) {
  const std::string& input = model_.graph.inputs[0].name;
  const base::Shape& shape = compiler_->shapes().values.at(input).shape;
  const int64_t elements =
      std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<>());
  for (const std::vector<float>& picture : pictures) {
    if (static_cast<int64_t>(picture.size()) == elements) continue;
    return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadGraph,
                       base::StrCat("a picture has ", picture.size(), " values, input ", input,
                                    " takes ", base::ShapeToString(shape)));
  }
  cache_.Borrow(KeyOf(Edition::kFloat, input), shape, pictures);
  return absl::OkStatus();
}

void LayerWalk::FindLifetimes() {
  const graph::Graph& graph = model_.graph;
  const graph::InferredShapes& shapes = compiler_->shapes();
  const graph::ConstantViews views = graph::FindConstantViews(graph, model_.constants);
  made_by_[graph.inputs[0].name] = -1;
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    const graph::Node& node = graph.nodes[i];
    if (IsKnown(node, shapes) || views.count(node.outputs[0]) != 0) continue;
    const size_t data =
        std::min(node.inputs.size(), graph::FindOperator(node.op_type)->data_inputs);
    for (size_t j = 0; j < data; ++j) {
      if (made_by_.count(node.inputs[j]) != 0) {
        last_read_[node.inputs[j]] = static_cast<int64_t>(i);
      }
    }
    for (const std::string& output : node.outputs) {
      if (!output.empty()) made_by_[output] = static_cast<int64_t>(i);
    }
  }
  for (const std::string& value : fetch_) {
    if (made_by_.count(value) != 0) last_read_[value] = static_cast<int64_t>(graph.nodes.size());
  }
}

// Constant -> the first node that reads it as something else than a layer's weight.
std::map<std::string, size_t> LayerWalk::OtherReaders(
    const std::vector<graph::Weight>& weights) const {
  const graph::Graph& graph = model_.graph;
  const graph::ConstantViews views = graph::FindConstantViews(graph, model_.constants);
  std::map<std::string, const graph::Weight*> by_name;
  for (const graph::Weight& weight : weights) by_name[weight.constant] = &weight;
  std::map<std::string, size_t> others;
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    const graph::Node& node = graph.nodes[i];
    if (IsKnown(node, compiler_->shapes()) || views.count(node.outputs[0]) != 0) continue;
    for (const std::string& input : node.inputs) {
      const auto view = graph::ViewOf(input, model_.constants, views);
      const auto found = view.has_value() ? by_name.find(view->constant) : by_name.end();
      if (found == by_name.end()) continue;
      const std::vector<std::string>& own = found->second->nodes;
      if (std::find(own.begin(), own.end(), node.name) == own.end()) {
        others.emplace(view->constant, i);
      }
    }
  }
  return others;
}

// Resolves the layer's uses, or says why it has none.
void LayerWalk::ResolveUses(const std::map<std::string, size_t, std::less<>>& nodes,
                            WalkLayer& layer) const {
  for (const std::string& name : layer.weight.nodes) {
    absl::StatusOr<engine::WeightUse> use = engine::ResolveWeightUse(
        model_.graph, model_.constants, compiler_->shapes(), layer.weight, nodes.at(name));
    if (!use.ok()) {
      layer.unsupported = std::string(base::Std(use.status().message()));
    } else if (made_by_.count(use->input) == 0 || use->positions < 1) {
      layer.unsupported = base::StrCat("node ", name, " reads no picture");
    } else if (!layer.uses.empty() && !ReadAlike(layer.uses[0], *use)) {
      layer.unsupported = "its nodes read it in different groups";
    } else {
      layer.uses.push_back(*std::move(use));
    }
  }
  if (!layer.unsupported.empty()) layer.uses.clear();
  if (layer.uses.empty()) return;
  const engine::WeightUse& use = layer.uses[0];
  if (FitsLayer(use.groups, use.columns, options_.max_layer_bytes)) return;
  layer.limited =
      base::StrCat("too many columns to solve in memory: columns=", use.columns,
                   " groups=", use.groups, " bytes_a_group=", quant::CalibrationBytes(use.columns),
                   " limit=", options_.max_layer_bytes, " bytes");
}

absl::Status LayerWalk::FindLayers() {
  std::map<std::string, size_t, std::less<>> nodes;
  for (size_t i = 0; i < model_.graph.nodes.size(); ++i) {
    nodes.emplace(model_.graph.nodes[i].name, i);
  }
  std::vector<graph::Weight> weights =
      graph::FindWeights(model_.graph, model_.constants, model::RoleValues(model_.spec));
  const std::map<std::string, size_t> others = OtherReaders(weights);
  for (graph::Weight& weight : weights) {
    WalkLayer layer;
    layer.cut = nodes.at(weight.nodes[0]);
    layer.weight = std::move(weight);
    if (const auto other = others.find(layer.weight.constant); other != others.end()) {
      // Both editions must part in front of whatever sees the change first.
      layer.cut = std::min(layer.cut, other->second);
      layer.unsupported =
          base::StrCat("node ", model_.graph.nodes[other->second].name, " reads it as data");
    } else {
      ResolveUses(nodes, layer);
    }
    layer.gains = RowGains(model_.graph, model_.constants, layer.uses);
    layers_.push_back(std::move(layer));
  }
  std::stable_sort(layers_.begin(), layers_.end(), [](const WalkLayer& a, const WalkLayer& b) {
    // At one node: first those that nothing is summed for.
    return a.cut != b.cut ? a.cut < b.cut : a.uses.empty() && !b.uses.empty();
  });
  return absl::OkStatus();
}

size_t LayerWalk::EndOf(size_t layer) const {
  return layer + 1 < layers_.size() ? layers_[layer + 1].cut : model_.graph.nodes.size();
}

// Values that nodes first .. end-1 make and later ones read.
std::vector<std::string> LayerWalk::MadeAndAlive(size_t first, size_t end) const {
  std::vector<std::string> values;
  for (size_t i = first; i < end; ++i) {
    for (const std::string& output : model_.graph.nodes[i].outputs) {
      const auto made = made_by_.find(output);
      const auto read = last_read_.find(output);
      if (made != made_by_.end() && read != last_read_.end() &&
          read->second >= static_cast<int64_t>(end)) {
        values.push_back(output);
      }
    }
  }
  return values;
}

std::string LayerWalk::KeyOf(Edition edition, const std::string& value) const {
  const bool changed = edition == Edition::kChanged && tainted_.count(value) != 0;
  return base::StrCat(changed ? "changed|" : "float|", value);
}

absl::Status LayerWalk::ForPictures(size_t count, const KeepGoing& keep_going,
                                    const Visit& work) const {
  const auto step = static_cast<size_t>(std::max(1, options_.threads)) * 4;
  for (size_t first = 0; first < count; first += step) {
    if (keep_going) LBW_RETURN_IF_ERROR(keep_going());
    const size_t here = std::min(step, count - first);
    std::vector<absl::Status> statuses(here);
    quant::ParallelFor(static_cast<int64_t>(here), options_.threads, [&](int64_t i) {
      statuses[static_cast<size_t>(i)] = work(first + static_cast<size_t>(i));
    });
    for (const absl::Status& status : statuses) LBW_RETURN_IF_ERROR(status);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<base::Tensor>> LayerWalk::RunPiece(const engine::Piece& piece,
                                                              Edition edition,
                                                              size_t picture) const {
  std::vector<base::Tensor> rooms(piece.inputs().size());
  std::vector<base::TensorView> views;
  for (size_t i = 0; i < rooms.size(); ++i) {
    LBW_ASSIGN_OR_RETURN(base::TensorView view,
                         cache_.View(KeyOf(edition, piece.inputs()[i]), picture, rooms[i]));
    views.push_back(std::move(view));
  }
  return piece.Run(views);
}

// Over the layer at(). power: also sums the outputs of the layer's first use.
absl::Status LayerWalk::RunOver(Edition edition, const std::vector<std::string>& fetch,
                                const KeepGoing& keep_going, std::vector<double>* power) {
  const base::Stopwatch watch;
  const WalkLayer& layer = layers_[at_];
  std::vector<std::string> wanted = fetch;
  if (power != nullptr) wanted.push_back(layer.uses[0].output);
  if (wanted.empty()) return absl::OkStatus();
  LBW_ASSIGN_OR_RETURN(
      const std::unique_ptr<engine::Piece> piece,
      compiler_->Compile(edition == Edition::kFloat ? model_.constants : constants_,
                         {layer.cut, EndOf(at_), wanted}));
  for (const std::string& value : fetch) {
    LBW_RETURN_IF_ERROR(
        cache_.Declare(KeyOf(edition, value), compiler_->shapes().values.at(value).shape));
  }
  std::vector<std::vector<double>> parts(power == nullptr ? 0 : pictures_);
  LBW_RETURN_IF_ERROR(ForPictures(pictures_, keep_going, [&](size_t picture) {
    absl::StatusOr<std::vector<base::Tensor>> values = RunPiece(*piece, edition, picture);
    if (!values.ok()) return values.status();
    if (power != nullptr) {
      parts[picture].resize(power->size());
      engine::AddOutputSums(layer.uses[0], values->back().as<float>(),
                            Positions(layer.uses[0], 0, picture), absl::MakeSpan(parts[picture]));
    }
    for (size_t i = 0; i < fetch.size(); ++i) {
      LBW_RETURN_IF_ERROR(cache_.Put(KeyOf(edition, fetch[i]), picture, std::move((*values)[i])));
    }
    return absl::OkStatus();
  }));
  for (const std::vector<double>& part : parts) {
    for (size_t i = 0; i < part.size(); ++i) (*power)[i] += part[i];
  }
  seconds_.forward += watch.ElapsedSeconds();
  return absl::OkStatus();
}

void LayerWalk::Taint(size_t first, size_t end, const std::vector<std::string>& changed) {
  // A weight may be read far from here: every node that reads what was changed, now and later.
  tainted_.insert(changed.begin(), changed.end());
  for (size_t i = first; i < end; ++i) {
    const graph::Node& node = model_.graph.nodes[i];
    // A shape is the same whatever the weight holds.
    if (IsKnown(node, compiler_->shapes())) continue;
    const bool reads =
        std::any_of(node.inputs.begin(), node.inputs.end(),
                    [&](const std::string& input) { return tainted_.count(input) != 0; });
    if (!reads) continue;
    for (const std::string& output : node.outputs) {
      if (!output.empty()) tainted_.insert(output);
    }
  }
}

void LayerWalk::DropDead(size_t node) {
  for (const std::string& key : cache_.keys()) {
    const std::string value = key.substr(key.find('|') + 1);
    const auto read = last_read_.find(value);
    if (read == last_read_.end() || read->second < static_cast<int64_t>(node)) cache_.Drop(key);
  }
}

absl::Status LayerWalk::Advance(const std::vector<std::string>& changed,
                                const KeepGoing& keep_going) {
  LBW_CHECK(at_ < layers_.size());
  const size_t cut = layers_[at_].cut;
  const size_t end = EndOf(at_);
  const std::vector<std::string> made = MadeAndAlive(cut, end);
  if (!float_is_over_) LBW_RETURN_IF_ERROR(RunOver(Edition::kFloat, made, keep_going, nullptr));
  // Views of weights may stand in front of the layer.
  Taint(0, cut, changed);
  Taint(cut, end, {});
  std::vector<std::string> differing;
  for (const std::string& value : made) {
    if (tainted_.count(value) != 0) differing.push_back(value);
  }
  LBW_RETURN_IF_ERROR(RunOver(Edition::kChanged, differing, keep_going, nullptr));
  DropDead(end);
  ++at_;
  float_is_over_ = false;
  return absl::OkStatus();
}

}  // namespace lbw::tasks
