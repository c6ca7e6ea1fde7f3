#include "tasks/tasks.h"

#include <utility>

#include "absl/strings/numbers.h"
#include "base/ids.h"
#include "base/status.h"
#include "base/strings.h"
#include "store/artifact_rows.h"
#include "tasks/check_dataset.h"
#include "tasks/compare.h"
#include "tasks/evaluate.h"
#include "tasks/evaluate_spec.h"
#include "tasks/json.h"
#include "tasks/publish_parts.h"
#include "tasks/quantize.h"
#include "tasks/quantize_publish.h"
#include "tasks/require_blob.h"
#include "tasks/train.h"
#include "tasks/train_publish.h"

namespace lbw::tasks {
namespace {

constexpr uint64_t kMostBlobBytes = uint64_t{64} << 20;  // of defects, of a summary

base::Error UnknownKind(std::string_view kind) {
  return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadArgument,
                     base::StrCat("this program has no jobs of kind ", kind));
}

class Kinds final : public jobs::JobKinds {
 public:
  explicit Kinds(const TaskContext& context) : context_(context) {}

  std::vector<std::string> names() const override {
    return {std::string(kEvaluate), std::string(kCheckDataset), std::string(kQuantize),
            std::string(kCompare),  std::string(kTrain),        std::string(kFineTune)};
  }

  absl::StatusOr<std::string> Prepare(const jobs::Job& job) override {
    if (job.kind == kEvaluate) return PrepareEvaluate(job, *context_.registry, *context_.datasets);
    if (job.kind == kCheckDataset) return PrepareCheckDataset(job);
    if (job.kind == kQuantize) return PrepareQuantize(job, *context_.registry, *context_.datasets);
    if (job.kind == kCompare) return PrepareCompare(job, *context_.registry, *context_.datasets);
    if (IsTraining(job.kind)) return PrepareTrain(job, *context_.registry, *context_.datasets);
    return UnknownKind(job.kind);
  }

  absl::Status Apply(store::Session& session, const jobs::Job& job,
                     std::string& result_json) override {
    LBW_ASSIGN_OR_RETURN(Json result, ParseObject(result_json, "the job's result"));
    if (job.kind == kEvaluate) {
      LBW_RETURN_IF_ERROR(ApplyEvaluation(session, job, result));
    } else if (job.kind == kCheckDataset) {
      LBW_RETURN_IF_ERROR(ApplyDataset(session, job, result));
    } else if (job.kind == kQuantize) {
      LBW_RETURN_IF_ERROR(ApplyQuantize(session, job, *context_.registry, *context_.blobs, result));
    } else if (job.kind == kCompare) {
      LBW_RETURN_IF_ERROR(ApplyCompare(job, *context_.blobs, result));
    } else if (IsTraining(job.kind)) {
      LBW_RETURN_IF_ERROR(ApplyTrain(session, job, context_, result));
    } else {
      return UnknownKind(job.kind);
    }
    result_json = Dump(result);
    return absl::OkStatus();
  }

  std::unique_ptr<store::BlobStore::Hold> HoldBlobs() override {
    absl::StatusOr<std::unique_ptr<store::BlobStore::Hold>> hold =
        context_.blobs->Acquire(store::BlobStore::Access::kName);
    return hold.ok() ? *std::move(hold) : nullptr;
  }

  absl::StatusOr<std::unique_ptr<store::BlobStore::Hold>> HoldBlob(
      std::string_view sha256) override {
    LBW_ASSIGN_OR_RETURN(std::unique_ptr<store::BlobStore::Hold> hold,
                         context_.blobs->Acquire(store::BlobStore::Access::kName));
    LBW_RETURN_IF_ERROR(RequireBlob(*context_.blobs, "checkpoint", sha256));
    return hold;
  }

  absl::Status ApplyFailure(store::Session& session, const jobs::Job& job) override {
    if (job.kind != kCheckDataset) return absl::OkStatus();
    LBW_ASSIGN_OR_RETURN(const std::string name, DatasetOf(job));
    const std::string error = job.state == jobs::JobState::kCancelled
                                  ? std::string("its check was cancelled")
                                  : job.error.message;
    return context_.datasets->Fail(session, name, job.id, error);
  }

 private:
  static absl::StatusOr<std::string> DatasetOf(const jobs::Job& job) {
    LBW_ASSIGN_OR_RETURN(const Json spec, ParseObject(job.spec_json, "the job's spec"));
    LBW_ASSIGN_OR_RETURN(const std::string name, TextOf(spec, "dataset"));
    return base::ParseDatasetName(name, "dataset");
  }

