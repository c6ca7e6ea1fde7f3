// Topological order, keeping the file's order where it can.
#include <map>
#include <queue>
#include <string>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "graph/onnx/steps.h"
#include "graph/resolve.h"

namespace lbw::graph {
namespace {

// Walks back from a node that could not be placed until a node repeats: that one is on a cycle.
size_t NodeOnCycle(const std::vector<std::vector<size_t>>& waits_for, const std::vector<bool>& done,
                   size_t start) {
  std::vector<bool> seen(done.size(), false);
  size_t at = start;
  while (!seen[at]) {
    seen[at] = true;
    for (const size_t next : waits_for[at]) {
      if (!done[next]) {
        at = next;
        break;
      }
    }
  }
  return at;
}

}  // namespace

absl::Status SortNodes(Graph& graph, const Constants& constants) {
  std::map<std::string, size_t, std::less<>> producer;
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    for (const std::string& output : graph.nodes[i].outputs) {
      if (output.empty()) continue;
      if (!producer.emplace(output, i).second || constants.count(output) != 0) {
        return BadNode(graph.nodes[i], base::StrCat("two values are called ", output));
      }
    }
  }
  std::map<std::string, bool, std::less<>> inputs;
  for (const ValueInfo& input : graph.inputs) inputs.emplace(input.name, true);
  const size_t count = graph.nodes.size();
  std::vector<std::vector<size_t>> readers(count), waits_for(count);
  std::vector<size_t> open(count, 0);
  for (size_t i = 0; i < count; ++i) {
    for (const std::string& input : graph.nodes[i].inputs) {
      if (const auto it = producer.find(input); it != producer.end()) {
        readers[it->second].push_back(i);
        waits_for[i].push_back(it->second);
        ++open[i];
      } else if (!input.empty() && inputs.count(input) == 0 && constants.count(input) == 0) {
        return BadNode(graph.nodes[i], base::StrCat("nothing produces its input ", input));
      }
    }
  }
  std::priority_queue<size_t, std::vector<size_t>, std::greater<>> ready;
  for (size_t i = 0; i < count; ++i) {
    if (open[i] == 0) ready.push(i);
  }
  std::vector<Node> sorted;
  std::vector<bool> done(count, false);
  while (!ready.empty()) {
    const size_t i = ready.top();
    ready.pop();
    done[i] = true;
    for (const size_t reader : readers[i]) {
      if (--open[reader] == 0) ready.push(reader);
    }
    sorted.push_back(std::move(graph.nodes[i]));
  }
  for (size_t i = 0; i < count; ++i) {
    if (done[i]) continue;
    const Node& node = graph.nodes[NodeOnCycle(waits_for, done, i)];
    return BadNode(node, "lies on a cycle: its output reaches its own input");
  }
  graph.nodes = std::move(sorted);
  return absl::OkStatus();
}

}  // namespace lbw::graph
