// Archives of any kind, good and bad, for tests.
#ifndef LBW_TESTS_UNIT_DATASET_ARCHIVE_MAKER_H_
#define LBW_TESTS_UNIT_DATASET_ARCHIVE_MAKER_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lbw::dataset {

enum class Kind { kFile, kFolder, kSymlink, kHardLink, kDevice, kFifo };
struct Item {
  std::string name;
  std::string content;
  Kind kind = Kind::kFile;
  // With holes: where the content lies; its pieces fill these, the rest of the size is a hole.
  std::vector<std::pair<uint64_t, uint64_t>> stored = {};  // offset, length
  uint64_t size_bytes = 0;                                 // 0: the content's
};

// format: zip, ustar, pax, gnutar, raw; filter: none, gzip, bzip2, xz, zstd.
struct Shape {
  std::string format = "pax";
  std::string filter = "none";
  bool encrypted = false;  // zip
};
// Aborts where libarchive refuses.
std::string MakeArchive(const std::vector<Item>& items, const Shape& shape);
// bytes behind a filter.
std::string Compress(std::string_view bytes, const std::string& filter);
// A ustar header by hand, so that it may lie about the size.
std::string TarHeader(const std::string& name, uint64_t size_bytes, char type = '0');

}  // namespace lbw::dataset

#endif  // LBW_TESTS_UNIT_DATASET_ARCHIVE_MAKER_H_
