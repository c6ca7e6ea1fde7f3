#include "tools/quant_oracle/resnet50.h"

#include <cmath>
#include <map>
#include <numbers>
#include <utility>

#include "base/status.h"
#include "base/strings.h"
#include "tensorfile/safetensors.h"

namespace lbw::oracle {
namespace {

// splitmix64 (Steele, Lea, Flood 2014): the same numbers everywhere.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t Next() {
    state_ += 0x9E3779B97F4A7C15;
    uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
    return z ^ (z >> 31);
  }
  // In (0, 1).
  double Uniform() { return (static_cast<double>(Next() >> 12) + 0.5) * 0x1p-52; }
  double Normal() {
    const double radius = std::sqrt(-2 * std::log(Uniform()));
    return radius * std::cos(2 * std::numbers::pi * Uniform());
  }
  // Variance 1.
  double Laplace() {
    const double u = Uniform() - 0.5;
    return (u < 0 ? 1 : -1) * std::log1p(-2 * std::fabs(u)) / std::numbers::sqrt2;
  }

 private:
  uint64_t state_;
};

uint64_t SeedFor(const std::string& name, uint64_t seed) {
  uint64_t hash = 0xCBF29CE484222325 ^ seed;
  for (const char character : name) hash = (hash ^ static_cast<uint8_t>(character)) * 0x100000001B3;
  return hash;
}

void AddConv(const std::string& name, base::Shape shape, std::vector<Parameter>& out) {
  out.push_back({base::StrCat(name, ".weight"), std::move(shape)});
}
void AddNorm(const std::string& name, int64_t channels, std::vector<Parameter>& out) {
  out.push_back({base::StrCat(name, ".weight"), {channels}});
  out.push_back({base::StrCat(name, ".bias"), {channels}});
}

// 1x1 down to `width`, 3x3, 1x1 up to 4 * width; the first block of a stage also projects its
// shortcut.
void AddBottleneck(const std::string& name, int64_t in, int64_t width,
                   std::vector<Parameter>& out) {
  const int64_t wide = 4 * width;
  AddConv(name + ".conv1", {width, in, 1, 1}, out);
  AddNorm(name + ".bn1", width, out);
  AddConv(name + ".conv2", {width, width, 3, 3}, out);
  AddNorm(name + ".bn2", width, out);
  AddConv(name + ".conv3", {wide, width, 1, 1}, out);
  AddNorm(name + ".bn3", wide, out);
  if (in == wide) return;
  AddConv(name + ".downsample.0", {wide, in, 1, 1}, out);
  AddNorm(name + ".downsample.1", wide, out);
}

// Every 100th channel or so is dead: all zeros, or far below anything that counts.
double ChannelScale(Random& random) {
  const double spread = std::exp(0.5 * random.Normal());
  const double lot = random.Uniform();
  if (lot < 0.003) return 0;
  if (lot < 0.010) return std::pow(10.0, -20 - 18 * random.Uniform());
  return spread;
}

void FillWeights(const base::Shape& shape, Random& random, absl::Span<float> values) {
  const size_t row = values.size() / static_cast<size_t>(shape[0]);
  const double sigma = std::sqrt(2.0 / static_cast<double>(row)) * (0.5 + random.Uniform());
  const double laplace_share = 0.2 + 0.5 * random.Uniform();
  for (size_t first = 0; first < values.size(); first += row) {
    const double scale = sigma * ChannelScale(random);
    for (size_t i = first; i < first + row; ++i) {
      const double value = random.Uniform() < laplace_share ? random.Laplace() : random.Normal();
      values[i] = static_cast<float>(scale * value);
    }
  }
}

}  // namespace

std::vector<Parameter> ResNet50Parameters() {
  std::vector<Parameter> out;
  AddConv("conv1", {64, 3, 7, 7}, out);
  AddNorm("bn1", 64, out);
  const int blocks[] = {3, 4, 6, 3};
  int64_t in = 64;
  for (int stage = 0; stage < 4; ++stage) {
    const int64_t width = int64_t{64} << stage;
    for (int block = 0; block < blocks[stage]; ++block) {
      AddBottleneck(base::StrCat("layer", stage + 1, ".", block), in, width, out);
      in = 4 * width;
    }
  }
  out.push_back({"fc.weight", {1000, 2048}});
  out.push_back({"fc.bias", {1000}});
  return out;
}

base::Tensor RandomParameter(const Parameter& parameter, uint64_t seed) {
  Random random(SeedFor(parameter.name, seed));
  base::Tensor tensor(base::DType::kF32, parameter.shape);
  const absl::Span<float> values = tensor.mutable_as<float>();
  if (parameter.shape.size() >= 2) {
    FillWeights(parameter.shape, random, values);
    return tensor;
  }
  const bool gain =
      parameter.name.size() > 7 && parameter.name.substr(parameter.name.size() - 7) == ".weight";
  for (float& value : values) {
    value = static_cast<float>(gain ? 0.9 + 0.3 * random.Normal() : 0.2 * random.Normal());
  }
  return tensor;
}

absl::Status WriteResNet50(base::ByteSink& sink, uint64_t seed) {
  std::vector<tensorfile::SafetensorsWriter::Declared> declared;
  std::map<std::string, Parameter> by_name;
  for (const Parameter& parameter : ResNet50Parameters()) {
    declared.push_back({parameter.name, base::DType::kF32, parameter.shape});
    by_name.emplace(parameter.name, parameter);
  }
  LBW_ASSIGN_OR_RETURN(auto writer, tensorfile::SafetensorsWriter::Start(
                                        sink, std::move(declared),
                                        {{"format", "pt"}, {"seed", std::to_string(seed)}}));
  for (const auto& [name, parameter] : by_name) {
    LBW_RETURN_IF_ERROR(writer.Append(name, RandomParameter(parameter, seed).bytes()));
  }
  return writer.Finish();
}

}  // namespace lbw::oracle
