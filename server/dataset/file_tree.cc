#include "dataset/file_tree.h"

#include "base/status.h"
#include "dataset/file_tree_builder.h"
#include "dataset/text.h"

namespace lbw::dataset {

absl::StatusOr<FileTree::Entry> FileTree::Locate(std::string_view path, uint64_t max_bytes) const {
  const auto found = files_.find(path);
  if (found == files_.end()) {
    return base::Error(absl::StatusCode::kNotFound, base::reason::kNotFound,
                       base::StrCat("no file ", Shown(path), " in the dataset"));
  }
  if (found->second.size_bytes > max_bytes) {
    return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kLimitExceeded,
                       base::StrCat(Shown(path), " is larger than the limit: bytes=",
                                    found->second.size_bytes, " limit=", max_bytes));
  }
  return found->second;
}

absl::Status FileTree::ReadAt(const Entry& entry, uint64_t offset,
                              absl::Span<std::byte> out) const {
  LBW_CHECK(offset <= entry.size_bytes && out.size() <= entry.size_bytes - offset);
  return bytes_->ReadAt(entry.offset + offset, out);
}

absl::StatusOr<std::string> FileTree::Read(std::string_view path, uint64_t max_bytes) const {
  LBW_ASSIGN_OR_RETURN(const Entry entry, Locate(path, max_bytes));
  std::string bytes(static_cast<size_t>(entry.size_bytes), '\0');
  LBW_RETURN_IF_ERROR(
      ReadAt(entry, 0, absl::MakeSpan(reinterpret_cast<std::byte*>(bytes.data()), bytes.size())));
  return bytes;
}

FileTree MakeFileTree(const std::map<std::string, std::string>& files) {
  FileTreeBuilder builder;
  std::string bytes;
  for (const auto& [path, content] : files) {
    builder.Add(path, {bytes.size(), content.size()});
    bytes += content;
  }
  return builder.Finish(std::make_shared<base::StringReader>(std::move(bytes)));
}

}  // namespace lbw::dataset
