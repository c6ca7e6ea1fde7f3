#include "client/cpp/table.h"

#include "gtest/gtest.h"

namespace lbw::client {
namespace {

TEST(Table, AlignsColumnsAndEndsNoLineInSpaces) {
  Table table({{"name"}, {"bytes", Align::kRight}, {"note"}});
  table.AddRow({"conv1.weight", "36.8 KiB", ""});
  table.AddRow({"fc", "8.00 MiB", "kept"});
  table.AddSeparator();
  table.AddRow({"total", "8.04 MiB"});
  EXPECT_EQ(table.Render(),
            "name             bytes  note\n"
            "conv1.weight  36.8 KiB\n"
            "fc            8.00 MiB  kept\n"
            "------------  --------  ----\n"
            "total         8.04 MiB\n");
}

TEST(Table, WithoutTitlesThereIsNoHeader) {
  Table table({{""}, {""}});
  table.AddRow({"server", "up"});
  EXPECT_EQ(table.Render(2), "  server  up\n");
  EXPECT_EQ(Table({{""}}).Render(), "");
}

TEST(Table, CountsCodePointsAndDefusesControls) {
  Table table({{"a"}, {"b"}});
  table.AddRow({"\xC3\xBC\xC3\xBC", "x"});
  table.AddRow({"abc", "\x1b[2Jy\nz"});
  EXPECT_EQ(table.Render(),
            "a    b\n"
            "\xC3\xBC\xC3\xBC   x\n"
            "abc  ?[2Jy?z\n");
}

}  // namespace
}  // namespace lbw::client
