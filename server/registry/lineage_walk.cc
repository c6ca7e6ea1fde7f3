#include "registry/lineage_walk.h"

#include <deque>
#include <set>
#include <tuple>
#include <utility>

#include "base/status.h"

namespace lbw::registry {
namespace {

enum class Direction : uint8_t { kToAncestors, kToDescendants };

class Walk {
 public:
  Walk(LineageLinks& links, size_t max_nodes) : links_(links), max_nodes_(max_nodes) {}

  absl::Status From(absl::Span<const std::string> starts) {
    for (const std::string& start : starts) {
      if (!Add(start)) break;
      Enqueue(start, Direction::kToAncestors);
      Enqueue(start, Direction::kToDescendants);
    }
    for (const std::string& start : shape_.names) starts_.insert(start);
    while (!queue_.empty()) {
      const auto [name, direction] = std::move(queue_.front());
      queue_.pop_front();
      LBW_RETURN_IF_ERROR(direction == Direction::kToAncestors ? Up(name) : Down(name));
    }
    return absl::OkStatus();
  }
  LineageShape Take() { return std::move(shape_); }

 private:
  // False: there is no room for another node.
  bool Add(const std::string& name) {
    if (known_.count(name) != 0) return true;
    if (shape_.names.size() >= max_nodes_) {
      shape_.truncated = true;
      return false;
    }
    known_.insert(name);
    shape_.names.push_back(name);
    return true;
  }
  void Enqueue(const std::string& name, Direction direction) {
    if (seen_.emplace(name, direction).second) queue_.emplace_back(name, direction);
  }
  void Connect(const std::string& from, const std::string& to, const std::string& relation) {
    if (joined_.emplace(from, to, relation).second) shape_.edges.push_back({from, to, relation});
  }

  absl::Status Up(const std::string& name) {
    LBW_ASSIGN_OR_RETURN(const std::vector<LineageLink> made_from, links_.MadeFrom(name));
    for (const LineageLink& link : made_from) {
      if (!Add(link.name)) continue;
      Connect(link.name, name, link.relation);
      Enqueue(link.name, Direction::kToAncestors);
    }
    return absl::OkStatus();
  }

  absl::Status Down(const std::string& name) {
    LBW_ASSIGN_OR_RETURN(const std::vector<LineageLink> made_into,
                         links_.MadeInto(name, max_nodes_ + 1));
    for (const LineageLink& link : made_into) {
      if (!Add(link.name)) continue;
      Connect(name, link.name, link.relation);
      Enqueue(link.name, Direction::kToDescendants);
    }
    return starts_.count(name) != 0 ? absl::OkStatus() : ShowInputs(name);
  }

  // What else a descendant was made of; not walked on from there.
  absl::Status ShowInputs(const std::string& name) {
    LBW_ASSIGN_OR_RETURN(const std::vector<LineageLink> made_from, links_.MadeFrom(name));
    for (const LineageLink& link : made_from) {
      if (Add(link.name)) Connect(link.name, name, link.relation);
    }
    return absl::OkStatus();
  }

  LineageLinks& links_;
  const size_t max_nodes_;
  LineageShape shape_;
  std::set<std::string> known_;
  std::set<std::string> starts_;
  std::set<std::pair<std::string, Direction>> seen_;
  std::set<std::tuple<std::string, std::string, std::string>> joined_;
  std::deque<std::pair<std::string, Direction>> queue_;
};

}  // namespace

absl::StatusOr<LineageShape> WalkLineage(LineageLinks& links, absl::Span<const std::string> starts,
                                         size_t max_nodes) {
  Walk walk(links, max_nodes);
  LBW_RETURN_IF_ERROR(walk.From(starts));
  return walk.Take();
}

}  // namespace lbw::registry
