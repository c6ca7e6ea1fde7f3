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

constexpr uint64_t kPieceBytes = dataset::Ticker::kEveryBytes;

// Orders asked between two pieces of work; there are no checkpoints: a check begins again. The step
// rises with each, for a step that stands still is a job that hangs.
class Pacer {
 public:
  explicit Pacer(jobs::JobLink& link) : link_(link) {}

  // Errors, all: what ObeyedStatus makes.
  absl::Status Unpacked(uint64_t done, uint64_t total) {
    const double share = total == 0 ? 0.0 : static_cast<double>(done) / static_cast<double>(total);
    return Step("unpack", static_cast<int64_t>(share * kUnpackSteps), 0);
  }
  // Nobody knows how many there will be.
  absl::Status Read() { return Step("read", std::max(step_, kUnpackSteps) + 1, 0); }
  void BeginCheck() { watch_ = base::Stopwatch(); }
  absl::Status Checked(uint64_t done, uint64_t total) {
    if (done == 1) before_ = step_;
    return Step("check", before_ + static_cast<int64_t>(done),
                before_ + static_cast<int64_t>(total));
  }
  void BeginPack(uint64_t bytes) { total_ = step_ + static_cast<int64_t>(bytes / kPieceBytes) + 1; }
  absl::Status Packed() {
    total_ = std::max(total_, step_ + 1);
    return Step("pack", step_ + 1, total_);
  }
  absl::Status End() { return Step("pack", total_, total_); }

 private:
  absl::Status Step(const char* stage, int64_t step, int64_t total) {
    using Order = jobs::JobLink::Order;
    const Order order = link_.order();
    if (order == Order::kCancel || order == Order::kStop || order == Order::kPause) {
      return jobs::ObeyedStatus(order);
    }
    step_ = step;
    jobs::JobLink::Progress progress;
    progress.step = step;
    progress.total_steps = total;
    progress.stage = stage;
    const double seconds = watch_.ElapsedSeconds();
    if (progress.stage == "check" && seconds > 0) {
      progress.values["pictures_per_s"] = static_cast<double>(step - before_) / seconds;
    }
    link_.Report(progress);
    return absl::OkStatus();
  }

  jobs::JobLink& link_;
  base::Stopwatch watch_;
  int64_t step_ = 0;
  int64_t before_ = 0;  // the step before the first picture
  int64_t total_ = 0;   // with the pack
};

// Appends pictures to a scratch file that goes with the object; their offsets are those of the
// finished list.
class PictureFile {
 public:
  static absl::StatusOr<std::unique_ptr<PictureFile>> Create(const std::string& path,
                                                             dataset::DiskRoom& room) {
    LBW_ASSIGN_OR_RETURN(
        std::unique_ptr<store::File> file,
        store::RealFileSystem().OpenFile(path, store::FileSystem::Open::kCreateNew));
    return std::unique_ptr<PictureFile>(new PictureFile(path, std::move(file), room));
  }
  ~PictureFile() {
    file_.reset();
    store::RemoveIfThere(store::RealFileSystem(), path_).IgnoreError();  // the worker removes all
  }
  PictureFile(const PictureFile&) = delete;
  PictureFile& operator=(const PictureFile&) = delete;

  absl::Status Append(const std::string& name, std::string_view encoded) {
    LBW_RETURN_IF_ERROR(room_.Take(encoded.size(), name));
    LBW_RETURN_IF_ERROR(file_->WriteAt(size_, base::AsBytes(encoded)));
    offsets_.push_back(size_);
    size_ += encoded.size();
    return absl::OkStatus();
  }
  absl::StatusOr<std::unique_ptr<base::RandomAccessReader>> Reader() const {
    return store::RealFileSystem().OpenReader(path_);
  }
  const std::vector<uint64_t>& offsets() const { return offsets_; }
  uint64_t size() const { return size_; }

 private:
  PictureFile(std::string path, std::unique_ptr<store::File> file, dataset::DiskRoom& room)
      : path_(std::move(path)), room_(room), file_(std::move(file)) {}

