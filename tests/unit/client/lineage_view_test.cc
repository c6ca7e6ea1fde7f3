#include "client/cpp/lineage_view.h"

#include "gmock/gmock.h"

namespace lbw::client {
namespace {

using ::testing::HasSubstr;

void AddNode(v1::Lineage& lineage, const std::string& name, const std::string& kind,
             const std::string& state, const std::string& summary) {
  v1::LineageNode& node = *lineage.add_nodes();
  node.set_name(name);
  node.set_kind(kind);
  node.set_state(state);
  node.set_summary(summary);
}

void AddEdge(v1::Lineage& lineage, const std::string& from, const std::string& to,
             const std::string& relation) {
  v1::LineageEdge& edge = *lineage.add_edges();
  edge.set_from(from);
  edge.set_to(to);
  edge.set_relation(relation);
}

TEST(RenderLineage, ATreeInWhichNothingStandsTwice) {
  v1::Lineage lineage;
  const std::string artifact = "artifacts/" + std::string(64, 'a');
  AddNode(lineage, "models/face/versions/1", "version", "READY", "float, ssd");
  AddNode(lineage, artifact, "artifact", "", "face.onnx, 7.2 MB");
  AddNode(lineage, "models/face/versions/2", "version", "READY", "4 bits");
  AddNode(lineage, "datasets/faces", "dataset", "READY", "");
  AddNode(lineage, "evaluations/e1", "evaluation", "", "map_50 0.8957");
  AddNode(lineage, "models/face/aliases/stable", "alias", "", "");
  AddEdge(lineage, artifact, "models/face/versions/1", "imported");
  AddEdge(lineage, "models/face/versions/1", "models/face/versions/2", "quantized");
  AddEdge(lineage, "models/face/versions/1", "evaluations/e1", "evaluated");
  AddEdge(lineage, "models/face/versions/2", "models/face/aliases/stable", "points_at");
  AddEdge(lineage, "datasets/faces", "evaluations/e1", "evaluated");
  EXPECT_EQ(RenderLineage(lineage, "models/face/versions/1"),
            "artifact aaaaaaaaaaaa  face.onnx, 7.2 MB\n"
            "└─ imported: face/1  READY  float, ssd  ◀\n"
            "   ├─ quantized: face/2  READY  4 bits\n"
            "   │  └─ points_at: face@stable\n"
            "   └─ evaluated: evaluations/e1  map_50 0.8957\n"
            "dataset faces  READY\n"
            "└─ evaluated: evaluations/e1  map_50 0.8957\n");
}

TEST(RenderLineage, CyclesEndAndNothingIsLost) {
  v1::Lineage lineage;
  AddNode(lineage, "jobs/a", "job", "", "");
  AddNode(lineage, "jobs/b", "job", "", "");
  AddEdge(lineage, "jobs/a", "jobs/b", "ran");
  AddEdge(lineage, "jobs/b", "jobs/a", "ran");
  lineage.set_truncated(true);
  EXPECT_EQ(RenderLineage(lineage, ""),
            "job a\n"
            "└─ ran: job b\n"
            "   └─ ran: job a  …\n"
            "… there is more than one answer holds\n");
}

TEST(RenderLineage, AChainAsDeepAsAnAnswerCanBe) {
  v1::Lineage lineage;
  for (int i = 0; i < 1000; ++i) {
    AddNode(lineage, "jobs/" + std::to_string(i), "job", "", "");
    AddEdge(lineage, "jobs/" + std::to_string(i), "jobs/" + std::to_string(i + 1), "ran");
  }
  EXPECT_THAT(RenderLineage(lineage, ""), HasSubstr("└─ …\n"));
  EXPECT_THAT(RenderLineage(lineage, ""), HasSubstr("job 999"));
}

}  // namespace
}  // namespace lbw::client