  absl::Status ApplyEvaluation(store::Session& session, const jobs::Job& job, Json& result) {
    LBW_ASSIGN_OR_RETURN(const EvaluateSpec spec, ParseEvaluateSpec(job.spec_json));
    LBW_RETURN_IF_ERROR(RequireObject(result, "evaluation"));
    return InsertEvaluation(
        session, job, *context_.evaluations,
        {spec.version, spec.dataset, spec.split, spec.against, spec.options_json},
        result["evaluation"]);
  }

  // A summary that was too long for a result.
  absl::Status FetchSummary(Json& result) const {
    LBW_ASSIGN_OR_RETURN(const std::string sha256, TextOf(result, "summary_blob"));
    if (sha256.empty()) return absl::OkStatus();
    LBW_ASSIGN_OR_RETURN(const auto reader, context_.blobs->Open(sha256));
    LBW_ASSIGN_OR_RETURN(const std::string text, base::ReadAll(*reader, kMostBlobBytes));
    LBW_ASSIGN_OR_RETURN(result["dataset"], ParseObject(text, "the summary of a dataset"));
    return absl::OkStatus();
  }

  absl::Status ApplyDataset(store::Session& session, const jobs::Job& job, Json& result) {
    LBW_ASSIGN_OR_RETURN(const std::string name, DatasetOf(job));
    LBW_ASSIGN_OR_RETURN(const std::string defects, TextOf(result, "defects_blob"));
    LBW_RETURN_IF_ERROR(FetchSummary(result));
    // The job keeps the API's JobResult; what the child told beside it was for this room. Before
    // anything refers into the object: erasing moves what stands behind.
    result.erase("defects_blob");
    result.erase("summary_blob");
    Json& summary = result["dataset"];
    registry::Datasets::Checked checked;
    LBW_ASSIGN_OR_RETURN(const std::string pack, TextOf(summary, "pack_artifact"));
    LBW_ASSIGN_OR_RETURN(checked.pack_artifact, base::ParseArtifactName(pack, "pack_artifact"));
    LBW_ASSIGN_OR_RETURN(const int64_t bytes, IntegerOf(summary, "pack_bytes"));
    checked.pack_bytes = static_cast<uint64_t>(bytes);
    LBW_ASSIGN_OR_RETURN(const auto reader, context_.blobs->Open(defects));
    LBW_ASSIGN_OR_RETURN(checked.defects_json, base::ReadAll(*reader, kMostBlobBytes));
    // An older pack of the same content may have been unlinked between the child's word and now.
    LBW_RETURN_IF_ERROR(RequireBlob(*context_.blobs, "pack", checked.pack_artifact));
    store::ArtifactRow row;
    row.artifact.sha256 = checked.pack_artifact;
    row.artifact.size_bytes = checked.pack_bytes;
    row.artifact.format = store::ArtifactFormat::kOther;
    row.artifact.display_name = base::StrCat(name, ".pack");
    row.origin = store::ArtifactOrigin::kBundle;  // it goes when no dataset and no job needs it
    LBW_RETURN_IF_ERROR(store::PutArtifact(session, row).status());
    summary["state"] = "DATASET_STATE_READY";
    summary["job"] = base::JobName(job.id);
    checked.summary_json = Dump(summary);
    return context_.datasets->Publish(session, name, job.id, checked);
  }

  const TaskContext context_;
};

class Runner final : public jobs::JobRunner {
 public:
  explicit Runner(engine::ExecutorFactory& engine) : engine_(engine) {}
  absl::StatusOr<std::string> Run(const jobs::JobContext& context) override {
    if (context.kind == kEvaluate) return RunEvaluate(context, engine_);
    if (context.kind == kCheckDataset) return RunCheckDataset(context);
    if (context.kind == kQuantize) return RunQuantize(context, engine_);
    if (context.kind == kCompare) return RunCompare(context, engine_);
    if (IsTraining(context.kind)) return RunTrain(context, engine_);
    return UnknownKind(context.kind);
  }

 private:
  engine::ExecutorFactory& engine_;
};

}  // namespace

std::unique_ptr<jobs::JobKinds> NewJobKinds(const TaskContext& context) {
  return std::make_unique<Kinds>(context);
}

std::unique_ptr<jobs::JobRunner> NewJobRunner(engine::ExecutorFactory& engine) {
  return std::make_unique<Runner>(engine);
}

}  // namespace lbw::tasks
