#include "unit/tasks/calibration_networks.h"

#include <cstdint>
#include <vector>

#include "unit/tasks/calibration_fixture.h"

namespace lbw::tasks {

model::Model Residual() {
  NetMaker net;
  net.Conv("stem", "image", {4, 3, 3, 3});
  net.Node("Relu", "r0", {"stem"});
  net.Conv("branch1", "r0", {4, 4, 3, 3});
  net.Node("Relu", "r1", {"branch1"});
  net.Conv("branch2", "r1", {4, 4, 3, 3});
  net.Node("Add", "sum", {"branch2", "r0"});
  net.Conv("head", "sum", {2, 4, 1, 1});
  return net.Finish({"head"});
}

model::Model Concat() {
  NetMaker net;
  net.Conv("a", "image", {3, 3, 3, 3});
  net.Conv("b", "image", {2, 3, 1, 1});
  net.Node("Relu", "ra", {"a"});
  net.Node("Concat", "joined", {"ra", "b", "image"}, {{"axis", int64_t{1}}});
  net.Conv("head", "joined", {2, 8, 3, 3});
  return net.Finish({"head", "b"});
}

model::Model Grouped() {
  NetMaker net;
  net.Conv("stem", "image", {6, 3, 1, 1});
  // Strides, dilations, unequal padding, no bias.
  net.Node("Conv", "grouped", {"stem", net.Constant("g.w", {6, 3, 2, 2})},
           {{"group", int64_t{2}},
            {"strides", std::vector<int64_t>{2, 1}},
            {"dilations", std::vector<int64_t>{1, 2}},
            {"pads", std::vector<int64_t>{1, 0, 0, 2}}});
  net.Node("Relu", "r", {"grouped"});
  net.Conv("depthwise", "r", {6, 1, 3, 3}, 6);
  net.Node("ConvTranspose", "up", {"depthwise", net.Constant("up.w", {6, 2, 2, 2})},
           {{"group", int64_t{3}}, {"strides", std::vector<int64_t>{2, 2}}});
  return net.Finish({"up"});
}

model::Model Products() {
  NetMaker net;
  net.Conv("stem", "image", {2, 3, 3, 3});
  net.Node("Relu", "r", {"stem"});
  net.Node("Flatten", "flat", {"r"});
  net.Node("Gemm", "fc", {"flat", net.Constant("fc.w", {5, 72}, 0.2F), net.Constant("fc.b", {5})},
           {{"transB", int64_t{1}}, {"alpha", 0.5F}, {"beta", 2.0F}});
  net.Node("Relu", "rf", {"fc"});
  net.Node("MatMul", "out", {"rf", net.Constant("out.w", {5, 3})});
  return net.Finish({"out"});
}

model::Model Shared() {
  NetMaker net;
  net.Conv("p1", "image", {4, 3, 3, 3});
  net.Node("MaxPool", "p2", {"p1"},
           {{"kernel_shape", std::vector<int64_t>{2, 2}}, {"strides", std::vector<int64_t>{2, 2}}});
  net.Constant("tower.w", {4, 4, 3, 3});
  net.Constant("tower.b", {4});
  const Attributes same = {{"pads", std::vector<int64_t>(4, 1)}};
  net.Node("Conv", "t1", {"p1", "tower.w", "tower.b"}, same);
  net.Node("Conv", "t2", {"p2", "tower.w", "tower.b"}, same);
  net.Conv("between", "t1", {4, 4, 1, 1});
  net.Node("Relu", "rb", {"between"});
  net.Node("Conv", "t3", {"rb", "tower.w", "tower.b"}, same);
  net.Conv("last", "t3", {2, 4, 1, 1});
  return net.Finish({"t2", "last"});
}

model::Model Normalized() {
  NetMaker net;
  net.Node("Conv", "c1", {"image", net.Constant("c1.w", {4, 3, 3, 3})},
           {{"pads", std::vector<int64_t>(4, 1)}});
  net.Node("Relu", "r1", {net.Norm("n1", "c1", 4)});
  net.Node("Conv", "c2", {"r1", net.Constant("c2.w", {4, 4, 3, 3})},
           {{"pads", std::vector<int64_t>(4, 1)}});
  net.Node("Add", "sum", {net.Norm("n2", "c2", 4), "r1"});
  net.Conv("head", "sum", {2, 4, 1, 1});
  return net.Finish({"head"});
}

}  // namespace lbw::tasks
