#include "tasks/check_dataset.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "base/clock.h"
#include "base/ids.h"
#include "base/status.h"
#include "base/strings.h"
#include "dataset/file_tree.h"
#include "dataset/pack.h"
#include "dataset/read.h"
#include "jobs/child_link.h"
#include "store/file_system.h"
#include "tasks/dataset_report.h"
#include "tasks/json.h"

namespace lbw::tasks {
namespace {

constexpr int64_t kUnpackSteps = 1000;
// A result is a line: with some thousand classes a summary is longer.
constexpr size_t kMostSummaryBytes = size_t{200} << 10;
static_assert(kMostSummaryBytes < jobs::kMaxResultBytes);

struct CheckSpec {
  std::string archive;  // sha256
  std::string dataset;
  dataset::ReadOptions options;
};

absl::StatusOr<CheckSpec> ParseSpec(std::string_view spec_json) {
  LBW_ASSIGN_OR_RETURN(const Json json, ParseObject(spec_json, "the spec of a dataset's check"));
  CheckSpec spec;
  LBW_ASSIGN_OR_RETURN(const std::string archive, TextOf(json, "source_artifact"));
  LBW_ASSIGN_OR_RETURN(spec.archive, base::ParseArtifactName(archive, "source_artifact"));
  LBW_ASSIGN_OR_RETURN(spec.dataset, TextOf(json, "dataset"));
  LBW_ASSIGN_OR_RETURN(const std::string format, TextOf(json, "format"));
  const std::optional<dataset::Format> known = ParseFormat(format);
  if (!known.has_value()) {
    return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadArgument,
                       base::StrCat("format is not one that this program reads: ", format))
        .Field("format");
  }
  spec.options.format = *known;
  if (const auto classes = json.find("classes"); classes != json.end() && classes->is_array()) {
    for (const Json& name : *classes) {
      if (name.is_string()) spec.options.classes.push_back(name.get<std::string>());
    }
  }
  if (const auto map = json.find("class_map"); map != json.end() && map->is_object()) {
    for (const auto& [from, to] : map->items()) {
      if (to.is_string()) spec.options.class_map[from] = to.get<std::string>();
    }
  }
  return spec;
}

// Orders asked between two pieces of work; there are no checkpoints: a check begins again.
class Pacer {
 public:
  explicit Pacer(jobs::JobLink& link) : link_(link) {}

  absl::Status Step(const std::string& stage, int64_t step, int64_t total) {
    using Order = jobs::JobLink::Order;
    const Order order = link_.order();
    if (order == Order::kCancel || order == Order::kStop || order == Order::kPause) {
      return jobs::ObeyedStatus(order);
    }
    jobs::JobLink::Progress progress;
    progress.step = step;
    progress.total_steps = total;
    progress.stage = stage;
    const double seconds = watch_.ElapsedSeconds();
    if (stage == "check" && step > kUnpackSteps && seconds > 0) {
      progress.values["pictures_per_s"] = static_cast<double>(step - kUnpackSteps) / seconds;
    }
    link_.Report(progress);
    return absl::OkStatus();
  }
  void Restart() { watch_ = base::Stopwatch(); }

 private:
  jobs::JobLink& link_;
  base::Stopwatch watch_;
};

// Appends pictures to a scratch file; their offsets are those of the finished list.
class PictureFile {
 public:
  static absl::StatusOr<PictureFile> Create(const std::string& path) {
    PictureFile pictures;
    pictures.path_ = path;
    LBW_ASSIGN_OR_RETURN(pictures.file_, store::RealFileSystem().OpenFile(
                                             path, store::FileSystem::Open::kCreateNew));
    return pictures;
  }
  absl::Status Append(std::string_view encoded) {
    LBW_RETURN_IF_ERROR(file_->WriteAt(size_, base::AsBytes(encoded)));
    offsets_.push_back(size_);
    size_ += encoded.size();
    return absl::OkStatus();
  }
  absl::StatusOr<std::unique_ptr<base::RandomAccessReader>> Reader() const {
    return store::RealFileSystem().OpenReader(path_);
  }
  const std::vector<uint64_t>& offsets() const { return offsets_; }

