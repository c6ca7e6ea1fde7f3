#include "client/cpp/lineage_view.h"

#include <map>
#include <set>
#include <vector>

#include "base/strings.h"
#include "client/cpp/format.h"
#include "client/cpp/names.h"

namespace lbw::client {
namespace {

// Deeper than any lineage of use; the rest is cut with a line that says so.
constexpr size_t kMaxDepth = 200;

class Tree {
 public:
  Tree(const v1::Lineage& lineage, std::string_view start) : start_(start) {
    for (const v1::LineageNode& node : lineage.nodes()) nodes_[node.name()] = &node;
    for (const v1::LineageEdge& edge : lineage.edges()) {
      made_of_[edge.from()].push_back(&edge);
      has_origin_.insert(edge.to());
    }
    for (const v1::LineageNode& node : lineage.nodes()) {
      if (has_origin_.count(node.name()) == 0) Add(node.name(), "", "", 0);
    }
    // What is left hangs on a cycle only.
    for (const v1::LineageNode& node : lineage.nodes()) {
      if (shown_.count(node.name()) == 0) Add(node.name(), "", "", 0);
    }
    if (lineage.truncated()) text_ += "… there is more than one answer holds\n";
  }

  std::string text() && { return std::move(text_); }

 private:
  static std::string Word(const v1::LineageNode& node) {
    const bool speaks_for_itself = node.kind() == "version" || node.kind() == "alias" ||
                                   node.kind() == "evaluation" || node.kind().empty();
    std::string text = speaks_for_itself ? "" : node.kind() + " ";
    text += ShortName(node.name());
    if (node.gone()) text += "  (deleted)";
    if (!node.state().empty()) text += "  " + node.state();
    if (!node.summary().empty()) text += "  " + node.summary();
    return Printable(text);
  }

  // lead: what stands before the node; indent: before what hangs on it.
  void Add(const std::string& name, const std::string& lead, const std::string& indent,
           size_t depth) {
    const auto found = nodes_.find(name);
    const bool is_again = !shown_.insert(name).second;
    base::StrAppend(&text_, lead, found == nodes_.end() ? Printable(name) : Word(*found->second),
                    name == start_ ? "  ◀" : "");
    const auto edges = made_of_.find(name);
    const bool has_more = edges != made_of_.end();
    text_ += is_again && has_more ? "  …\n" : "\n";
    if (is_again || !has_more) return;
    if (depth >= kMaxDepth) {
      text_ += indent + "└─ …\n";
      return;
    }
    for (size_t i = 0; i < edges->second.size(); ++i) {
      const v1::LineageEdge& edge = *edges->second[i];
      const bool is_last = i + 1 == edges->second.size();
      Add(edge.to(),
          base::StrCat(indent, is_last ? "└─ " : "├─ ", Printable(edge.relation()), ": "),
          indent + (is_last ? "   " : "│  "), depth + 1);
    }
  }

  const std::string start_;
  std::map<std::string, const v1::LineageNode*> nodes_;
  std::map<std::string, std::vector<const v1::LineageEdge*>> made_of_;
  std::set<std::string> has_origin_;
  std::set<std::string> shown_;
  std::string text_;
};

}  // namespace

std::string RenderLineage(const v1::Lineage& lineage, std::string_view start) {
  return Tree(lineage, start).text();
}

}  // namespace lbw::client
