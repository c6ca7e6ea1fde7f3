#include <cmath>
#include <limits>

#include "base/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "quant/quantize.h"

namespace lbw::quant {
namespace {

using ::testing::HasSubstr;

struct BadCase {
  const char* name;
  TensorOptions options;
  base::Shape shape;
  const char* message;
};

TEST(ValidateOptions, NamesOptionValueAndLimit) {
  const BadCase cases[] = {
      {"bits 1", {.bits = 1}, {4, 4}, "bits must be 2..6 with scheme exact: bits=1"},
      {"bits 7", {.bits = 7}, {4, 4}, "bits=7"},
      {"bits 8 on the grid", {.bits = 8}, {4, 4}, "bits=8"},
      {"uniform 4",
       {.bits = 4, .scheme = Scheme::kUniform},
       {4, 4},
       "bits must be 8 with scheme uniform"},
      {"threshold 2",
       {.bits = 2, .scheme = Scheme::kThreshold},
       {4, 4},
       "threshold needs bits 3..6: bits=2"},
      {"mu 0", {.scheme = Scheme::kThreshold, .mu_ratio = 0}, {4, 4}, "mu_ratio=0"},
      {"mu negative", {.scheme = Scheme::kThreshold, .mu_ratio = -1}, {4, 4}, "mu_ratio=-1"},
      {"mu 16.5", {.scheme = Scheme::kThreshold, .mu_ratio = 16.5}, {4, 4}, "at most 16"},
      {"mu NaN", {.scheme = Scheme::kThreshold, .mu_ratio = std::nan("")}, {4, 4}, "mu_ratio=nan"},
      {"axis -1", {.axis = -1}, {4, 4}, "axis must be in 0..1 for shape [4, 4]: axis=-1"},
      {"axis 2", {.axis = 2}, {4, 4}, "axis=2"},
      {"axis of a scalar", {.axis = 1}, {}, "axis=1"},
      {"groups 0", {.axis = 1, .groups = 0}, {4, 4}, "groups=0"},
      {"groups at axis 0", {.groups = 2}, {4, 4}, "groups=2 axis=0"},
      {"groups do not divide", {.axis = 1, .groups = 3}, {4, 4}, "groups must divide dimension 0"},
      {"too many rows", {.axis = 0}, {65537, 0}, "at most 65536 rows"},
      {"too many elements", {}, {1 << 16, 1 << 16}, "at most"},
      {"negative dimension", {}, {-1, 4}, "negative"},
  };
  for (const BadCase& c : cases) {
    SCOPED_TRACE(c.name);
    const absl::Status status = ValidateOptions(c.options, c.shape);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(status.message()), HasSubstr(c.message));
    const std::string reason = base::GetErrorDetails(status).reason;
    EXPECT_TRUE(reason == "BAD_OPTIONS" || reason == "LIMIT_EXCEEDED") << reason;
  }
}

TEST(ValidateOptions, AcceptsTheEdges) {
  for (int bits = 2; bits <= 6; ++bits) EXPECT_TRUE(ValidateOptions({.bits = bits}, {4, 4}).ok());
  EXPECT_TRUE(ValidateOptions({.bits = 8, .scheme = Scheme::kUniform}, {4}).ok());
  EXPECT_TRUE(
      ValidateOptions({.bits = 3, .scheme = Scheme::kThreshold, .mu_ratio = 16}, {4, 4}).ok());
  EXPECT_TRUE(ValidateOptions({.axis = 1, .groups = 4}, {4, 4}).ok());
  EXPECT_TRUE(ValidateOptions({}, {}).ok());
  EXPECT_TRUE(ValidateOptions({}, {65536, 0}).ok());
}

TEST(StoredOptions, KeepsOnlyWhatFilesKeep) {
  const TensorOptions threshold = {
      .bits = 3, .scheme = Scheme::kThreshold, .mu_ratio = 0.5, .axis = 1};
  EXPECT_EQ(StoredOptions(threshold), (TensorOptions{.bits = 3, .axis = 1}));
  EXPECT_EQ(StoredOptions({.bits = 2}).code_book, CodeBook::kPaper);
  EXPECT_EQ(StoredOptions({.bits = 8, .code_book = CodeBook::kPaper, .scheme = Scheme::kUniform})
                .code_book,
            CodeBook::kFull);
}

}  // namespace
}  // namespace lbw::quant
