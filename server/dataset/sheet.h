// A contact sheet: pictures in a grid with their boxes and labels drawn, names below.
#ifndef LBW_DATASET_SHEET_H_
#define LBW_DATASET_SHEET_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "dataset/pack.h"

namespace lbw::dataset {

struct SheetOptions {
  std::string split = {};       // "": all
  std::string class_name = {};  // only pictures with it; "": all
  int columns = 6;              // 1..12
  int rows = 4;                 // 1..12
  uint64_t seed = 0;            // 0: the first pictures; else a choice
  int cell_px = 240;            // 64..640
};
struct Sheet {
  std::string png;
  int pictures = 0;
};
// The whole sheet is at most this large, so that its PNG fits into a message.
inline constexpr int64_t kMaxSheetPixels = 16'000'000;
// A picture that cannot be read shows its error in its cell. Errors: kInvalidArgument - an option,
// an unknown split or class; kNotFound - no picture fits; kInternal.
absl::StatusOr<Sheet> RenderSheet(const Pack& pack, const SheetOptions& options);

}  // namespace lbw::dataset

#endif  // LBW_DATASET_SHEET_H_
