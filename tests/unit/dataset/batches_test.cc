#include "dataset/batches.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <numeric>
#include <optional>
#include <set>

#include "absl/synchronization/mutex.h"
#include "base/status.h"
#include "unit/dataset/make.h"

namespace lbw::dataset {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

constexpr int64_t kSide = 12;
constexpr size_t kDarkest = 100;  // room for recolouring

// Counts what is read, and fails where it is told to.
class CountingReader final : public base::RandomAccessReader {
 public:
  explicit CountingReader(std::string bytes) : bytes_(std::move(bytes)) {}
  uint64_t size() const override { return bytes_.size(); }
  absl::Status ReadAt(uint64_t offset, absl::Span<std::byte> out) const override {
    ++reads;
    if (fail) return absl::UnavailableError("the disk is away");
    return bytes_.ReadAt(offset, out);
  }
  mutable std::atomic<int64_t> reads{0};
  std::atomic<bool> fail{false};

 private:
  const base::StringReader bytes_;
};

struct Source {
  std::shared_ptr<CountingReader> reader;
  std::optional<Pack> pack;
};

// count pictures, each of one colour, with a box and the class of its index modulo 3; those of
// `broken` end too early.
Source MakeSource(size_t count, const std::set<size_t>& broken = {}, Task task = Task::kDetection) {
  Dataset dataset;
  dataset.task = task;
  dataset.pixel_rule = PixelRule::kContinuous;
  dataset.classes = {"a", "b", "c"};
  dataset.splits = {"all"};
  std::string bytes;
  for (size_t i = 0; i < count; ++i) {
    const detect::Image image{kSide, kSide,
                              std::vector<uint8_t>(static_cast<size_t>(kSide * kSide * 3),
                                                   static_cast<uint8_t>(kDarkest + i))};
    std::string png = *detect::EncodeImage(image, detect::ImageFormat::kPng);
    if (broken.count(i) != 0) png.resize(png.size() / 2);
    Picture picture{"p" + std::to_string(1'000 + i),
                    kSide,
                    kSide,
                    {0},
                    {},
                    std::nullopt,
                    bytes.size(),
                    png.size()};
    const auto class_index = static_cast<int32_t>(i % 3);
    if (task == Task::kDetection) {
      picture.annotations = {{{2, 2, 8, 10}, class_index, i % 2 == 1, false, std::nullopt}};
    } else {
      picture.label = class_index;
    }
    bytes += png;
    dataset.pictures.push_back(std::move(picture));
  }
  Source source;
  source.reader = std::make_shared<CountingReader>(PackBytes(dataset, bytes));
  auto pack = Pack::Open(source.reader);
  LBW_CHECK(pack.ok());
  source.pack = *std::move(pack);
  source.reader->reads = 0;
  return source;
}

detect::InputSpec Input() {
  detect::InputSpec input;
  input.height = 10;
  input.width = 14;
  return input;
}

std::vector<size_t> All(const Source& source) {
  std::vector<size_t> pictures(source.pack->dataset().pictures.size());
  std::iota(pictures.begin(), pictures.end(), size_t{0});
  return pictures;
}

BatchOptions Options(const Source& source, int64_t batch, int threads = 2) {
  BatchOptions options;
  options.pictures = All(source);
  options.batch = batch;
  options.seed = 17;
  options.threads = threads;
  options.augmentation = {
      .flip = 0.5, .crop = 0.5, .zoom_out = 0.5, .photometric = 0.8, .shift = 0.2};
  return options;
}

std::unique_ptr<Batches> Open(const Source& source, const BatchOptions& options) {
  auto batches = Batches::Open(*source.pack, Input(), options);
  LBW_CHECK(batches.ok());
  return *std::move(batches);
}

Batch Take(Batches& batches) {
  auto batch = batches.Next();
  LBW_CHECK(batch.ok());
  return *std::move(batch);
}

std::vector<Batch> TakeMany(Batches& batches, int count) {
  std::vector<Batch> taken;
  for (int i = 0; i < count; ++i) taken.push_back(Take(batches));
  return taken;
}

void ExpectSame(const Batch& a, const Batch& b) {
  EXPECT_EQ(a.epoch, b.epoch);
  EXPECT_EQ(a.step, b.step);
  EXPECT_EQ(a.values, b.values);
  EXPECT_EQ(a.labels, b.labels);
  EXPECT_EQ(a.pictures, b.pictures);
  ASSERT_EQ(a.boxes.size(), b.boxes.size());
  for (size_t i = 0; i < a.boxes.size(); ++i) {
    ASSERT_EQ(a.boxes[i].size(), b.boxes[i].size());
    for (size_t k = 0; k < a.boxes[i].size(); ++k) {
      EXPECT_EQ(a.boxes[i][k].box, b.boxes[i][k].box);
      EXPECT_EQ(a.boxes[i][k].class_index, b.boxes[i][k].class_index);
      EXPECT_EQ(a.boxes[i][k].difficult, b.boxes[i][k].difficult);
    }
  }
}

TEST(Batches, HoldWhatTheirSamplesAre) {
  const Source source = MakeSource(6);
  BatchOptions options = Options(source, 3);
  options.augmentation = {};
  const auto batches = Open(source, options);
  EXPECT_EQ(batches->steps_an_epoch(), 2);
  const Batch batch = Take(*batches);
  EXPECT_EQ(batch.values.size(), 3U * 3 * 10 * 14);
  EXPECT_GE(batch.waited_seconds, 0);
  ASSERT_EQ(batch.pictures.size(), 3U);
  ASSERT_EQ(batch.boxes.size(), 3U);
  EXPECT_THAT(batch.labels, ElementsAre(-1, -1, -1));
  for (size_t i = 0; i < 3; ++i) {
    const size_t picture = batch.pictures[i];
    EXPECT_EQ(batch.values[i * 420], static_cast<float>(kDarkest + picture));
    EXPECT_EQ(batch.values[i * 420 + 419], static_cast<float>(kDarkest + picture));
    ASSERT_EQ(batch.boxes[i].size(), 1U);
    EXPECT_EQ(batch.boxes[i][0].class_index, static_cast<int32_t>(picture % 3));
    EXPECT_EQ(batch.boxes[i][0].difficult, picture % 2 == 1);
    EXPECT_NEAR(batch.boxes[i][0].box.w, 0.5F, 1e-6F);
  }
}

TEST(Batches, AnEpochHasEveryPictureOnceAndTheNextAnotherOrder) {
  const Source source = MakeSource(24);
  const auto batches = Open(source, Options(source, 4));
  std::vector<std::vector<size_t>> epochs(3);
  for (int64_t e = 0; e < 3; ++e) {
    for (int64_t s = 0; s < 6; ++s) {
      const Batch batch = Take(*batches);
      EXPECT_EQ(batch.epoch, e);
      EXPECT_EQ(batch.step, s);
      std::vector<size_t>& order = epochs[static_cast<size_t>(e)];
      order.insert(order.end(), batch.pictures.begin(), batch.pictures.end());
    }
  }
  for (std::vector<size_t> order : epochs) {
    EXPECT_NE(order, All(source));
    std::sort(order.begin(), order.end());
    EXPECT_EQ(order, All(source));
  }
  EXPECT_NE(epochs[0], epochs[1]);
  EXPECT_NE(epochs[1], epochs[2]);
}

TEST(Batches, DropTheLastPartialBatch) {
  const Source source = MakeSource(11);
  const auto batches = Open(source, Options(source, 4));
  EXPECT_EQ(batches->steps_an_epoch(), 2);
  std::set<size_t> seen;
  for (const Batch& batch : TakeMany(*batches, 2)) {
    EXPECT_EQ(batch.epoch, 0);
    seen.insert(batch.pictures.begin(), batch.pictures.end());
  }
  EXPECT_EQ(seen.size(), 8U);
  EXPECT_EQ(Take(*batches).epoch, 1);
}

// More steps than there are pictures for, and a batch larger than the set: the same permutation
// again, with other chances.
TEST(Batches, GoRoundAgainWhereAnEpochIsLongerThanTheSet) {
  const Source source = MakeSource(3);
  BatchOptions options = Options(source, 4);
  EXPECT_EQ(Open(source, options)->steps_an_epoch(), 1);
  options.steps_an_epoch = 3;
  const auto batches = Open(source, options);
  EXPECT_EQ(batches->steps_an_epoch(), 3);
  std::vector<size_t> order;
  std::vector<std::vector<float>> samples;
  for (const Batch& batch : TakeMany(*batches, 3)) {
    EXPECT_EQ(batch.epoch, 0);
    order.insert(order.end(), batch.pictures.begin(), batch.pictures.end());
    for (size_t i = 0; i < 4; ++i) {
      const auto begin = batch.values.begin() + static_cast<ptrdiff_t>(i * 420);
      samples.emplace_back(begin, begin + 420);
    }
  }
  ASSERT_EQ(order.size(), 12U);
  for (size_t i = 3; i < 12; ++i) EXPECT_EQ(order[i], order[i - 3]);
  std::set<std::vector<float>> different(samples.begin(), samples.end());
  EXPECT_GT(different.size(), 6U);
  EXPECT_EQ(Take(*batches).epoch, 1);
}

TEST(Batches, AreTheSameForOneAndManyThreadsAndAnyDistanceAhead) {
  const Source source = MakeSource(23, {4, 5, 19});
  const auto one = Open(source, Options(source, 5, 1));
  const std::vector<Batch> expected = TakeMany(*one, 13);
  for (const int threads : {3, 8}) {
    for (const int ahead : {1, 9}) {
      BatchOptions options = Options(source, 5, threads);
      options.ahead = ahead;
      const auto many = Open(source, options);
      for (const Batch& batch : expected) ExpectSame(Take(*many), batch);
    }
  }
}

TEST(Batches, DependOnTheSeed) {
  const Source source = MakeSource(12);
  BatchOptions options = Options(source, 12);
  const Batch first = Take(*Open(source, options));
  options.seed = 18;
  const Batch second = Take(*Open(source, options));
  EXPECT_NE(first.pictures, second.pictures);
  EXPECT_NE(first.values, second.values);
}

TEST(Batches, SeekGoesAnywhere) {
  const Source source = MakeSource(23, {7});
  const BatchOptions options = Options(source, 5, 3);
  const std::vector<Batch> expected = TakeMany(*Open(source, options), 20);
  const auto batches = Open(source, options);
  const auto at = [&](int64_t epoch, int64_t step) -> const Batch& {
    return expected.at(static_cast<size_t>(epoch * 4 + step));
  };
  batches->Seek(3, 1);
  ExpectSame(Take(*batches), at(3, 1));
  ExpectSame(Take(*batches), at(3, 2));
  batches->Seek(0, 0);
  ExpectSame(Take(*batches), at(0, 0));
  batches->Seek(4, 3);
  batches->Seek(1, 3);
  ExpectSame(Take(*batches), at(1, 3));
  ExpectSame(Take(*batches), at(2, 0));
  batches->Seek(0, 13);  // steps count on
  ExpectSame(Take(*batches), at(3, 1));
}

TEST(Batches, ReplaceBrokenPicturesByTheNextOfTheEpoch) {
  const Source whole = MakeSource(10);
  const std::set<size_t> broken = {2, 3, 9};
  const Source source = MakeSource(10, broken);
  const auto expected = Open(whole, Options(whole, 10));
  const auto batches = Open(source, Options(source, 10, 3));
  for (int epoch = 0; epoch < 6; ++epoch) {
    const std::vector<size_t> order = Take(*expected).pictures;
    const Batch batch = Take(*batches);
    for (size_t place = 0; place < 10; ++place) {
      size_t next = place;
      while (broken.count(order[next % 10]) != 0) ++next;
      EXPECT_EQ(batch.pictures[place], order[next % 10]) << "epoch " << epoch << " place " << place;
    }
  }
  const auto failures = batches->TakeFailures();
  ASSERT_EQ(failures.size(), 3U);
  for (const auto& failure : failures) {
    EXPECT_EQ(broken.count(failure.first), 1U);
    EXPECT_EQ(base::GetErrorDetails(failure.second).reason, "BAD_IMAGE") << failure.second;
  }
  // Told once, however often they are met.
  TakeMany(*batches, 10);
  batches->Seek(0, 0);
  TakeMany(*batches, 3);
  EXPECT_THAT(batches->TakeFailures(), IsEmpty());
}

// A run that goes on meets its defects elsewhere first, and makes the same batches.
TEST(Batches, ReplaceTheSameWhereverTheyBegin) {
  const Source source = MakeSource(12, {0, 1, 2, 3, 4, 5});
  const BatchOptions options = Options(source, 4, 2);
  const std::vector<Batch> expected = TakeMany(*Open(source, options), 9);
  for (int64_t begin = 0; begin < 9; ++begin) {
    const auto batches = Open(source, options);
    batches->Seek(begin / 3, begin % 3);
    for (size_t i = static_cast<size_t>(begin); i < 9; ++i) ExpectSame(Take(*batches), expected[i]);
  }
}

TEST(Batches, TellThatNoPictureCanBeRead) {
  const Source source = MakeSource(3, {0, 1, 2});
  const auto batches = Open(source, Options(source, 2));
  for (int i = 0; i < 2; ++i) {  // it stays
    const absl::Status status = batches->Next().status();
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
    EXPECT_EQ(base::GetErrorDetails(status).reason, "BAD_DATASET");
    EXPECT_THAT(std::string(status.message()), HasSubstr("none of 3 pictures"));
    EXPECT_THAT(std::string(status.message()), HasSubstr("p100"));
  }
  EXPECT_EQ(batches->TakeFailures().size(), 3U);
}

// A disk that fails says nothing about pictures: other batches than those of an undisturbed run
// must not come out.
TEST(Batches, EndWithADiskThatFailsAndGoOnAfterSeek) {
  const Source source = MakeSource(8);
  const BatchOptions options = Options(source, 4);
  const std::vector<Batch> expected = TakeMany(*Open(source, options), 2);
  source.reader->fail = true;
  const auto batches = Open(source, options);
  EXPECT_EQ(batches->Next().status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(batches->Next().status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(batches->TakeFailures(), IsEmpty());
  source.reader->fail = false;
  batches->Seek(0, 0);
  ExpectSame(Take(*batches), expected[0]);
  ExpectSame(Take(*batches), expected[1]);
}

TEST(Batches, CarryLabelsOfClassifiers) {
  const Source source = MakeSource(9, {}, Task::kClassification);
  const auto batches = Open(source, Options(source, 9));
  const Batch batch = Take(*batches);
  for (size_t i = 0; i < 9; ++i) {
    EXPECT_EQ(batch.labels[i], static_cast<int32_t>(batch.pictures[i] % 3));
    EXPECT_THAT(batch.boxes[i], IsEmpty());
  }
}

TEST(Batches, TakeOnlyThePicturesTheyAreGiven) {
  const Source source = MakeSource(9);
  BatchOptions options = Options(source, 3);
  options.pictures = {8, 1, 5};
  const auto batches = Open(source, options);
  for (const Batch& batch : TakeMany(*batches, 5)) {
    EXPECT_THAT(batch.pictures, UnorderedElementsAre(1U, 5U, 8U));
  }
}

TEST(Batches, ReadNoFurtherAheadThanTheyMay) {
  const Source source = MakeSource(64);
  BatchOptions options = Options(source, 4, 3);
  options.ahead = 2;
  const auto batches = Open(source, options);
  for (int64_t taken = 1; taken <= 40; ++taken) {
    Take(*batches);
    EXPECT_LE(source.reader->reads, (taken + 2) * 4);
    EXPECT_GE(source.reader->reads, taken * 4);
  }
}

TEST(Batches, EndWithoutMakingWhatIsAhead) {
  const Source source = MakeSource(64);
  BatchOptions options = Options(source, 4'096, 2);
  options.ahead = 64;
  Open(source, options).reset();
  EXPECT_LT(source.reader->reads, 64 * 4'096);
}

TEST(Batches, RefuseWhatTheyCannotDo) {
  const Source source = MakeSource(4);
  BatchOptions none = Options(source, 2);
  none.pictures.clear();
  const absl::Status status = Batches::Open(*source.pack, Input(), none).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(base::GetErrorDetails(status).reason, "BAD_DATASET");

  const auto refused = [&](const BatchOptions& options, const std::string& field) {
    const absl::Status bad = Batches::Open(*source.pack, Input(), options).status();
    EXPECT_EQ(bad.code(), absl::StatusCode::kInvalidArgument) << field << " " << bad;
    EXPECT_THAT(base::GetErrorDetails(bad).fields, ElementsAre(field));
  };
  const auto with = [&](auto change) {
    BatchOptions options = Options(source, 2);
    change(options);
    return options;
  };
  refused(with([](BatchOptions& o) { o.pictures = {0, 4}; }), "pictures");
  refused(with([](BatchOptions& o) { o.batch = 0; }), "batch");
  refused(with([](BatchOptions& o) { o.batch = 4'097; }), "batch");
  refused(with([](BatchOptions& o) { o.steps_an_epoch = -1; }), "steps_an_epoch");
  refused(with([](BatchOptions& o) { o.threads = 0; }), "threads");
  refused(with([](BatchOptions& o) { o.threads = 65; }), "threads");
  refused(with([](BatchOptions& o) { o.ahead = 0; }), "ahead");
  refused(with([](BatchOptions& o) { o.ahead = 65; }), "ahead");
  refused(with([](BatchOptions& o) { o.augmentation.flip = 2; }), "flip");
  detect::InputSpec huge = Input();
  huge.height = 1 << 20;
  huge.width = 1 << 20;
  const absl::Status large = Batches::Open(*source.pack, huge, Options(source, 2)).status();
  EXPECT_THAT(base::GetErrorDetails(large).fields, ElementsAre("batch"));
}

}  // namespace
}  // namespace lbw::dataset
