#include "unit/tasks/calibration_fixture.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <numeric>

#include "base/cancel.h"
#include "base/status.h"
#include "engine/torch/torch_executor.h"

namespace lbw::tasks {

std::string NetMaker::Constant(const std::string& name, const base::Shape& shape, float spread) {
  const int64_t elements =
      std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<>());
  std::vector<float> values(static_cast<size_t>(elements));
  for (float& value : values) value = spread * random_.Bell();
  return Constant(name, shape, values);
}

std::string NetMaker::Constant(const std::string& name, const base::Shape& shape,
                               const std::vector<float>& values) {
  model_.constants.insert_or_assign(name, base::Tensor::FromF32(shape, values));
  return name;
}

std::string NetMaker::Integers(const std::string& name, const std::vector<int64_t>& values) {
  model_.constants.insert_or_assign(
      name, base::Tensor::FromI64({static_cast<int64_t>(values.size())}, values));
  return name;
}

std::string NetMaker::Node(const std::string& op, const std::string& name,
                           const std::vector<std::string>& inputs, const Attributes& attributes) {
  model_.graph.nodes.push_back({name, op, inputs, {name}, attributes});
  return name;
}

std::string NetMaker::Conv(const std::string& name, const std::string& input,
                           const base::Shape& weight, int64_t groups) {
  Constant(name + ".w", weight);
  Constant(name + ".b", {weight[0]});
  return Node("Conv", name, {input, name + ".w", name + ".b"},
              {{"pads", std::vector<int64_t>(4, weight[2] / 2)}, {"group", groups}});
}

std::string NetMaker::Norm(const std::string& name, const std::string& input, int64_t channels) {
  Constant(name + ".gamma", {channels});
  Constant(name + ".beta", {channels});
  Constant(name + ".mean", {channels});
  std::vector<float> variances(static_cast<size_t>(channels));
  for (float& variance : variances) variance = random_.Between(0.3F, 2);
  Constant(name + ".var", {channels}, variances);
  return Node("BatchNormalization", name,
              {input, name + ".gamma", name + ".beta", name + ".mean", name + ".var"});
}

model::Model NetMaker::Finish(const std::vector<std::string>& outputs) {
  model_.spec.classes = {"a", "b"};
  model_.spec.head.kind = "logits";
  for (const std::string& output : outputs) {
    model_.graph.outputs.push_back({output, base::DType::kF32, {}});
    model_.spec.head.scores.values.push_back({output, {}, {}});
  }
  return model_;
}

std::vector<Picture> RandomPictures(size_t count, int64_t size, uint64_t seed) {
  base::Random random(seed);
  std::vector<Picture> pictures(count, Picture(static_cast<size_t>(3 * size * size)));
  for (Picture& picture : pictures) {
    const float shift = random.Between(-0.5F, 0.5F);
    for (float& value : picture) value = shift + random.Bell();
  }
  return pictures;
}

Bench::Bench() : engine_(engine::NewTorchExecutorFactory()) {}

WalkOptions Bench::Options(int threads) const {
  WalkOptions options;
  options.threads = threads;
  options.positions = 100'000;
  options.scratch_folder = folder_.path();
  return options;
}

std::unique_ptr<LayerWalk> Bench::Walk(const model::Model& model,
                                       const std::vector<Picture>& pictures,
                                       const WalkOptions& options) {
  kept_.push_back(pictures);
  auto walk = LayerWalk::Open(model, *engine_, kept_.back(), HeadValues(model), options);
  EXPECT_TRUE(walk.ok()) << walk.status();
  LBW_CHECK(walk.ok());
  return *std::move(walk);
}

std::vector<std::vector<base::Tensor>> Bench::Run(const model::Model& model,
                                                  const graph::Constants& constants,
                                                  const std::vector<Picture>& pictures,
                                                  const std::vector<std::string>& values) {
  engine::CompileOptions options;
  options.fetch = values;
  options.height = options.width = model.spec.input.height;
  const auto executor = engine_->Compile(model.graph, constants, options);
  EXPECT_TRUE(executor.ok()) << executor.status();
  LBW_CHECK(executor.ok());
  std::vector<std::vector<base::Tensor>> out;
  for (const Picture& picture : pictures) {
    const base::Tensor batch =
        base::Tensor::FromF32({1, 3, options.height, options.width}, picture);
    out.push_back((*executor)->Run(batch.view(), base::CancelToken()).value());
  }
  return out;
}

