// Links and nodes of a lineage, read from rows. Lives inside a transaction of its caller.
#ifndef LBW_REGISTRY_LINEAGE_ROWS_H_
#define LBW_REGISTRY_LINEAGE_ROWS_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "registry/lineage.h"
#include "registry/lineage_walk.h"
#include "store/database.h"

namespace lbw::registry {

// A name taken apart. Lenient: ids are not checked.
struct Resource {
  enum class Kind : uint8_t { kOther, kArtifact, kVersion, kAlias, kDataset, kJob, kEvaluation };
  Kind kind = Kind::kOther;
  std::string id;     // sha256, dataset, job's or evaluation's id, alias
  std::string model;  // of a version and an alias
  int64_t version = 0;
};
Resource ToResource(std::string_view name);

class RowLinks final : public LineageLinks {
 public:
  explicit RowLinks(store::Session& session) : session_(session) {}
  absl::StatusOr<std::vector<LineageLink>> MadeFrom(std::string_view name) override;
  absl::StatusOr<std::vector<LineageLink>> MadeInto(std::string_view name, size_t limit) override;

 private:
  store::Session& session_;
};

// What is known of the resource; `gone` where there is no row of it.
absl::StatusOr<LineageNode> DescribeNode(store::Session& session, std::string_view name);

}  // namespace lbw::registry

#endif  // LBW_REGISTRY_LINEAGE_ROWS_H_
