#include "tasks/compare.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "base/cancel.h"
#include "base/ids.h"
#include "base/status.h"
#include "base/strings.h"
#include "dataset/pack.h"
#include "eval/boxes.h"
#include "graph/graph.h"
#include "tasks/calibrate_network.h"
#include "tasks/calibration_pictures.h"
#include "tasks/compare_spec.h"
#include "tasks/job_files.h"
#include "tasks/json.h"
#include "tasks/judge.h"
#include "tasks/predict.h"
#include "tasks/report_size.h"

namespace lbw::tasks {
namespace {

constexpr double kSameOverlap = 0.5;

// One value of the graph, in both versions, over all pictures.
struct ValueSums {
  double reference2 = 0, version2 = 0, product = 0, error2 = 0, largest = 0;
  void Add(absl::Span<const float> reference, absl::Span<const float> version) {
    for (size_t i = 0; i < reference.size(); ++i) {
      const auto r = static_cast<double>(reference[i]);
      const auto v = static_cast<double>(version[i]);
      reference2 += r * r;
      version2 += v * v;
      product += r * v;
      error2 += (r - v) * (r - v);
      largest = std::max(largest, std::fabs(r - v));
    }
  }
};

// Boxes of both, each of the version's taken by the reference's that overlaps it most, best score
// first.
Json Matches(const std::vector<detect::Detection>& version,
             const std::vector<detect::Detection>& reference) {
  std::vector<bool> taken(reference.size(), false);
  double overlaps = 0;
  double largest = 0;
  size_t matched = 0;
  for (const detect::Detection& box : version) {
    size_t best = reference.size();
    double overlap = kSameOverlap;
    for (size_t i = 0; i < reference.size(); ++i) {
      if (taken[i] || reference[i].class_index != box.class_index) continue;
      const double here =
          eval::OverlapRatio(box.box, reference[i].box, eval::PixelRule::kContinuous);
      if (here >= overlap) {
        overlap = here;
        best = i;
      }
    }
    if (best == reference.size()) continue;
    taken[best] = true;
    ++matched;
    overlaps += overlap;
    largest = std::max(largest, std::fabs(static_cast<double>(box.score) -
                                          static_cast<double>(reference[best].score)));
  }
  Json out;
  out["matched"] = matched;
  out["only_version"] = version.size() - matched;
  out["only_reference"] = reference.size() - matched;
  if (matched > 0) {
    out["mean_iou"] = overlaps / static_cast<double>(matched);
    out["max_score_difference"] = largest;
  }
  return out;
}

class Comparing {
 public:
  Comparing(const jobs::JobContext& context, engine::ExecutorFactory& engine, CompareSpec spec)
      : context_(context), engine_(engine), spec_(std::move(spec)) {}
  absl::Status Open();
  absl::Status Values();
  absl::Status Boxes();
  absl::StatusOr<std::string> Result();

 private:
  struct Looked {
    std::string value, node, weight;
  };
  absl::Status Obey() const {
    const jobs::JobLink::Order order = context_.link->order();
    // A comparison takes seconds: it begins again instead of keeping a checkpoint.
    const bool ends =
        order != jobs::JobLink::Order::kGoOn && order != jobs::JobLink::Order::kCheckpoint;
    return ends ? jobs::ObeyedStatus(order) : absl::OkStatus();
  }
  void Report(std::string_view stage, size_t done) const {
    jobs::JobLink::Progress progress;
    progress.step = static_cast<int64_t>(done);
    // Not known while pictures are read.
    const size_t pictures = pictures_.inputs.size();
    progress.total_steps = static_cast<int64_t>(pictures == 0 ? 0 : read_ + 2 * pictures);
    progress.stage = std::string(stage);
    context_.link->Report(progress);
  }
  int Threads() const { return ThreadsOf(0, context_); }
  absl::StatusOr<model::Model> Read(const std::string& bundle) const;
  absl::StatusOr<std::unique_ptr<engine::Executor>> Fetching(const model::Model& model) const;