  const std::string path_;
  dataset::DiskRoom& room_;
  std::unique_ptr<store::File> file_;
  std::vector<uint64_t> offsets_;
  uint64_t size_ = 0;
};

// A blob that asks for room before it grows.
class RoomyBlob final : public base::ByteSink {
 public:
  static absl::StatusOr<std::unique_ptr<RoomyBlob>> Create(store::BlobStore& blobs,
                                                           dataset::DiskRoom& room,
                                                           std::string what) {
    LBW_ASSIGN_OR_RETURN(std::unique_ptr<store::BlobWriter> blob, blobs.NewBlob());
    return std::make_unique<RoomyBlob>(std::move(blob), room, std::move(what));
  }
  RoomyBlob(std::unique_ptr<store::BlobWriter> blob, dataset::DiskRoom& room, std::string what)
      : room_(room), what_(std::move(what)), blob_(std::move(blob)) {}

  absl::Status Append(absl::Span<const std::byte> data) override {
    LBW_RETURN_IF_ERROR(room_.Take(data.size(), what_));
    return blob_->Append(data);
  }
  absl::StatusOr<store::BlobInfo> Seal() { return blob_->Seal(); }
  absl::Status Commit() { return blob_->Commit().status(); }

 private:
  dataset::DiskRoom& room_;
  const std::string what_;
  std::unique_ptr<store::BlobWriter> blob_;
};

// The blobs of a check: named together at the end, so that one that fails leaves none of them.
class Blobs {
 public:
  Blobs(store::BlobStore& blobs, dataset::DiskRoom& room, Pacer& pacer)
      : blobs_(blobs), room_(room), pacer_(pacer) {}

  absl::StatusOr<store::BlobInfo> AddPack(const dataset::Dataset& data,
                                          const PictureFile& pictures) {
    pacer_.BeginPack(pictures.size());
    LBW_RETURN_IF_ERROR(room_.Check(pictures.size(), "the pack"));
    LBW_ASSIGN_OR_RETURN(const auto reader, pictures.Reader());
    LBW_ASSIGN_OR_RETURN(auto blob, RoomyBlob::Create(blobs_, room_, "the pack"));
    const auto tick = [this] { return pacer_.Packed(); };
    LBW_RETURN_IF_ERROR(dataset::WritePack(data, *reader, *blob, tick));
    return Add(std::move(blob));
  }
  absl::StatusOr<store::BlobInfo> AddText(std::string_view text, std::string what) {
    LBW_ASSIGN_OR_RETURN(auto blob, RoomyBlob::Create(blobs_, room_, std::move(what)));
    for (; !text.empty(); text.remove_prefix(std::min<size_t>(kPieceBytes, text.size()))) {
      LBW_RETURN_IF_ERROR(pacer_.Packed());
      LBW_RETURN_IF_ERROR(blob->Append(base::AsBytes(text.substr(0, kPieceBytes))));
    }
    return Add(std::move(blob));
  }
  absl::Status Commit() {
    for (const auto& blob : added_) LBW_RETURN_IF_ERROR(blob->Commit());
    return absl::OkStatus();
  }

 private:
  absl::StatusOr<store::BlobInfo> Add(std::unique_ptr<RoomyBlob> blob) {
    added_.push_back(std::move(blob));
    LBW_RETURN_IF_ERROR(pacer_.Packed());
    LBW_ASSIGN_OR_RETURN(const store::BlobInfo info, added_.back()->Seal());
    LBW_RETURN_IF_ERROR(pacer_.Packed());
    return info;
  }

  store::BlobStore& blobs_;
  dataset::DiskRoom& room_;
  Pacer& pacer_;
  std::vector<std::unique_ptr<RoomyBlob>> added_;
};

// What the steps of a check share. All borrowed.
struct Work {
  const jobs::JobContext& context;
  const CheckSpec& spec;
  dataset::DiskRoom& room;
  Pacer& pacer;
  dataset::DefectList& defects;
};

