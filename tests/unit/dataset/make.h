// Small datasets and packs for tests.
#ifndef LBW_TESTS_UNIT_DATASET_MAKE_H_
#define LBW_TESTS_UNIT_DATASET_MAKE_H_

#include <memory>
#include <string>
#include <utility>

#include "base/status.h"
#include "dataset/pack.h"

namespace lbw::dataset {

// Three pictures with everything that a dataset can hold, and their "pictures" (any bytes).
inline std::pair<Dataset, std::string> HandMade() {
  Dataset dataset;
  dataset.task = Task::kDetection;
  dataset.format = Format::kCoco;
  dataset.pixel_rule = PixelRule::kContinuous;
  dataset.classes = {"cat", "d\"o\\g\n", "\xE5\x9B\xBE"};
  dataset.splits = {"train", "val"};
  const std::string bytes = "..first-second--third";
  Picture a{"a.jpg", 640, 480, {0}, {}, std::nullopt, 2, 5};
  a.annotations = {{{1.5F, 2.25F, 100.1F, 33.3333321F}, 0, false, false, 1234.5678901234},
                   {{0, 0, 1, 1}, 2, true, true, std::nullopt}};
  Picture b{"dir/b \"q\".png", 1, 2, {0, 1}, {}, 1, 8, 8};
  Picture c{"z", 40'000, 7, {}, {}, std::nullopt, 16, 5};
  c.annotations = {{{-0.0F, 1e-30F, 3e30F, 16777217.0F}, 1, false, true, 0.1}};
  dataset.pictures = {a, b, c};
  return {dataset, bytes};
}

inline std::string PackBytes(const Dataset& dataset, const std::string& pictures) {
  base::StringSink sink;
  const absl::Status status = WritePack(dataset, base::StringReader(pictures), sink);
  LBW_CHECK(status.ok());
  return sink.Take();
}

inline absl::StatusOr<Pack> OpenPack(std::string bytes) {
  return Pack::Open(std::make_shared<base::StringReader>(std::move(bytes)));
}

}  // namespace lbw::dataset

#endif  // LBW_TESTS_UNIT_DATASET_MAKE_H_