 private:
  std::string path_;
  std::unique_ptr<store::File> file_;
  std::vector<uint64_t> offsets_;
  uint64_t size_ = 0;
};

absl::StatusOr<store::BlobInfo> WriteBlob(store::BlobStore& blobs, std::string_view bytes) {
  LBW_ASSIGN_OR_RETURN(const auto blob, blobs.NewBlob());
  LBW_RETURN_IF_ERROR(blob->Append(base::AsBytes(bytes)));
  return blob->Commit();
}

}  // namespace

absl::StatusOr<std::string> PrepareCheckDataset(const jobs::Job& job) {
  LBW_ASSIGN_OR_RETURN(const CheckSpec spec, ParseSpec(job.spec_json));
  Json inputs;
  inputs["archive"] = spec.archive;
  return Dump(inputs);
}

absl::StatusOr<std::string> RunCheckDataset(const jobs::JobContext& context) {
  LBW_ASSIGN_OR_RETURN(const CheckSpec spec, ParseSpec(context.spec_json));
  Pacer pacer(*context.link);
  LBW_ASSIGN_OR_RETURN(const auto archive, context.blobs->Open(spec.archive));
  LBW_ASSIGN_OR_RETURN(
      const dataset::FileTree tree,
      dataset::UnpackArchive(*archive, context.scratch_folder + "/files", spec.options.limits,
                             [&](uint64_t done, uint64_t total) {
                               const auto step = static_cast<int64_t>(
                                   total == 0 ? 0.0
                                              : static_cast<double>(done) /
                                                    static_cast<double>(total) * kUnpackSteps);
                               return pacer.Step("unpack", step, 0);
                             }));
  dataset::DefectList defects;
  LBW_ASSIGN_OR_RETURN(const dataset::RawDataset raw,
                       dataset::ReadAnnotations(tree, spec.options, defects));
  LBW_ASSIGN_OR_RETURN(PictureFile pictures,
                       PictureFile::Create(context.scratch_folder + "/pictures"));
  pacer.Restart();
  dataset::CheckSinks sinks;
  sinks.progress = [&](uint64_t done, uint64_t total) {
    return pacer.Step("check", kUnpackSteps + static_cast<int64_t>(done),
                      kUnpackSteps + static_cast<int64_t>(total));
  };
  sinks.take = [&](const dataset::Picture&, std::string_view encoded) {
    return pictures.Append(encoded);
  };
  LBW_ASSIGN_OR_RETURN(dataset::Dataset data,
                       dataset::CheckDataset(tree, raw, spec.options, defects, sinks));
  if (pictures.offsets().size() != data.pictures.size()) {
    return base::Error(absl::StatusCode::kInternal, base::reason::kInternal,
                       base::StrCat("the check kept ", data.pictures.size(), " pictures and gave ",
                                    pictures.offsets().size()));
  }
  for (size_t i = 0; i < data.pictures.size(); ++i) data.pictures[i].offset = pictures.offsets()[i];
  LBW_ASSIGN_OR_RETURN(const auto reader, pictures.Reader());
  LBW_ASSIGN_OR_RETURN(const auto blob, context.blobs->NewBlob());
  LBW_RETURN_IF_ERROR(dataset::WritePack(data, *reader, *blob));
  LBW_ASSIGN_OR_RETURN(const store::BlobInfo pack, blob->Commit());
  LBW_ASSIGN_OR_RETURN(const store::BlobInfo listed,
                       WriteBlob(*context.blobs, Dump(DefectsJson(defects))));
  Json summary = DatasetSummary(data, defects);
  summary["name"] = spec.dataset;
  summary["source_artifact"] = base::ArtifactName(spec.archive);
  summary["pack_artifact"] = base::ArtifactName(pack.sha256);
  summary["pack_bytes"] = base::StrCat(pack.size_bytes);
  Json result;
  if (const std::string text = Dump(summary); text.size() > kMostSummaryBytes) {
    LBW_ASSIGN_OR_RETURN(const store::BlobInfo whole, WriteBlob(*context.blobs, text));
    result["summary_blob"] = whole.sha256;
  } else {
    result["dataset"] = std::move(summary);
  }
  result["defects_blob"] = listed.sha256;
  return Dump(result);
}

}  // namespace lbw::tasks
