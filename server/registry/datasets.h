// The datasets' rows. What a dataset contains is in its pack; what its check found is kept here as
// the API's protojson, opaque to this room.
//
// States:   CHECKING -> READY | FAILED. Deleting removes the row; the pack goes when nothing
//           references it any more.
// Threads:  every method may be called concurrently, from several processes too.
#ifndef LBW_REGISTRY_DATASETS_H_
#define LBW_REGISTRY_DATASETS_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "store/database.h"
#include "store/paging.h"

namespace lbw::registry {

enum class DatasetState : uint8_t { kChecking, kReady, kFailed };

struct Dataset {
  std::string name;
  DatasetState state = DatasetState::kChecking;
  absl::Time create_time;
  std::string source_artifact;  // sha256 of the archive
  std::string pack_artifact;    // sha256; READY only
  uint64_t pack_bytes = 0;
  std::string job;           // that checks it
  std::string summary_json;  // protojson of the API's Dataset: counts, classes, splits
  std::string defects_json;  // {"defects": [...], "not_kept": n}; only in Get
  std::string error;
};

struct DatasetLimits {
  int64_t max_datasets = 10'000;
  size_t max_text_bytes = size_t{64} << 20;
  size_t max_page_bytes = store::kMostPageBytes;  // of the texts that a list reads
};

class Datasets {
 public:
  virtual ~Datasets() = default;
  // CHECKING, inside the transaction that makes its job. Errors: kInvalidArgument, BAD_NAME;
  // kAlreadyExists; kResourceExhausted, LIMIT_EXCEEDED.
  virtual absl::Status Insert(store::Session& session, std::string_view name,
                              std::string_view source_artifact, std::string_view job) = 0;
  // CHECKING -> READY, inside the transaction that ends the job; references the pack, which must be
  // a stored artifact. A dataset that was deleted meanwhile, or made anew by another job, is left
  // alone: OK, and the pack is released. Errors: kInvalidArgument, LIMIT_EXCEEDED.
  struct Checked {
    std::string pack_artifact;
    uint64_t pack_bytes = 0;
    std::string summary_json;
    std::string defects_json;
  };
  virtual absl::Status Publish(store::Session& session, std::string_view name, std::string_view job,
                               const Checked& checked) = 0;
  virtual absl::Status Fail(store::Session& session, std::string_view name, std::string_view job,
                            std::string_view error) = 0;

  // Errors: kNotFound.
  virtual absl::StatusOr<Dataset> Get(std::string_view name) = 0;
  // As Get without defects_json. Errors: kNotFound; kFailedPrecondition, DATASET_NOT_READY - names
  // its state, its job or its error.
  virtual absl::StatusOr<Dataset> RequireReady(std::string_view name) = 0;
  struct Page {
    std::vector<Dataset> datasets;  // by name, without defects_json
    std::string next_token;
  };
  // page_size at most 1000, 100 where it is not positive. A page ends early where its texts would
  // be above max_page_bytes; it has one dataset at least. Errors: kInvalidArgument - a token not
  // ours.
  virtual absl::StatusOr<Page> List(int page_size, std::string_view token) = 0;
  // check runs in the same transaction, before anything is removed, with the dataset as it stands;
  // may be empty. Errors: kNotFound; check's.
  // The dataset comes without its texts.
  using DeleteCheck = std::function<absl::Status(store::Session&, const Dataset&)>;
  virtual absl::Status Delete(std::string_view name, const DeleteCheck& check = {}) = 0;
  virtual absl::StatusOr<int64_t> Count() = 0;
};

// "CHECKING", "READY", "FAILED".
std::string_view Name(DatasetState state);

// As Datasets::RequireReady, inside a transaction of the caller, and without summary_json.
absl::StatusOr<Dataset> RequireReadyDataset(store::Session& session, std::string_view name);

// database is borrowed.
std::unique_ptr<Datasets> NewDatasets(store::Database& database, const DatasetLimits& limits);

}  // namespace lbw::registry

#endif  // LBW_REGISTRY_DATASETS_H_
