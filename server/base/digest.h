// SHA-256 (names of blobs) and CRC-32C (chunks on the wire).
#ifndef LBW_BASE_DIGEST_H_
#define LBW_BASE_DIGEST_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/types/span.h"

namespace lbw::base {

// Running SHA-256. Threads: one at a time.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;

  void Update(absl::Span<const std::byte> data);
  // Lower-case hexadecimal, 64 characters. Ends the object's use.
  std::string FinishHex();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

std::string Sha256Hex(absl::Span<const std::byte> data);
// 64 characters of 0-9a-f.
bool IsSha256Hex(std::string_view text);

// CRC-32C, Castagnoli polynomial 0x1EDC6F41 reflected, as RFC 3720 section B.4.
uint32_t Crc32c(absl::Span<const std::byte> data);

}  // namespace lbw::base

#endif  // LBW_BASE_DIGEST_H_
