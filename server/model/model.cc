#include "model/model.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/status.h"
#include "base/strings.h"
#include "model/spec_names.h"
#include "model/trace.h"
#include "tensorfile/packed.h"

namespace lbw::model {
namespace {

using detect::Activation;
using detect::Role;
using detect::ValueSlice;

absl::Status Bad(base::Reason reason, std::string_view message) {
  return base::Error(absl::StatusCode::kInvalidArgument, reason, message);
}
absl::Status BadSpec(std::string_view message) { return Bad(base::reason::kBadSpec, message); }
absl::Status BadGraph(std::string_view message) { return Bad(base::reason::kBadGraph, message); }

// Two pictures wherever the graph takes any number: what mixes them up shows in the shapes.
int64_t TrialBatch(const graph::Graph& graph) {
  const base::Shape& shape = graph.inputs[0].shape;
  if (shape[0] > 0) return shape[0];
  return graph.max_batch == 1 ? 1 : 2;
}

// One picture input [N, channels, height, width] that fits the spec.
absl::Status CheckInput(const graph::Graph& graph, const detect::InputSpec& input) {
  if (graph.inputs.size() != 1) {
    return BadGraph(
        base::StrCat("the graph must have one input, the picture: it has ", graph.inputs.size()));
  }
  const graph::ValueInfo& info = graph.inputs[0];
  const base::Shape expected = {graph::kBatch, input.channels(), input.height, input.width};
  bool fits = info.dtype == base::DType::kF32 && info.shape.size() == expected.size();
  for (size_t i = 1; fits && i < expected.size(); ++i) {
    fits = info.shape[i] < 0 || info.shape[i] == expected[i];
  }
  if (fits) return absl::OkStatus();
  return BadSpec(base::StrCat("input: the graph's input ", info.name, " is ",
                              base::Name(info.dtype), " ", base::ShapeToString(info.shape),
                              "; size and color of the spec ask for F32 ",
                              base::ShapeToString(expected)));
}

absl::StatusOr<graph::InferredShapes> InferFor(const Model& model) {
  const detect::InputSpec& input = model.spec.input;
  return graph::InferShapes(
      model.graph, model.constants,
      {{model.graph.inputs[0].name,
        {TrialBatch(model.graph), input.channels(), input.height, input.width}}});
}

std::string OutputNames(const graph::Graph& graph) {
  std::string names;
  for (const graph::ValueInfo& output : graph.outputs) {
    base::StrAppend(&names, names.empty() ? "" : ", ", output.name);
  }
  return names;
}

absl::Status CheckRoleValues(std::string_view name, const Role& role, const Model& model,
                             const graph::InferredShapes& shapes) {
  for (const ValueSlice& slice : role.values) {
    const auto found = shapes.values.find(slice.value);
    if (found == shapes.values.end() || model.constants.count(slice.value) != 0) {
      return BadSpec(base::StrCat(name, ": the graph has no value ", slice.value,
                                  "; its outputs: ", OutputNames(model.graph)));
    }
    const graph::ValueInfo& info = found->second;
    if (info.dtype != base::DType::kF32 || info.shape.empty() ||
        info.shape[0] != TrialBatch(model.graph)) {
      return BadGraph(base::StrCat(name, ": value ", slice.value, " is ", base::Name(info.dtype),
                                   " ", base::ShapeToString(info.shape), " for a batch of ",
                                   TrialBatch(model.graph),
                                   "; expected F32 with the batch in the first place"));
    }
  }
  return absl::OkStatus();
}

// What the graph applies to the values of the scores role, the same for all of them.
absl::StatusOr<TracedActivation> TraceRole(const Role& role, const graph::Graph& graph,
                                           const graph::InferredShapes& shapes) {
  std::optional<TracedActivation> all;
  for (const ValueSlice& slice : role.values) {
    LBW_ASSIGN_OR_RETURN(TracedActivation traced, TraceActivation(graph, shapes, slice.value));
    if (!all) {
      all = std::move(traced);
      continue;
    }
    if (traced.activation != all->activation) {
      return BadGraph(
          base::StrCat("head.outputs.scores: the graph applies different activations "
                       "to its values ",
                       role.values[0].value, " and ", slice.value));
    }
    all->logits.insert(all->logits.end(), traced.logits.begin(), traced.logits.end());
    all->direct = all->direct && traced.direct;
  }
  return all ? *std::move(all) : TracedActivation{};
}

// Which slices of the logits belong to the role. A channel slice stays what it is only where
// nothing is rearranged between the activation and the value.
absl::StatusOr<std::vector<ValueSlice>> LogitSlices(const Role& role,
                                                    const TracedActivation& traced) {
  std::vector<ValueSlice> logits;
  const bool sliced = std::any_of(role.values.begin(), role.values.end(),
                                  [](const ValueSlice& s) { return s.channel_begin.has_value(); });
  if (sliced && !traced.direct) {
    return BadSpec(
        base::StrCat("head.outputs.scores: channels of a value that is rearranged after "
                     "its activation cannot be traced; name the value before: ",
                     traced.logits[0]));
  }
  for (size_t i = 0; i < traced.logits.size(); ++i) {
    ValueSlice slice{traced.logits[i], {}, {}};
    if (sliced) {
      slice.channel_begin = role.values[i].channel_begin;
      slice.channel_end = role.values[i].channel_end;
    }
    logits.push_back(std::move(slice));
  }
  return logits;
}

std::string Named(Activation activation) { return std::string(TextOf(kActivations, activation)); }

absl::Status CheckSoftmax(const TracedActivation& traced, const ModelSpec& spec) {
  const auto classes = static_cast<int64_t>(spec.classes.size());
  const int64_t channels = classes + (spec.head.background == detect::Background::kNone ? 0 : 1);
  // A slice behind the softmax may leave the background out: at least the classes are there.
  if (traced.activation != Activation::kSoftmax || traced.softmax_channels >= classes) {
    return absl::OkStatus();
  }
  return BadGraph(base::StrCat("head.outputs.scores: the graph's softmax runs over ",
                               traced.softmax_channels, " channels; the spec has ", channels,
                               " (classes and background)"));
}

// Settles who applies the activation: the graph, then the role reads probabilities; or decoding.
absl::Status ResolveScores(const Model& model, const graph::InferredShapes& shapes, Role& role) {
  const Activation wanted = model.spec.head.score_activation;
  LBW_ASSIGN_OR_RETURN(const TracedActivation traced, TraceRole(role, model.graph, shapes));
  std::vector<ValueSlice> logits;
  if (traced.activation != Activation::kNone) {
    if (traced.activation != wanted) {
      return BadSpec(base::StrCat("head.score.activation: the graph turns ", traced.logits[0],
                                  " into ", role.values[0].value, " by ", Named(traced.activation),
                                  ", the spec says ", Named(wanted),
                                  "; write activation: ", Named(traced.activation)));
    }
    if (role.activation.value_or(Activation::kNone) != Activation::kNone) {
      return BadSpec(base::StrCat("head.outputs.scores.activation: the graph applies ",
                                  Named(traced.activation), " to ", role.values[0].value,
                                  " already; leave it out or name the value before it, ",
                                  traced.logits[0]));
    }
    LBW_RETURN_IF_ERROR(CheckSoftmax(traced, model.spec));
    LBW_ASSIGN_OR_RETURN(logits, LogitSlices(role, traced));
    role.activation = Activation::kNone;
  }
  if (!role.logits.empty() && role.logits != logits) {
    return BadSpec(base::StrCat("head.outputs.scores.logits: ", role.logits[0].value,
                                " is not what the graph has before its activation; leave it out"));
  }
  role.logits = std::move(logits);
  return absl::OkStatus();
}

absl::StatusOr<std::optional<base::Tensor>> ReadPriors(const Model& model) {
  const std::string& name = model.spec.head.box.prior_tensor;
  const auto found = model.constants.find(name);
  if (name.empty() || found == model.constants.end()) return std::optional<base::Tensor>();
  absl::StatusOr<base::Tensor> priors = graph::ConstantAsF32(found->second);
  if (!priors.ok()) {
    return base::WithContext(priors.status(), base::StrCat("head.boxes.priors: tensor ", name));
  }
  base::Shape shape = priors->shape();
  while (shape.size() > 2 && shape[0] == 1) shape.erase(shape.begin());
  return std::optional<base::Tensor>(
      base::Tensor(base::TensorView{base::DType::kF32, std::move(shape), priors->bytes()}));
}

absl::Status CheckDecoder(const Model& model, const graph::InferredShapes& shapes) {
  LBW_ASSIGN_OR_RETURN(const std::unique_ptr<detect::Decoder> decoder, MakeDecoder(model));
  std::vector<base::Shape> read;
  for (const std::string& value : decoder->inputs()) {
    read.push_back(shapes.values.find(value)->second.shape);
  }
  return decoder->CheckShapes(read);
}

}  // namespace

absl::StatusOr<Model> MakeModel(graph::Graph graph, graph::Constants constants, ModelSpec spec) {
  for (const auto& [name, constant] : constants) {
    if (tensorfile::HasReservedSuffix(name)) {
      return Bad(
          base::reason::kAlreadyQuantized,
          base::StrCat("constant name has an ending that belongs to the packed format: ", name));
    }
  }
  LBW_RETURN_IF_ERROR(graph::Validate(graph, constants));
  LBW_RETURN_IF_ERROR(CheckInput(graph, spec.input));
  Model model{std::move(graph), std::move(constants), std::move(spec)};
  LBW_ASSIGN_OR_RETURN(const graph::InferredShapes shapes, InferFor(model));
  LBW_RETURN_IF_ERROR(CheckRoleValues("head.outputs.boxes", model.spec.head.boxes, model, shapes));
  LBW_RETURN_IF_ERROR(
      CheckRoleValues("head.outputs.scores", model.spec.head.scores, model, shapes));
  Role scores = model.spec.head.scores;
  LBW_RETURN_IF_ERROR(ResolveScores(model, shapes, scores));
  model.spec.head.scores = std::move(scores);
  LBW_RETURN_IF_ERROR(CheckDecoder(model, shapes));
  return model;
}

absl::StatusOr<std::unique_ptr<detect::Decoder>> MakeDecoder(const Model& model) {
  detect::DecoderContext context;
  context.head = model.spec.head;
  context.input = model.spec.input;
  context.classes = static_cast<int64_t>(model.spec.classes.size());
  LBW_ASSIGN_OR_RETURN(context.priors, ReadPriors(model));
  return detect::NewDecoder(context);
}

}  // namespace lbw::model