absl::StatusOr<dataset::FileTree> Unpack(const Work& work) {
  LBW_ASSIGN_OR_RETURN(const auto archive, work.context.blobs->Open(work.spec.archive));
  const auto progress = [&](uint64_t done, uint64_t total) {
    return work.pacer.Unpacked(done, total);
  };
  return dataset::UnpackArchive(*archive, work.context.scratch_folder + "/files",
                                work.spec.options.limits, progress, &work.room);
}

// Checks every picture; those that are kept go to the file.
absl::StatusOr<dataset::Dataset> CheckPictures(const Work& work, const dataset::FileTree& tree,
                                               PictureFile& pictures) {
  const auto tick = [&] { return work.pacer.Read(); };
  LBW_ASSIGN_OR_RETURN(const dataset::RawDataset raw,
                       dataset::ReadAnnotations(tree, work.spec.options, work.defects, tick));
  work.pacer.BeginCheck();
  dataset::CheckSinks sinks;
  sinks.tick = tick;
  sinks.threads = work.context.threads;
  sinks.progress = [&](uint64_t done, uint64_t total) { return work.pacer.Checked(done, total); };
  sinks.take = [&](const dataset::Picture& picture, std::string_view encoded) {
    return pictures.Append(picture.name, encoded);
  };
  LBW_ASSIGN_OR_RETURN(dataset::Dataset data,
                       dataset::CheckDataset(tree, raw, work.spec.options, work.defects, sinks));
  if (pictures.offsets().size() != data.pictures.size()) {
    return base::Error(absl::StatusCode::kInternal, base::reason::kInternal,
                       base::StrCat("the check kept ", data.pictures.size(), " pictures and gave ",
                                    pictures.offsets().size()));
  }
  for (size_t i = 0; i < data.pictures.size(); ++i) data.pictures[i].offset = pictures.offsets()[i];
  return data;
}

}  // namespace

absl::StatusOr<std::string> PrepareCheckDataset(const jobs::Job& job) {
  LBW_ASSIGN_OR_RETURN(const CheckSpec spec, ParseSpec(job.spec_json));
  Json inputs;
  inputs["archive"] = spec.archive;
  return Dump(inputs);
}

absl::StatusOr<std::string> RunCheckDataset(const jobs::JobContext& context,
                                            const CheckBounds& bounds) {
  LBW_ASSIGN_OR_RETURN(CheckSpec spec, ParseSpec(context.spec_json));
  spec.options.limits = bounds.limits;
  Pacer pacer(*context.link);
  dataset::DiskRoom room(context.scratch_folder, bounds.limits, bounds.space);
  dataset::DefectList defects;
  const Work work{context, spec, room, pacer, defects};
  Blobs blobs(*context.blobs, room, pacer);
  dataset::Dataset data;
  store::BlobInfo pack;
  {
    LBW_ASSIGN_OR_RETURN(const dataset::FileTree tree, Unpack(work));
    LBW_ASSIGN_OR_RETURN(const auto pictures,
                         PictureFile::Create(context.scratch_folder + "/pictures", room));
    LBW_ASSIGN_OR_RETURN(data, CheckPictures(work, tree, *pictures));
    LBW_ASSIGN_OR_RETURN(pack, blobs.AddPack(data, *pictures));
  }
  LBW_ASSIGN_OR_RETURN(const store::BlobInfo listed,
                       blobs.AddText(Dump(DefectsJson(defects)), "the list of defects"));
  Json summary = DatasetSummary(data, defects);
  summary["name"] = spec.dataset;
  summary["source_artifact"] = base::ArtifactName(spec.archive);
  summary["pack_artifact"] = base::ArtifactName(pack.sha256);
  summary["pack_bytes"] = base::StrCat(pack.size_bytes);
  Json result;
  if (const std::string text = Dump(summary); text.size() > kMostSummaryBytes) {
    LBW_ASSIGN_OR_RETURN(const store::BlobInfo whole, blobs.AddText(text, "the summary"));
    result["summary_blob"] = whole.sha256;
  } else {
    result["dataset"] = std::move(summary);
  }
  result["defects_blob"] = listed.sha256;
  LBW_RETURN_IF_ERROR(pacer.End());
  LBW_RETURN_IF_ERROR(blobs.Commit());
  return Dump(result);
}

}  // namespace lbw::tasks
