#include "rpc/convert_dataset.h"

#include <set>

#include "absl/strings/numbers.h"
#include "base/ids.h"
#include "base/status.h"
#include "base/strings.h"
#include "rpc/answer_room.h"
#include "rpc/convert.h"
#include "rpc/json.h"
#include "rpc/names.h"

namespace lbw::rpc {
namespace {

constexpr size_t kMaxClassBytes = 256;
constexpr int kMaxClasses = 10'000;
// The job's assignment is one line of at most 1 MiB.
constexpr size_t kMaxSpecBytes = size_t{512} << 10;

absl::Status BadArgument(std::string_view message, std::string_view field) {
  return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadArgument, message)
      .Field(field);
}

v1::DatasetState ToProto(registry::DatasetState state) {
  switch (state) {
    case registry::DatasetState::kChecking:
      return v1::DATASET_STATE_CHECKING;
    case registry::DatasetState::kReady:
      return v1::DATASET_STATE_READY;
    case registry::DatasetState::kFailed:
      return v1::DATASET_STATE_FAILED;
  }
  return v1::DATASET_STATE_UNSPECIFIED;
}

absl::Status CheckClassName(const std::string& name, std::string_view field) {
  if (name.empty()) return BadArgument(base::StrCat(field, " is empty"), field);
  return CheckText(name, kMaxClassBytes, field);
}

absl::Status CheckClasses(const v1::CreateDatasetRequest& request) {
  if (request.classes_size() > kMaxClasses) {
    return BadArgument(
        base::StrCat("too many classes: count=", request.classes_size(), " limit=", kMaxClasses),
        "classes");
  }
  std::set<std::string> known;
  for (int i = 0; i < request.classes_size(); ++i) {
    const std::string field = base::StrCat("classes[", i, "]");
    LBW_RETURN_IF_ERROR(CheckClassName(request.classes(i), field));
    if (!known.insert(request.classes(i)).second) {
      return BadArgument(base::StrCat("a class stands twice: \"", request.classes(i), "\""), field);
    }
  }
  if (request.class_map_size() > kMaxClasses) {
    return BadArgument(base::StrCat("class_map is too long: count=", request.class_map_size(),
                                    " limit=", kMaxClasses),
                       "class_map");
  }
  for (const auto& entry : request.class_map()) {
    LBW_RETURN_IF_ERROR(CheckClassName(entry.first, "class_map"));
    LBW_RETURN_IF_ERROR(CheckClassName(entry.second, "class_map"));
    if (!known.empty() && known.count(entry.second) == 0) {
      return BadArgument(base::StrCat("class_map leads to a class that is not among classes: \"",
                                      entry.first, "\" -> \"", entry.second, "\""),
                         "class_map");
    }
  }
  return absl::OkStatus();
}

}  // namespace

void ToProto(const registry::Dataset& dataset, v1::Dataset* out) {
  MergeJson(dataset.summary_json, out);
  out->set_name(base::DatasetName(dataset.name));
  out->set_state(ToProto(dataset.state));
  SetTimestamp(dataset.create_time, out->mutable_create_time());
  out->set_source_artifact(base::ArtifactName(dataset.source_artifact));
  out->clear_pack_artifact();
  if (!dataset.pack_artifact.empty()) {
    out->set_pack_artifact(base::ArtifactName(dataset.pack_artifact));
  }
  out->set_pack_bytes(dataset.pack_bytes);
  out->clear_job();
  if (!dataset.job.empty()) out->set_job(base::JobName(dataset.job));
  out->set_error(dataset.error);
}

absl::StatusOr<v1::CheckDatasetSpec> CheckSpecOf(const v1::CreateDatasetRequest& request) {
  if (!base::IsValidName(request.dataset_id())) {
    return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadName,
                       base::StrCat("dataset_id must match [a-z0-9]([a-z0-9_.-]{0,62}): \"",
                                    request.dataset_id(), "\""))
        .Field("dataset_id");
  }
  LBW_RETURN_IF_ERROR(base::ParseArtifactName(request.artifact(), "artifact").status());
  if (!v1::DatasetFormat_IsValid(request.format())) {
    return BadArgument(
        base::StrCat("unknown dataset format: format=", static_cast<int>(request.format())),
        "format");
  }
  LBW_RETURN_IF_ERROR(CheckClasses(request));
  LBW_RETURN_IF_ERROR(CheckText(request.submitter(), kMaxSubmitterBytes, "submitter"));
  v1::CheckDatasetSpec spec;
  spec.set_dataset(base::DatasetName(request.dataset_id()));
  spec.set_source_artifact(request.artifact());
  spec.set_format(request.format());
  *spec.mutable_classes() = request.classes();
  *spec.mutable_class_map() = request.class_map();
  const size_t bytes = spec.ByteSizeLong();
  if (bytes > kMaxSpecBytes) {
    return BadArgument(base::StrCat("classes and class_map are too large together: bytes=", bytes,
                                    " limit=", kMaxSpecBytes),
                       "class_map");
  }
  return spec;
}

absl::Status DefectsToProto(const registry::Dataset& dataset, const v1::ListDefectsRequest& request,
                            const DefectPage& page, v1::ListDefectsResponse* out) {
  // The stored text has this message's own form.
  v1::ListDefectsResponse all;
  MergeJson(dataset.defects_json, &all);
  out->set_not_kept(all.not_kept());
  int first = 0;
  const bool is_number =
      request.page_token().empty() || absl::SimpleAtoi(request.page_token(), &first);
  if (!is_number || first < 0 || first > all.defects_size()) {
    return BadArgument(
        base::StrCat("page_token is not one that this server gave: \"", request.page_token(), "\""),
        "page_token");
  }
  AnswerRoom room(page.max_message_bytes);
  for (int i = first; i < all.defects_size(); ++i) {
    if (!request.kind().empty() && all.defects(i).kind() != request.kind()) continue;
    if (out->defects_size() == page.size || !room.Takes(all.defects(i))) {
      out->set_next_page_token(base::StrCat(i));
      break;
    }
    all.mutable_defects(i)->Swap(out->add_defects());
  }
  return absl::OkStatus();
}

absl::StatusOr<dataset::SheetOptions> FromProto(const v1::RenderDatasetRequest& request) {
  constexpr uint32_t kMost = 12;
  dataset::SheetOptions options;
  if (request.columns() > kMost) {
    return BadArgument(base::StrCat("columns must be 1..12: columns=", request.columns()),
                       "columns");
  }
  if (request.rows() > kMost) {
    return BadArgument(base::StrCat("rows must be 1..12: rows=", request.rows()), "rows");
  }
  if (request.columns() > 0) options.columns = static_cast<int>(request.columns());
  if (request.rows() > 0) options.rows = static_cast<int>(request.rows());
  options.split = request.split();
  options.class_name = request.class_name();
  options.seed = request.seed();
  return options;
}

}  // namespace lbw::rpc
