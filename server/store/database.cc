#include "store/database.h"

#include "base/status.h"

namespace lbw::store {
namespace {

const std::string& Empty() {
  static const std::string* const empty = new std::string;
  return *empty;
}

}  // namespace

const Value& Row::At(size_t column) const {
  LBW_CHECK(column < values_.size());
  return values_[column];
}

bool Row::IsNull(size_t column) const { return std::holds_alternative<std::monostate>(At(column)); }

int64_t Row::Int(size_t column) const { return OptionalInt(column).value_or(0); }

double Row::Double(size_t column) const {
  const auto* value = std::get_if<double>(&At(column));
  return value == nullptr ? 0.0 : *value;
}

const std::string& Row::Text(size_t column) const {
  const auto* value = std::get_if<std::string>(&At(column));
  return value == nullptr ? Empty() : *value;
}

std::optional<int64_t> Row::OptionalInt(size_t column) const {
  const auto* value = std::get_if<int64_t>(&At(column));
  return value == nullptr ? std::nullopt : std::optional<int64_t>(*value);
}

const std::string& Row::Blob(size_t column) const {
  const auto* value = std::get_if<Bytes>(&At(column));
  return value == nullptr ? Empty() : value->data;
}

}  // namespace lbw::store
