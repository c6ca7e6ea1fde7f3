#include "quant/rows.h"

#include <numeric>
#include <vector>

#include "gtest/gtest.h"

namespace lbw::quant {
namespace {

struct LayoutCase {
  base::Shape shape;
  int axis;
  int groups;
};

// Walks every index of the tensor and files it under its row: the definition in words.
std::vector<std::vector<int64_t>> RowsByDefinition(const LayoutCase& c) {
  const int64_t axis_size = c.shape[static_cast<size_t>(c.axis)];
  std::vector<std::vector<int64_t>> rows(static_cast<size_t>(axis_size * c.groups));
  const int64_t elements =
      std::accumulate(c.shape.begin(), c.shape.end(), int64_t{1}, std::multiplies<>());
  for (int64_t flat = 0; flat < elements; ++flat) {
    std::vector<int64_t> index(c.shape.size());
    int64_t left = flat;
    for (size_t d = c.shape.size(); d-- > 0;) {
      index[d] = left % c.shape[d];
      left /= c.shape[d];
    }
    const int64_t group = c.groups == 1 ? 0 : index[0] / (c.shape[0] / c.groups);
    rows[static_cast<size_t>(group * axis_size + index[static_cast<size_t>(c.axis)])].push_back(
        flat);
  }
  return rows;
}

const LayoutCase kCases[] = {
    {{4, 3}, 0, 1},        {{4, 3}, 1, 1},       {{40, 37}, 1, 1},     {{5, 2, 3, 3}, 0, 1},
    {{5, 2, 3, 3}, 1, 1},  {{5, 2, 3, 4}, 2, 1}, {{5, 2, 3, 4}, 3, 1}, {{6, 5, 3, 3}, 1, 2},
    {{6, 20, 2, 2}, 1, 3}, {{6, 1, 3, 3}, 1, 6}, {{1, 1}, 0, 1},       {{2, 3, 50}, 2, 1},
};

TEST(RowLayout, FollowsTheDefinition) {
  for (const LayoutCase& c : kCases) {
    SCOPED_TRACE(base::ShapeToString(c.shape) + " axis " + std::to_string(c.axis) + " groups " +
                 std::to_string(c.groups));
    const auto expected = RowsByDefinition(c);
    const RowLayout layout = MakeRowLayout(c.shape, c.axis, c.groups);
    ASSERT_EQ(layout.rows, static_cast<int64_t>(expected.size()));
    ASSERT_EQ(layout.row_elements, static_cast<int64_t>(expected[0].size()));
    for (int64_t r = 0; r < layout.rows; ++r) {
      for (int64_t j = 0; j < layout.row_elements; ++j) {
        ASSERT_EQ(layout.Offset(r, j), expected[static_cast<size_t>(r)][static_cast<size_t>(j)]);
      }
    }
  }
}

TEST(RowReader, ReadsEveryRowAndScatterPutsItBack) {
  for (const LayoutCase& c : kCases) {
    SCOPED_TRACE(base::ShapeToString(c.shape));
    const RowLayout layout = MakeRowLayout(c.shape, c.axis, c.groups);
    std::vector<float> tensor(static_cast<size_t>(layout.rows * layout.row_elements));
    std::iota(tensor.begin(), tensor.end(), 1.0F);
    RowReader reader(layout, tensor);
    for (int64_t r = 0; r < layout.rows; ++r) {
      const auto row = reader.Row(r);
      ASSERT_EQ(static_cast<int64_t>(row.size()), layout.row_elements);
      for (int64_t j = 0; j < layout.row_elements; ++j) {
        ASSERT_EQ(row[static_cast<size_t>(j)], tensor[static_cast<size_t>(layout.Offset(r, j))]);
      }
    }
    std::vector<float> back(tensor.size());
    for (int64_t first = 0; first < layout.rows; first += BlockRowCount(layout, first)) {
      std::vector<float> block(
          static_cast<size_t>(BlockRowCount(layout, first) * layout.row_elements));
      GatherRows(layout, first, tensor, absl::MakeSpan(block));
      ScatterRows(layout, first, block, absl::MakeSpan(back));
    }
    EXPECT_EQ(back, tensor);
  }
}

TEST(RowLayout, TreatsScalarsVectorsAndEmptyTensors) {
  EXPECT_EQ(MakeRowLayout({}, 0, 1).rows, 1);
  EXPECT_EQ(MakeRowLayout({}, 0, 1).row_elements, 1);
  EXPECT_EQ(MakeRowLayout({7}, 0, 1).rows, 1);
  EXPECT_EQ(MakeRowLayout({7}, 0, 1).row_elements, 7);
  EXPECT_EQ(MakeRowLayout({0}, 0, 1).row_elements, 0);
  EXPECT_EQ(MakeRowLayout({3, 0}, 0, 1).rows, 3);
  EXPECT_EQ(MakeRowLayout({3, 0}, 0, 1).row_elements, 0);
  EXPECT_EQ(MakeRowLayout({0, 3}, 0, 1).rows, 0);
  EXPECT_EQ(MakeRowLayout({0, 3}, 1, 1).rows, 3);
  // The product of the other dimensions would overflow.
  EXPECT_EQ(MakeRowLayout({0, int64_t{1} << 40, int64_t{1} << 40}, 0, 1).row_elements, 0);
}

}  // namespace
}  // namespace lbw::quant