  const jobs::JobContext& context_;
  engine::ExecutorFactory& engine_;
  const CompareSpec spec_;
  std::string pack_sha256_;
  std::unique_ptr<dataset::Pack> pack_;
  model::Model version_, reference_;
  CalibrationPictures pictures_;
  size_t read_ = 0;  // blocks of pictures
  std::vector<Looked> looked_;
  std::vector<ValueSums> sums_;
  Json compared_ = Json::array();
  Json agreement_ = Json::object();
};

absl::StatusOr<model::Model> Comparing::Read(const std::string& bundle) const {
  LBW_ASSIGN_OR_RETURN(const auto reader, context_.blobs->Open(bundle));
  return model::ReadBundle(*reader);
}

absl::Status Comparing::Open() {
  LBW_ASSIGN_OR_RETURN(const Json inputs, ParseObject(context_.inputs_json, "the job's inputs"));
  LBW_ASSIGN_OR_RETURN(const std::string bundle, TextOf(inputs, "bundle"));
  LBW_ASSIGN_OR_RETURN(const std::string reference, TextOf(inputs, "reference_bundle"));
  LBW_ASSIGN_OR_RETURN(pack_sha256_, TextOf(inputs, "pack"));
  LBW_ASSIGN_OR_RETURN(version_, Read(bundle));
  LBW_ASSIGN_OR_RETURN(reference_, Read(reference));
  LBW_ASSIGN_OR_RETURN(pack_, OpenPack(*context_.blobs, pack_sha256_));
  if (!(version_.spec.input == reference_.spec.input)) {
    return base::Error(absl::StatusCode::kFailedPrecondition, base::reason::kBadArgument,
                       "the two versions read pictures differently: their specs' input differ");
  }
  if (IsClassifier(version_.spec) != IsClassifier(reference_.spec) ||
      version_.spec.classes != reference_.spec.classes) {
    return base::Error(absl::StatusCode::kFailedPrecondition, base::reason::kBadArgument,
                       "the two versions answer differently: their specs' heads or classes differ");
  }
  LBW_ASSIGN_OR_RETURN(pictures_,
                       ReadCalibrationPictures(*pack_, {spec_.split, spec_.count, spec_.seed},
                                               version_.spec.input, Threads(), [this] {
                                                 Report("read pictures", read_++);
                                                 return Obey();
                                               }));
  for (const auto& [index, reason] : pictures_.failed) {
    compared_.push_back({{"name", pack_->dataset().pictures[index].name},
                         {"error", std::string(base::Std(reason.message()))}});
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<engine::Executor>> Comparing::Fetching(
    const model::Model& model) const {
  engine::CompileOptions options;
  for (const Looked& one : looked_) options.fetch.push_back(one.value);
  options.height = model.spec.input.height;
  options.width = model.spec.input.width;
  options.threads = Threads();
  return engine_.Compile(model.graph, model.constants, options);
}

// The output of every layer with weights, and the head's values.
absl::Status Comparing::Values() {
  std::set<std::string> in_both;
  for (const graph::Node& node : reference_.graph.nodes) {
    in_both.insert(node.outputs.begin(), node.outputs.end());
  }
  std::map<std::string, const graph::Node*> nodes;
  for (const graph::Node& node : version_.graph.nodes) nodes[node.name] = &node;
  std::map<const graph::Node*, std::string> layers;
  for (const graph::Weight& weight : graph::FindWeights(version_.graph, version_.constants, {})) {
    for (const std::string& name : weight.nodes) layers[nodes.at(name)] = weight.constant;
  }
  for (const graph::Node& node : version_.graph.nodes) {
    const auto layer = layers.find(&node);
    if (layer != layers.end() && in_both.count(node.outputs[0]) != 0) {
      looked_.push_back({node.outputs[0], node.name, layer->second});
    }
  }
  for (const std::string& value : HeadValues(version_)) {
    const auto same = [&](const Looked& one) { return one.value == value; };
    if (in_both.count(value) != 0 && std::none_of(looked_.begin(), looked_.end(), same)) {
      looked_.push_back({value, "", ""});
    }
  }
  if (looked_.empty()) return absl::OkStatus();
  LBW_ASSIGN_OR_RETURN(const auto version, Fetching(version_));
  LBW_ASSIGN_OR_RETURN(const auto reference, Fetching(reference_));
  sums_.resize(looked_.size());
  const detect::InputSpec& input = version_.spec.input;
  for (size_t p = 0; p < pictures_.inputs.size(); ++p) {
    LBW_RETURN_IF_ERROR(Obey());
    const base::Tensor batch = base::Tensor::FromF32(
        {1, input.channels(), input.height, input.width}, pictures_.inputs[p]);
    LBW_ASSIGN_OR_RETURN(const auto of_version, version->Run(batch.view(), base::CancelToken()));
    LBW_ASSIGN_OR_RETURN(const auto of_reference,
                         reference->Run(batch.view(), base::CancelToken()));
    for (size_t i = 0; i < looked_.size(); ++i) {
      if (of_version[i].shape() != of_reference[i].shape() ||
          of_version[i].dtype() != base::DType::kF32) {
        continue;
      }
      sums_[i].Add(of_reference[i].as<float>(), of_version[i].as<float>());
    }
    Report("layers", read_ + p + 1);
  }
  return absl::OkStatus();
}

absl::Status Comparing::Boxes() {
  LBW_ASSIGN_OR_RETURN(const auto version,
                       Network::Make(version_, engine_, Threads(), Network::Activations::kFloat));
  LBW_ASSIGN_OR_RETURN(const auto reference,
                       Network::Make(reference_, engine_, Threads(), Network::Activations::kFloat));
  const detect::DecodeOptions options = DecodeOptionsOf(version_.spec, spec_.options);
  const float shown = version_.spec.head.nms.score;
  std::vector<eval::FoundBox> of_version, of_reference;
  StageSeconds seconds;
  int64_t same = 0;
  for (size_t p = 0; p < pictures_.indices.size(); ++p) {
    LBW_RETURN_IF_ERROR(Obey());
    LBW_ASSIGN_OR_RETURN(const std::string encoded, pack_->ReadPicture(pictures_.indices[p]));
    const std::vector<PreparedPicture> prepared = {version->Prepare(encoded)};
    LBW_ASSIGN_OR_RETURN(const auto a, version->Run(prepared, options, seconds));
    LBW_ASSIGN_OR_RETURN(const auto b, reference->Run(prepared, options, seconds));
    Json line;
    if (version->is_classifier()) {
      const bool agree = !a[0].classes.empty() && !b[0].classes.empty() &&
                         a[0].classes[0].class_index == b[0].classes[0].class_index;
      same += agree ? 1 : 0;
      line["matched"] = agree ? 1 : 0;
      line["only_version"] = agree ? 0 : 1;
      line["only_reference"] = agree ? 0 : 1;
    } else {
      std::vector<detect::Detection> sure[2];
      for (const detect::Detection& box : a[0].detections) {
        of_version.push_back({static_cast<int32_t>(p), {box.box, box.class_index, box.score}});
        if (box.score >= shown) sure[0].push_back(box);
      }
      for (const detect::Detection& box : b[0].detections) {
        of_reference.push_back({static_cast<int32_t>(p), {box.box, box.class_index, box.score}});
        if (box.score >= shown) sure[1].push_back(box);
      }
      line = Matches(sure[0], sure[1]);
    }
    line["name"] = pack_->dataset().pictures[pictures_.indices[p]].name;
    compared_.push_back(std::move(line));
    Report("boxes", read_ + pictures_.inputs.size() + p + 1);
  }
  agreement_["against"] = base::VersionName(spec_.reference.model, *spec_.reference.version);
  if (version->is_classifier()) {
    agreement_["same_top1"] =
        static_cast<double>(same) / static_cast<double>(pictures_.indices.size());
    return absl::OkStatus();
  }
  LBW_ASSIGN_OR_RETURN(
      const std::optional<double> mean,
      MeanAgreement({of_version, of_reference, static_cast<int32_t>(pictures_.indices.size()),
                     static_cast<int32_t>(version_.spec.classes.size())}));
  Put(agreement_, "map_50", mean);
  return absl::OkStatus();
}

absl::StatusOr<std::string> Comparing::Result() {
  Json values = Json::array();
  for (size_t i = 0; i < looked_.size(); ++i) {
    const ValueSums& sums = sums_[i];
    Json value;
    value["value"] = looked_[i].value;
    value["node"] = looked_[i].node;
    value["weight"] = looked_[i].weight;
    if (sums.reference2 > 0 && sums.error2 > 0) {
      value["sqnr_db"] = 10 * std::log10(sums.reference2 / sums.error2);
    }
    if (sums.reference2 > 0 && sums.version2 > 0) {
      value["cosine"] = sums.product / std::sqrt(sums.reference2 * sums.version2);
    }
    value["max_abs_difference"] = sums.largest;
    values.push_back(std::move(value));
  }
  Json comparison;
  comparison["version"] = base::VersionName(spec_.version.model, *spec_.version.version);
  comparison["reference"] = base::VersionName(spec_.reference.model, *spec_.reference.version);
  comparison["dataset"] = base::DatasetName(spec_.dataset);
  comparison["pack_artifact"] = base::ArtifactName(pack_sha256_);
  comparison["split"] = spec_.split;
  comparison["pictures"] = pictures_.inputs.size();
  comparison["values"] = std::move(values);
  comparison["agreement"] = agreement_;
  comparison["compared"] = compared_;
  Json result;
  result["comparison"] = std::move(comparison);
  return ResultText(*context_.blobs, "comparison", std::move(result));
}

}  // namespace

absl::StatusOr<std::string> RunCompare(const jobs::JobContext& context,
                                       engine::ExecutorFactory& engine) {
  LBW_ASSIGN_OR_RETURN(CompareSpec spec, ParseCompareSpec(context.spec_json));
  Comparing comparing(context, engine, std::move(spec));
  LBW_RETURN_IF_ERROR(comparing.Open());
  LBW_RETURN_IF_ERROR(comparing.Values());
  LBW_RETURN_IF_ERROR(comparing.Boxes());
  return comparing.Result();
}

}  // namespace lbw::tasks