namespace {

std::vector<int64_t> IntsOr(const graph::Node& node, const char* name,
                            const std::vector<int64_t>& fallback) {
  const std::vector<int64_t> ints = node.Ints(name);
  return ints.empty() ? fallback : ints;
}

// One window: the input that meets tap (ky, kx) at output (y, x), or 0.
double Met(const graph::Node& node, const base::Tensor& input, int64_t channel,
           const std::array<int64_t, 4>& at) {
  const auto strides = IntsOr(node, "strides", {1, 1});
  const auto pads = IntsOr(node, "pads", {0, 0, 0, 0});
  const auto dilations = IntsOr(node, "dilations", {1, 1});
  std::array<int64_t, 2> place{};
  for (size_t d = 0; d < 2; ++d) {
    const int64_t out = at[d];
    const int64_t tap = at[2 + d] * dilations[d];
    if (node.op_type == "Conv") {
      place[d] = out * strides[d] + tap - pads[d];
    } else {
      const int64_t from = out + pads[d] - tap;
      if (from % strides[d] != 0) return 0;
      place[d] = from / strides[d];
    }
    if (place[d] < 0 || place[d] >= input.shape()[2 + d]) return 0;
  }
  const int64_t index = (channel * input.shape()[2] + place[0]) * input.shape()[3] + place[1];
  return static_cast<double>(input.as<float>()[static_cast<size_t>(index)]);
}

Rows WindowRows(const graph::Node& node, const base::Shape& weight, const base::Tensor& input,
                const base::Shape& output) {
  const int64_t groups = node.Int("group", 1);
  const int64_t channels = input.shape()[1] / groups;
  Rows rows(static_cast<size_t>(groups));
  for (int64_t g = 0; g < groups; ++g) {
    for (int64_t y = 0; y < output[2]; ++y) {
      for (int64_t x = 0; x < output[3]; ++x) {
        std::vector<double> row;
        for (int64_t c = 0; c < channels; ++c) {
          for (int64_t ky = 0; ky < weight[2]; ++ky) {
            for (int64_t kx = 0; kx < weight[3]; ++kx) {
              row.push_back(Met(node, input, g * channels + c, {y, x, ky, kx}));
            }
          }
        }
        rows[static_cast<size_t>(g)].push_back(std::move(row));
      }
    }
  }
  return rows;
}

}  // namespace

Rows InputRows(const graph::Node& node, const base::Shape& weight, const base::Tensor& input,
               const base::Shape& output) {
  if (node.op_type == "Conv" || node.op_type == "ConvTranspose") {
    return WindowRows(node, weight, input, output);
  }
  const auto columns = static_cast<size_t>(input.shape().back());
  const absl::Span<const float> values = input.as<float>();
  Rows rows(1);
  for (size_t at = 0; at < values.size(); at += columns) {
    rows[0].emplace_back(values.begin() + static_cast<std::ptrdiff_t>(at),
                         values.begin() + static_cast<std::ptrdiff_t>(at + columns));
  }
  return rows;
}

double RelativeError(const std::vector<std::vector<base::Tensor>>& reference,
                     const std::vector<std::vector<base::Tensor>>& other) {
  const auto pictures = static_cast<double>(reference.size());
  double total = 0;
  for (size_t v = 0; v < reference[0].size(); ++v) {
    double error = 0, variance = 0;
    for (size_t i = 0; i < reference[0][v].as<float>().size(); ++i) {
      const auto at = [&](const auto& of, size_t p) {
        return static_cast<double>(of[p][v].template as<float>()[i]);
      };
      double mean = 0;
      for (size_t p = 0; p < reference.size(); ++p) mean += at(reference, p) / pictures;
      for (size_t p = 0; p < reference.size(); ++p) {
        const double x = at(reference, p);
        error += (x - at(other, p)) * (x - at(other, p)) / pictures;
        variance += (x - mean) * (x - mean) / (pictures - 1);
      }
    }
    total += error / variance;
  }
  return total / static_cast<double>(reference[0].size());
}

ChoiceOptions ChoicesAt(int bits) {
  ChoiceOptions options;
  options.quantize.tensor.bits = bits;
  return options;
}

::testing::AssertionResult SameConstants(const graph::Constants& a, const graph::Constants& b) {
  if (a.size() != b.size()) return ::testing::AssertionFailure() << "other constants";
  for (const auto& [name, one] : a) {
    const auto found = b.find(name);
    if (found == b.end() || found->second.index() != one.index()) {
      return ::testing::AssertionFailure() << name << " is another thing";
    }
    if (const auto* codes = std::get_if<quant::QuantizedTensor>(&one)) {
      if (!(*codes == std::get<quant::QuantizedTensor>(found->second))) {
        return ::testing::AssertionFailure() << name << ": other codes";
      }
      continue;
    }
    const auto mine = std::get<base::Tensor>(one).bytes();
    const auto other = std::get<base::Tensor>(found->second).bytes();
    if (mine.size() != other.size() || std::memcmp(mine.data(), other.data(), mine.size()) != 0) {
      return ::testing::AssertionFailure() << name << ": other bits";
    }
  }
  return ::testing::AssertionSuccess();
}

}  // namespace lbw::tasks
