#include "client/cpp/table.h"

#include <algorithm>
#include <utility>

#include "base/status.h"
#include "client/cpp/format.h"

namespace lbw::client {
namespace {

std::string Aligned(const std::string& cell, size_t width, Align align) {
  const size_t taken = DisplayWidth(cell);
  const std::string padding(width > taken ? width - taken : 0, ' ');
  return align == Align::kRight ? padding + cell : cell + padding;
}

}  // namespace

Table::Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

void Table::AddRow(std::vector<std::string> cells) {
  LBW_CHECK(cells.size() <= columns_.size());
  for (std::string& cell : cells) cell = Printable(cell);
  cells.resize(columns_.size());
  rows_.push_back(std::move(cells));
}

void Table::AddSeparator() { rows_.emplace_back(); }

std::string Table::Render(int indent) const {
  std::vector<size_t> widths;
  bool has_header = false;
  for (const Column& column : columns_) {
    widths.push_back(DisplayWidth(column.title));
    has_header = has_header || !column.title.empty();
  }
  for (const auto& row : rows_) {
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], DisplayWidth(row[i]));
  }
  std::string out;
  const auto add_line = [&](const std::vector<std::string>& cells) {
    std::string line(static_cast<size_t>(indent), ' ');
    for (size_t i = 0; i < columns_.size(); ++i) {
      if (i > 0) line += "  ";
      line += cells.empty() ? std::string(widths[i], '-')
                            : Aligned(cells[i], widths[i], columns_[i].align);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + "\n";
  };
  if (has_header) {
    std::vector<std::string> titles;
    for (const Column& column : columns_) titles.push_back(column.title);
    add_line(titles);
  }
  for (const auto& row : rows_) add_line(row);
  return out;
}

}  // namespace lbw::client
