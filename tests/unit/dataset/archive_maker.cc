#include "unit/dataset/archive_maker.h"

#include <archive.h>
#include <archive_entry.h>

#include <cstdio>

#include "base/status.h"
#include "dataset/archive_source.h"

namespace lbw::dataset {
namespace {

la_ssize_t Collect(archive*, void* out, const void* data, size_t count) {
  static_cast<std::string*>(out)->append(static_cast<const char*>(data), count);
  return static_cast<la_ssize_t>(count);
}

int64_t SizeOf(const Item& item) {
  return static_cast<int64_t>(item.size_bytes != 0 ? item.size_bytes : item.content.size());
}

void Describe(const Item& item, archive_entry* entry) {
  archive_entry_copy_pathname(entry, item.name.c_str());
  archive_entry_set_perm(entry, 0644);
  archive_entry_set_mtime(entry, 1'700'000'000, 0);
  archive_entry_set_size(entry, item.kind == Kind::kFile ? SizeOf(item) : 0);
  switch (item.kind) {
    case Kind::kFile:
      archive_entry_set_filetype(entry, AE_IFREG);
      break;
    case Kind::kFolder:
      archive_entry_set_filetype(entry, AE_IFDIR);
      break;
    case Kind::kSymlink:
      archive_entry_set_filetype(entry, AE_IFLNK);
      archive_entry_set_symlink(entry, item.content.c_str());
      break;
    case Kind::kHardLink:
      archive_entry_set_filetype(entry, AE_IFREG);
      archive_entry_set_hardlink(entry, item.content.c_str());
      break;
    case Kind::kDevice:
      archive_entry_set_filetype(entry, AE_IFCHR);
      break;
    case Kind::kFifo:
      archive_entry_set_filetype(entry, AE_IFIFO);
      break;
  }
  for (const auto& [offset, length] : item.stored) {
    archive_entry_sparse_add_entry(entry, static_cast<int64_t>(offset),
                                   static_cast<int64_t>(length));
  }
}

void WriteItem(const Item& item, archive* out) {
  archive_entry* entry = archive_entry_new();
  Describe(item, entry);
  LBW_CHECK(archive_write_header(out, entry) == ARCHIVE_OK);
  if (item.kind == Kind::kFile) {
    std::string content = item.content;
    if (!item.stored.empty()) {
      content.assign(static_cast<size_t>(SizeOf(item)), '\0');
      size_t at = 0;
      for (const auto& [offset, length] : item.stored) {
        content.replace(offset, length, item.content, at, length);
        at += length;
      }
    }
    LBW_CHECK(content.empty() || archive_write_data(out, content.data(), content.size()) > 0);
  }
  archive_entry_free(entry);
}

}  // namespace

std::string MakeArchive(const std::vector<Item>& items, const Shape& shape) {
  const Utf8Locale utf8;
  std::string bytes;
  archive* out = archive_write_new();
  LBW_CHECK(archive_write_set_format_by_name(out, shape.format.c_str()) == ARCHIVE_OK);
  if (shape.filter != "none") {
    LBW_CHECK(archive_write_add_filter_by_name(out, shape.filter.c_str()) == ARCHIVE_OK);
  }
  if (shape.encrypted) {
    LBW_CHECK(archive_write_set_options(out, "zip:encryption=zipcrypt") == ARCHIVE_OK);
    LBW_CHECK(archive_write_set_passphrase(out, "secret") == ARCHIVE_OK);
  }
  archive_write_set_bytes_in_last_block(out, 1);
  LBW_CHECK(archive_write_open(out, &bytes, nullptr, &Collect, nullptr) == ARCHIVE_OK);
  for (const Item& item : items) WriteItem(item, out);
  LBW_CHECK(archive_write_free(out) == ARCHIVE_OK);
  return bytes;
}

std::string Compress(std::string_view bytes, const std::string& filter) {
  return MakeArchive({{"data", std::string(bytes)}}, {"raw", filter});
}

std::string TarHeader(const std::string& name, uint64_t size_bytes, char type) {
  std::string header(512, '\0');
  const auto put = [&header](size_t at, const std::string& text) {
    header.replace(at, text.size(), text);
  };
  char digits[16];
  put(0, name);
  put(100, "0000644");
  put(108, "0000000");
  put(116, "0000000");
  std::snprintf(digits, sizeof(digits), "%011llo", static_cast<unsigned long long>(size_bytes));
  // More than eleven octal digits hold: base 256.
  if (size_bytes >= uint64_t{1} << 33) {
    header[124] = static_cast<char>(0x80);
    for (size_t i = 0; i < 8; ++i) {
      header[135 - i] = static_cast<char>(size_bytes >> (8 * i) & 0xFF);
    }
  } else {
    put(124, digits);
  }
  put(136, "14524000000");
  put(148, "        ");
  header[156] = type;
  put(257, std::string("ustar\0", 6) + "00");
  unsigned sum = 0;
  for (const char c : header) sum += static_cast<unsigned char>(c);
  std::snprintf(digits, sizeof(digits), "%06o", sum);
  put(148, std::string(digits) + std::string("\0 ", 2));
  return header;
}

}  // namespace lbw::dataset
