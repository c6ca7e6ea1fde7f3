#include "dataset/tree_stream.h"

#include <algorithm>

#include "base/status.h"
#include "base/strings.h"
#include "dataset/text.h"

namespace lbw::dataset {

absl::StatusOr<TreeStream> TreeStream::Open(const FileTree& tree, std::string_view path,
                                            uint64_t max_bytes, Ticker& ticker) {
  LBW_ASSIGN_OR_RETURN(const FileTree::Entry entry, tree.Locate(path, max_bytes));
  return TreeStream(tree, entry, ticker);
}

absl::StatusOr<std::string_view> TreeStream::Next() {
  const auto count =
      static_cast<size_t>(std::min<uint64_t>(entry_.size_bytes - offset_, kPieceBytes));
  LBW_RETURN_IF_ERROR(ticker_->Bytes(count));
  piece_.resize(count);
  LBW_RETURN_IF_ERROR(tree_->ReadAt(
      entry_, offset_, absl::MakeSpan(reinterpret_cast<std::byte*>(piece_.data()), count)));
  offset_ += count;
  return std::string_view(piece_);
}

absl::StatusOr<LineReader> LineReader::Open(const FileTree& tree, const std::string& path,
                                            uint64_t max_bytes, uint64_t max_line_bytes,
                                            Ticker& ticker) {
  LBW_ASSIGN_OR_RETURN(TreeStream stream, TreeStream::Open(tree, path, max_bytes, ticker));
  return LineReader(std::move(stream), path, max_line_bytes);
}

absl::StatusOr<bool> LineReader::Take() {
  line_.clear();
  bool any = false;
  while (true) {
    if (rest_.empty()) {
      LBW_ASSIGN_OR_RETURN(rest_, stream_.Next());
      if (rest_.empty()) break;
    }
    if (after_return_ && rest_.front() == '\n') {
      after_return_ = false;
      rest_.remove_prefix(1);
      continue;
    }
    after_return_ = false;
    any = true;
    const size_t end = std::min(rest_.find_first_of("\r\n"), rest_.size());
    if (line_.size() + end > max_line_bytes_) {
      return base::Error(
          absl::StatusCode::kInvalidArgument, base::reason::kLimitExceeded,
          base::StrCat(Shown(path_), " line ", number_ + 1, " is longer than the limit: bytes>",
                       max_line_bytes_, " limit=", max_line_bytes_));
    }
    line_.append(rest_.substr(0, end));
    const bool ended = end < rest_.size();
    if (ended) after_return_ = rest_[end] == '\r';
    rest_.remove_prefix(std::min(end + 1, rest_.size()));
    if (ended) break;
  }
  if (any) ++number_;
  return any;
}

absl::StatusOr<bool> LineReader::Next() {
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  while (true) {
    LBW_ASSIGN_OR_RETURN(const bool more, Take());
    if (!more) return false;
    if (number_ == 1 && line_.compare(0, kByteOrderMark.size(), kByteOrderMark) == 0) {
      line_.erase(0, kByteOrderMark.size());
    }
    if (line_.find_first_not_of(" \t") != std::string::npos) return true;
  }
}

}  // namespace lbw::dataset
