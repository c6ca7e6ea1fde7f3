#include "registry/lineage_walk.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

namespace lbw::registry {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

// A graph in memory; an edge's relation is its two names.
class MapLinks final : public LineageLinks {
 public:
  MapLinks(std::initializer_list<std::pair<std::string, std::string>> edges) {
    for (const auto& [from, to] : edges) {
      into_[from].push_back({to, from + to});
      from_[to].push_back({from, from + to});
    }
  }
  absl::StatusOr<std::vector<LineageLink>> MadeFrom(std::string_view name) override {
    ++asked_;
    if (name == broken_) return absl::InternalError("broken");
    return from_[std::string(name)];
  }
  absl::StatusOr<std::vector<LineageLink>> MadeInto(std::string_view name, size_t limit) override {
    std::vector<LineageLink> links = into_[std::string(name)];
    if (links.size() > limit) links.resize(limit);
    return links;
  }
  std::string broken_;
  int asked_ = 0;

 private:
  std::map<std::string, std::vector<LineageLink>> into_, from_;
};

LineageShape Walk(MapLinks& links, const std::vector<std::string>& starts, size_t max_nodes = 100) {
  return WalkLineage(links, starts, max_nodes).value();
}

TEST(WalkLineage, ANodeAloneIsAShape) {
  MapLinks links({});
  const LineageShape shape = Walk(links, {"a"});
  EXPECT_THAT(shape.names, ElementsAre("a"));
  EXPECT_THAT(shape.edges, IsEmpty());
  EXPECT_FALSE(shape.truncated);
}

// s is made from p, made from g; g also went into the uncle u, p into the sibling b: neither of
// them concerns s.
TEST(WalkLineage, ShowsAncestorsAndDescendantsButNoSiblings) {
  MapLinks links({{"g", "p"}, {"p", "s"}, {"g", "u"}, {"p", "b"}, {"s", "c"}, {"c", "d"}});
  const LineageShape shape = Walk(links, {"s"});
  EXPECT_EQ(shape.names[0], "s");
  EXPECT_THAT(shape.names, UnorderedElementsAre("s", "p", "g", "c", "d"));
  EXPECT_THAT(shape.edges, SizeIs(4));
}

// c was made from s and from i; i is shown, what i was made from (j) and what else it became (k) is
// not.
TEST(WalkLineage, ShowsOtherInputsOfDescendantsOneStep) {
  MapLinks links({{"s", "c"}, {"i", "c"}, {"j", "i"}, {"i", "k"}});
  const LineageShape shape = Walk(links, {"s"});
  EXPECT_THAT(shape.names, ElementsAre("s", "c", "i"));
  EXPECT_THAT(shape.edges,
              UnorderedElementsAre(LineageEdge{"s", "c", "sc"}, LineageEdge{"i", "c", "ic"}));
}

TEST(WalkLineage, EveryEdgeIsToldOnce) {
  MapLinks links({{"a", "b"}, {"a", "c"}, {"b", "d"}, {"c", "d"}});
  EXPECT_THAT(Walk(links, {"a"}).edges, SizeIs(4));
  EXPECT_THAT(Walk(links, {"d"}).edges, SizeIs(4));
  EXPECT_THAT(Walk(links, {"a", "b", "c", "d"}).edges, SizeIs(4));
}

TEST(WalkLineage, SeveralStartsComeFirstAndInOrder) {
  MapLinks links({{"x", "v1"}, {"v1", "v2"}, {"x", "v3"}});
  const LineageShape shape = Walk(links, {"v3", "v2", "v1"});
  EXPECT_THAT(shape.names, ElementsAre("v3", "v2", "v1", "x"));
  EXPECT_THAT(shape.edges, SizeIs(3));
}

TEST(WalkLineage, StopsAtTheLimitWithTheNearest) {
  MapLinks links({{"a", "b"}, {"b", "c"}, {"c", "d"}, {"d", "e"}});
  const LineageShape all = Walk(links, {"c"}, 5);
  EXPECT_THAT(all.names, SizeIs(5));
  EXPECT_FALSE(all.truncated);
  const LineageShape cut = Walk(links, {"c"}, 4);
  EXPECT_THAT(cut.names, SizeIs(4));
  EXPECT_TRUE(cut.truncated);
  const LineageShape near = Walk(links, {"c"}, 3);
  EXPECT_THAT(near.names, UnorderedElementsAre("c", "b", "d"));
  EXPECT_THAT(near.edges, SizeIs(2));
  EXPECT_TRUE(near.truncated);
  EXPECT_TRUE(Walk(links, {"a", "b"}, 1).truncated);
}

TEST(WalkLineage, EndsWhereLinksGoInACircle) {
  MapLinks links({{"a", "b"}, {"b", "c"}, {"c", "a"}});
  const LineageShape shape = Walk(links, {"a"});
  EXPECT_THAT(shape.names, SizeIs(3));
  EXPECT_THAT(shape.edges, SizeIs(3));
  EXPECT_LT(links.asked_, 10);
}

TEST(WalkLineage, AnErrorOfTheLinksIsAnswered) {
  MapLinks links({{"a", "b"}, {"b", "c"}});
  links.broken_ = "a";
  EXPECT_EQ(WalkLineage(links, {"c"}, 10).status().code(), absl::StatusCode::kInternal);
}

}  // namespace
}  // namespace lbw::registry
