// What versions reached on datasets: one row an evaluation, kept when its dataset, job or version
// is deleted. Texts are the API's protojson, opaque to this room; the figures that promotion looks
// at are kept apart.
//
// Threads: every method may be called concurrently, from several processes too.
#ifndef LBW_REGISTRY_EVALUATIONS_H_
#define LBW_REGISTRY_EVALUATIONS_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "store/database.h"
#include "store/paging.h"

namespace lbw::registry {

struct Evaluation {
  std::string id;  // the job's
  std::string model;
  int64_t version = 0;
  std::string dataset;
  std::string pack_artifact;  // content that was evaluated on
  std::string split;
  std::string job;
  std::string against;  // "models/m/versions/1", or ""
  absl::Time create_time;
  std::string options_json;               // canonical: equal options are equal texts
  std::string metric;                     // the main one's name
  std::map<std::string, double> metrics;  // "map_50" -> 0.8957, ...; those that are defined
  std::string summary_json;               // protojson of Evaluation without curves and confusion
  std::string result_json;                // protojson of Evaluation; only in Get
};

struct EvaluationLimits {
  size_t max_page_bytes = store::kMostPageBytes;  // of the texts that a list reads
};

class Evaluations {
 public:
  virtual ~Evaluations() = default;
  // Inside the transaction that ends the job. The time is the session's.
  virtual absl::Status Insert(store::Session& session, const Evaluation& evaluation) = 0;
  // Errors: kNotFound.
  virtual absl::StatusOr<Evaluation> Get(std::string_view id) = 0;
  struct Query {
    std::string model;    // "": any
    int64_t version = 0;  // 0: any
    std::string dataset;  // "": any
  };
  struct Page {
    std::vector<Evaluation> evaluations;  // newest first, without result_json
    std::string next_token;
  };
  // page_size at most 1000, 100 where it is not positive. A page ends early where its texts would
  // be above max_page_bytes; it has one evaluation at least. Errors: kInvalidArgument - a token not
  // ours.
  virtual absl::StatusOr<Page> List(const Query& query, int page_size, std::string_view token) = 0;
  // The newest of each dataset and split, newest first, without result_json; as many as a page of a
  // list takes bytes.
  virtual absl::StatusOr<std::vector<Evaluation>> Newest(std::string_view model,
                                                         int64_t version) = 0;
};

// database is borrowed.
std::unique_ptr<Evaluations> NewEvaluations(store::Database& database,
                                            const EvaluationLimits& limits = {});

}  // namespace lbw::registry

#endif  // LBW_REGISTRY_EVALUATIONS_H_
