// A table of text with aligned columns. Pure.
//
// Columns are as wide as their widest cell and two spaces apart; no line ends in spaces.
#ifndef LBW_CLIENT_TABLE_H_
#define LBW_CLIENT_TABLE_H_

#include <string>
#include <vector>

namespace lbw::client {

enum class Align { kLeft, kRight };

struct Column {
  std::string title;
  Align align = Align::kLeft;
};

// Threads: one at a time.
class Table {
 public:
  // All titles empty: no header line is printed.
  explicit Table(std::vector<Column> columns);

  // Fewer cells than columns leave the rest empty; more are a broken invariant.
  // Cells pass through Printable.
  void AddRow(std::vector<std::string> cells);
  // A line of dashes between the rows before and after it.
  void AddSeparator();

  bool empty() const { return rows_.empty(); }
  // Every line ends in a newline and starts with indent spaces.
  std::string Render(int indent = 0) const;

 private:
  const std::vector<Column> columns_;
  // A row without cells is a separator.
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace lbw::client

#endif  // LBW_CLIENT_TABLE_H_
