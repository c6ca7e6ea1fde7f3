// Bytes of small safetensors files for tests.
#ifndef LBW_TESTS_UNIT_TENSORFILE_FILE_BYTES_H_
#define LBW_TESTS_UNIT_TENSORFILE_FILE_BYTES_H_

#include <cstdint>
#include <fstream>
#include <iterator>
#include <string>

namespace lbw::tensorfile::testing {

inline std::string FileBytes(const std::string& header, const std::string& data) {
  std::string bytes;
  for (int i = 0; i < 8; ++i)
    bytes += static_cast<char>(static_cast<uint64_t>(header.size()) >> (8 * i) & 0xff);
  return bytes + header + data;
}

inline std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

}  // namespace lbw::tensorfile::testing

#endif  // LBW_TESTS_UNIT_TENSORFILE_FILE_BYTES_H_
