// A fake server, a connection to it with short waits, and files.
#ifndef LBW_TESTS_UNIT_CLIENT_TRANSFER_FIXTURE_H_
#define LBW_TESTS_UNIT_CLIENT_TRANSFER_FIXTURE_H_

#include <cstdint>
#include <fstream>
#include <iterator>
#include <memory>
#include <random>
#include <string>

#include "client/cpp/canceller.h"
#include "client/cpp/connection.h"
#include "client/cpp/progress.h"
#include "gtest/gtest.h"
#include "support/temp_dir.h"
#include "unit/client/fake_server.h"

namespace lbw::client {

inline std::string RandomBytes(size_t size, uint32_t seed) {
  std::mt19937 random(seed);
  std::string bytes(size, '\0');
  for (char& c : bytes) c = static_cast<char>(random() & 0xFF);
  return bytes;
}

inline void WriteText(const std::string& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

inline std::string ReadText(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

class TransferFixture : public ::testing::Test {
 protected:
  TransferFixture() {
    ConnectionOptions options;
    options.server = server.address();
    options.retry.backoff_initial = absl::Milliseconds(1);
    options.retry.backoff_max = absl::Milliseconds(20);
    options.retry.no_progress = absl::Seconds(20);
    auto connected = Connection::Connect(options, canceller);
    EXPECT_TRUE(connected.ok()) << connected.status();
    connection = std::move(connected).value();
  }

  lbw::testing::TempDir dir;
  FakeServer server;
  Canceller canceller;
  std::unique_ptr<Connection> connection;
  NoProgress progress;
};

}  // namespace lbw::client

#endif  // LBW_TESTS_UNIT_CLIENT_TRANSFER_FIXTURE_H_
