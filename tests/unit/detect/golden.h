// Golden files of tests: whole files, JSON, and float arrays in .npy.
#ifndef LBW_TESTS_UNIT_DETECT_GOLDEN_H_
#define LBW_TESTS_UNIT_DETECT_GOLDEN_H_

#include <cstdint>
#include <cstring>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "base/tensor.h"

namespace lbw::detect {

// Empty when it cannot be read.
inline std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
}

inline nlohmann::json ReadJson(const std::string& path) {
  return nlohmann::json::parse(ReadFile(path), nullptr, /*allow_exceptions=*/false);
}

// A version 1 .npy file of '<f4' in C order whose shape the caller knows; an empty tensor when it
// is something else.
inline base::Tensor ReadNpyF32(const std::string& path, base::Shape shape) {
  const std::string bytes = ReadFile(path);
  int64_t elements = 1;
  for (const int64_t d : shape) elements *= d;
  const size_t data_bytes = static_cast<size_t>(elements) * sizeof(float);
  if (bytes.size() < data_bytes + 10 || bytes.find("'<f4'") == std::string::npos) return {};
  const size_t header = 10 + static_cast<uint8_t>(bytes[8]) +
                        256 * static_cast<size_t>(static_cast<uint8_t>(bytes[9]));
  if (bytes.size() != header + data_bytes) return {};
  base::Tensor tensor(base::DType::kF32, std::move(shape));
  std::memcpy(tensor.mutable_bytes().data(), bytes.data() + header, data_bytes);
  return tensor;
}

inline std::vector<float> Floats(const nlohmann::json& array) {
  return array.get<std::vector<float>>();
}

}  // namespace lbw::detect

#endif  // LBW_TESTS_UNIT_DETECT_GOLDEN_H_
