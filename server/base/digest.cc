#include "base/digest.h"

#include <isa-l/crc.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>

#include "base/status.h"

namespace lbw::base {

struct Sha256::State {
  State() : context(EVP_MD_CTX_new()) {
    LBW_CHECK(context != nullptr);
    LBW_CHECK(EVP_DigestInit_ex(context, EVP_sha256(), nullptr) == 1);
  }
  ~State() { EVP_MD_CTX_free(context); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  EVP_MD_CTX* context;
};

Sha256::Sha256() : state_(std::make_unique<State>()) {}
Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;

void Sha256::Update(absl::Span<const std::byte> data) {
  LBW_CHECK(state_ != nullptr);
  if (data.empty()) return;
  LBW_CHECK(EVP_DigestUpdate(state_->context, data.data(), data.size()) == 1);
}

std::string Sha256::FinishHex() {
  LBW_CHECK(state_ != nullptr);
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int length = 0;
  LBW_CHECK(EVP_DigestFinal_ex(state_->context, digest.data(), &length) == 1);
  LBW_CHECK(length == 32);
  state_.reset();
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string hex;
  hex.reserve(64);
  for (unsigned int i = 0; i < length; ++i) {
    hex.push_back(kDigits[digest[i] >> 4]);
    hex.push_back(kDigits[digest[i] & 15u]);
  }
  return hex;
}

std::string Sha256Hex(absl::Span<const std::byte> data) {
  Sha256 running;
  running.Update(data);
  return running.FinishHex();
}

bool IsSha256Hex(std::string_view text) {
  return text.size() == 64 && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

uint32_t Crc32c(absl::Span<const std::byte> data) {
  // isa-l takes an int as length and a mutable pointer that it only reads; it neither inverts
  // before nor after.
  constexpr size_t kStep = size_t{1} << 30;
  uint32_t crc = 0xffffffffu;
  for (size_t done = 0; done < data.size(); done += kStep) {
    const size_t length = std::min(kStep, data.size() - done);
    auto* bytes = reinterpret_cast<unsigned char*>(const_cast<std::byte*>(data.data() + done));
    crc = crc32_iscsi(bytes, static_cast<int>(length), crc);
  }
  return crc ^ 0xffffffffu;
}

}  // namespace lbw::base
