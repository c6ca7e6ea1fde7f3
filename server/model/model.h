// A model: a graph with its constants and the spec that says what goes in and what comes out; its
// bundle; quantizing it.
//
// Threads: values and pure functions.
#ifndef LBW_MODEL_MODEL_H_
#define LBW_MODEL_MODEL_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/cancel.h"
#include "base/io.h"
#include "detect/decoder.h"
#include "detect/spec.h"
#include "graph/graph.h"
#include "graph/rounding_points.h"
#include "quant/layer_rules.h"
#include "quant/quantize.h"

namespace lbw::tensorfile {
class PackedFile;
}

namespace lbw::model {

// The spec of CONTRACTS: YAML or JSON; unknown keys are errors.
struct ModelSpec {
  detect::InputSpec input;
  std::vector<std::string> classes;
  detect::HeadSpec head;
  bool operator==(const ModelSpec&) const = default;
};

// Errors: kInvalidArgument, BAD_SPEC - names the key (head.boxes.variances), its value and what is
//         expected, with the line where YAML knows it. Bounded: 1 MiB of text; every list and
//         number has its limit; nesting that no key asks for is an error.
absl::StatusOr<ModelSpec> ParseSpec(std::string_view text);
// Canonical JSON with every default filled in; ParseSpec reads it back to the same value.
std::string SpecToJson(const ModelSpec& spec);

struct Model {
  graph::Graph graph;
  graph::Constants constants;
  ModelSpec spec;
  // Where an int8 executor rounds, and to which codes; empty: none are recorded. They belong to the
  // weights as they are: MakeModel and QuantizeModel neither fill nor change them.
  graph::Activations activations = {};
};

// Puts a graph and a spec together: one picture input of the spec's channels and size, roles that
// exist, traced to the values before their activation (ModelSpec::head.*.logits), shapes that fit
// the head, class count, priors.
// Where the graph itself ends in the activation that head.score.activation names, the scores role
// gets activation none: decoding reads the declared output as it is, losses read the logits.
// Errors: kInvalidArgument, BAD_SPEC or BAD_GRAPH - names role, value, shape and expectation; a
//         graph whose activation contradicts the spec; ALREADY_QUANTIZED - a constant whose name
//         has an ending that the packed format reserves.
absl::StatusOr<Model> MakeModel(graph::Graph graph, graph::Constants constants, ModelSpec spec);

// The values that the head's roles read, in their order: graph::FindWeights' heads.
std::vector<std::string> RoleValues(const ModelSpec& spec);

// A decoder for the model's head.
absl::StatusOr<std::unique_ptr<detect::Decoder>> MakeDecoder(const Model& model);

// Bundle: one safetensors file with the constants, and `lbw.graph`, `lbw.spec` and, where ranges of
// activations are recorded, `lbw.activations` as JSON in its metadata.
// Errors: kInvalidArgument, BAD_ARGUMENT - activations that do not fit the graph; the sink's.
absl::Status WriteBundle(const Model& model, base::ByteSink& sink);
// The same file as the checkpoint of a training that goes on from it: beside the model the tensors
// of the run, under "lbw.train/" and their names, and lbw.checkpoint with the run's state in the
// metadata. ReadBundle reads the model alone.
inline constexpr std::string_view kCheckpointKey = "lbw.checkpoint";
inline constexpr std::string_view kTrainPrefix = "lbw.train/";
struct BundleExtra {
  std::map<std::string, graph::Constant> tensors;  // names without the prefix
  std::map<std::string, std::string> metadata;     // with kCheckpointKey
};
absl::Status WriteBundle(const Model& model, const BundleExtra& extra, base::ByteSink& sink);
// What WriteBundle put beside the model. Errors: kInvalidArgument, BAD_FILE - no checkpoint.
absl::StatusOr<BundleExtra> ReadBundleExtra(const base::RandomAccessReader& reader);
// A checkpoint of a training job (`lbw.checkpoint` in its metadata) is one too: its tensors whose
// names begin with "lbw.train/" are not read.
// Errors: kInvalidArgument - BAD_FILE (also names a key of the activations that is no value of the
// graph, or has no range), BAD_GRAPH, BAD_SPEC; the reader's.
absl::StatusOr<Model> ReadBundle(const base::RandomAccessReader& reader);
// Graph and spec of a bundle whose file is open, not checked against each other; nothing else.
// Errors: kInvalidArgument - BAD_FILE, BAD_GRAPH, BAD_SPEC.
absl::StatusOr<Model> ReadBundleHead(const tensorfile::PackedFile& file);

// The constants alone, as float safetensors (low-bit weights dequantized to f32).
absl::Status WriteFloatTensors(const Model& model, base::ByteSink& sink);

struct QuantizeOptions {
  quant::TensorOptions tensor;  // axis and groups are the node's; those here are not looked at
  std::vector<quant::LayerRule> rules;
};

struct QuantizeOutcome {
  std::vector<quant::TensorReport>
      reports;  // every weight in graph order, then the other constants by name
  // rules[i] -> tensors that it caught; the last entry: those that no rule caught.
  std::vector<std::vector<std::string>> caught;
};

// Called before each tensor; a status other than OK ends the work.
using QuantizeProgress =
    std::function<absl::Status(size_t done, size_t total, std::string_view tensor)>;

// What each weight would become; nothing is computed. Errors: those of QuantizeModel that need no
// weights' values; rules that keep everything float are no error here.
absl::StatusOr<QuantizeOutcome> PlanQuantization(const Model& model,
                                                 const QuantizeOptions& options);
// Replaces the weights of the model by their codes. On error the model is as it was.
// Errors: kInvalidArgument - BAD_OPTIONS, NON_FINITE (names tensor and index), NOTHING_TO_QUANTIZE,
// ALREADY_QUANTIZED; progress's.
absl::StatusOr<QuantizeOutcome> QuantizeModel(Model& model, const QuantizeOptions& options,
                                              const QuantizeProgress& progress);

}  // namespace lbw::model

#endif  // LBW_MODEL_MODEL_H_
