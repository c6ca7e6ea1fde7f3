#include "base/dtype.h"

#include <gtest/gtest.h>

#include <array>

namespace lbw::base {
namespace {

struct Case {
  DType dtype;
  std::string_view name;
  size_t size;
  bool floating;
};

constexpr std::array<Case, 13> kCases = {{{DType::kBool, "BOOL", 1, false},
                                          {DType::kU8, "U8", 1, false},
                                          {DType::kI8, "I8", 1, false},
                                          {DType::kU16, "U16", 2, false},
                                          {DType::kI16, "I16", 2, false},
                                          {DType::kU32, "U32", 4, false},
                                          {DType::kI32, "I32", 4, false},
                                          {DType::kU64, "U64", 8, false},
                                          {DType::kI64, "I64", 8, false},
                                          {DType::kF16, "F16", 2, true},
                                          {DType::kBF16, "BF16", 2, true},
                                          {DType::kF32, "F32", 4, true},
                                          {DType::kF64, "F64", 8, true}}};

TEST(DType, EveryTypeHasItsNameSizeAndKind) {
  for (const Case& c : kCases) {
    EXPECT_EQ(Name(c.dtype), c.name);
    EXPECT_EQ(DTypeFromName(c.name), c.dtype);
    EXPECT_EQ(SizeOf(c.dtype), c.size) << c.name;
    EXPECT_EQ(IsFloating(c.dtype), c.floating) << c.name;
  }
}

TEST(DType, UnknownNamesGiveNothing) {
  for (const std::string_view name : {"", "f32", "F32 ", "FLOAT", "F8_E4M3", "?"}) {
    EXPECT_FALSE(DTypeFromName(name).has_value()) << name;
  }
}

}  // namespace
}  // namespace lbw::base
