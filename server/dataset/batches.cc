#include "dataset/batches.h"

#include <algorithm>
#include <deque>
#include <limits>
#include <map>
#include <new>
#include <numeric>
#include <optional>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "base/checked.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/random.h"
#include "base/status.h"
#include "base/thread_pool.h"
#include "dataset/text.h"
#include "detect/image/image.h"

namespace lbw::dataset {
namespace {

constexpr int64_t kMostBatch = 4'096;
constexpr int64_t kMostThreads = 64;
constexpr int64_t kMostAhead = 64;
constexpr int64_t kMostSteps = std::numeric_limits<int32_t>::max();
constexpr int64_t kMostValues = int64_t{1} << 31;
// base::Random draws from fewer.
constexpr uint64_t kMostPictures = std::numeric_limits<uint32_t>::max();

// What a stream of random numbers is for, so that no two uses share one.
enum class Use : uint64_t { kOrder = 1, kChances = 2 };

uint64_t SeedOf(uint64_t seed, Use use, int64_t epoch, int64_t place) {
  uint64_t mixed = base::MixBits(seed + static_cast<uint64_t>(use));
  mixed = base::MixBits(mixed ^ base::MixBits(static_cast<uint64_t>(epoch) + 1));
  return base::MixBits(mixed + static_cast<uint64_t>(place));
}

using Order = std::vector<size_t>;

// R. A. Fisher and F. Yates' shuffle, as R. Durstenfeld has it (CACM 7, 1964, algorithm 235).
Order ShuffledOrder(Order order, uint64_t seed, int64_t epoch) {
  base::Random random(SeedOf(seed, Use::kOrder, epoch, 0));
  for (size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random.Below(i)]);
  return order;
}

absl::Status CheckOption(std::string_view field, int64_t value, int64_t low, int64_t high) {
  if (value >= low && value <= high) return absl::OkStatus();
  return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadArgument,
                     base::StrCat(field, " must be ", low, "..", high, ": ", field, "=", value))
      .Field(field);
}

absl::Status CheckOptions(const Pack& pack, const detect::InputSpec& input,
                          const BatchOptions& options) {
  if (options.pictures.empty()) {
    return base::Error(absl::StatusCode::kFailedPrecondition, base::reason::kBadDataset,
                       "there are no pictures to make batches of");
  }
  if (options.pictures.size() >= kMostPictures) {
    return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadArgument,
                       base::StrCat("pictures must be fewer than ", kMostPictures, ": ",
                                    options.pictures.size()))
        .Field("pictures");
  }
  const auto last = static_cast<int64_t>(pack.dataset().pictures.size()) - 1;
  for (const size_t picture : options.pictures) {
    LBW_RETURN_IF_ERROR(CheckOption("pictures", static_cast<int64_t>(picture), 0, last));
  }
  LBW_RETURN_IF_ERROR(CheckOption("batch", options.batch, 1, kMostBatch));
  LBW_RETURN_IF_ERROR(CheckOption("steps_an_epoch", options.steps_an_epoch, 0, kMostSteps));
  LBW_RETURN_IF_ERROR(CheckOption("threads", options.threads, 1, kMostThreads));
  LBW_RETURN_IF_ERROR(CheckOption("ahead", options.ahead, 1, kMostAhead));
  LBW_RETURN_IF_ERROR(CheckOption("input.height", input.height, 1, kMostValues));
  LBW_RETURN_IF_ERROR(CheckOption("input.width", input.width, 1, kMostValues));
  // Sides of 2^31 at most: their product fits.
  const std::optional<int64_t> values =
      base::CheckedMul(input.height * input.width, options.batch * input.channels());
  if (!values.has_value() || *values > kMostValues) {
    return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadArgument,
                       base::StrCat("a batch must have at most ", kMostValues,
                                    " values: batch=", options.batch, " input=", input.channels(),
                                    "x", input.height, "x", input.width))
        .Field("batch");
  }
  return CheckAugmentation(options.augmentation);
}

struct Made {
  Sample sample;
  size_t picture = 0;
};

// A batch on its way. What counts progress is guarded by its loader's mutex; a sample is written by
// the thread that took it, the batch by the one that made the last sample.
struct Slot {
  std::shared_ptr<const Order> order;
  Batch batch;
  std::vector<absl::StatusOr<Made>> made;
  absl::Status status;
  size_t taken = 0;
  size_t left = 0;
  bool done = false;
};

class Loader final : public Batches {
 public:
  Loader(const Pack& pack, const detect::InputSpec& input, BatchOptions options)
      : pack_(pack),
        input_(input),
        options_(std::move(options)),
        batch_(static_cast<size_t>(options_.batch)),
        steps_(options_.steps_an_epoch > 0
                   ? options_.steps_an_epoch
                   : std::max<int64_t>(
                         1, static_cast<int64_t>(options_.pictures.size()) / options_.batch)),
        pool_({.name = "loader",
               .threads = static_cast<size_t>(options_.threads),
               .max_queue = static_cast<size_t>(options_.threads)}) {
    MakeAhead();
    for (int i = 0; i < options_.threads; ++i) LBW_CHECK(pool_.Submit([this] { Work(); }).ok());
  }
  ~Loader() override {
    {
      absl::MutexLock lock(&mu_);
      stopping_ = true;
    }
    pool_.Shutdown();
  }

  int64_t steps_an_epoch() const override { return steps_; }
  void Seek(int64_t epoch, int64_t step) override ABSL_LOCKS_EXCLUDED(mu_);
  absl::StatusOr<Batch> Next() override ABSL_LOCKS_EXCLUDED(mu_);
  std::vector<std::pair<size_t, absl::Status>> TakeFailures() override ABSL_LOCKS_EXCLUDED(mu_);

 private:
  // Fills slots_ from (epoch_, step_) on.
  void MakeAhead() ABSL_LOCKS_EXCLUDED(mu_);
  std::shared_ptr<Slot> NewSlot();

  void Work() ABSL_LOCKS_EXCLUDED(mu_);
  // The first batch with samples that no thread has taken.
  std::shared_ptr<Slot> Unfinished() const ABSL_SHARED_LOCKS_REQUIRED(mu_);
  bool HasWork() const ABSL_SHARED_LOCKS_REQUIRED(mu_) {
    return stopping_ || Unfinished() != nullptr;
  }
  bool FrontIsDone() const ABSL_SHARED_LOCKS_REQUIRED(mu_) { return slots_.front()->done; }

  absl::StatusOr<Made> Make(const Slot& slot, size_t index) ABSL_LOCKS_EXCLUDED(mu_);
  absl::StatusOr<Made> MakeAt(const Slot& slot, int64_t place) ABSL_LOCKS_EXCLUDED(mu_);
  // nullopt: it is known not to be readable, or was found to be so just now.
  absl::StatusOr<std::optional<detect::Image>> Read(size_t picture) ABSL_LOCKS_EXCLUDED(mu_);
  // example: one of them.
  absl::Status NoneCanBeRead(size_t example) ABSL_LOCKS_EXCLUDED(mu_);
  // Puts the samples of a slot together.
  absl::Status Assemble(Slot& slot) const;

  const Pack& pack_;
  const detect::InputSpec input_;
  const BatchOptions options_;
  const size_t batch_;
  const int64_t steps_;

  // The caller's thread's: the next batch to be begun, and an epoch's order.
  int64_t epoch_ = 0;
  int64_t step_ = 0;
  int64_t order_epoch_ = -1;
  std::shared_ptr<const Order> order_;

  mutable absl::Mutex mu_;
  std::deque<std::shared_ptr<Slot>> slots_ ABSL_GUARDED_BY(mu_);
  std::map<size_t, absl::Status> broken_ ABSL_GUARDED_BY(mu_);
  std::map<size_t, absl::Status> failures_ ABSL_GUARDED_BY(mu_);  // not yet told
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;

  base::ThreadPool pool_;  // last: its threads use all of the above
};

std::shared_ptr<Slot> Loader::NewSlot() {
  if (order_ == nullptr || order_epoch_ != epoch_) {
    order_ = std::make_shared<const Order>(ShuffledOrder(options_.pictures, options_.seed, epoch_));
    order_epoch_ = epoch_;
  }
  auto slot = std::make_shared<Slot>();
  slot->order = order_;
  slot->batch.epoch = epoch_;
  slot->batch.step = step_;
  slot->made.resize(batch_, absl::StatusOr<Made>(Made{}));
  slot->left = batch_;
  if (++step_ == steps_) {
    step_ = 0;
    ++epoch_;
  }
  return slot;
}

void Loader::MakeAhead() {
  while (true) {
    {
      absl::MutexLock lock(&mu_);
      if (slots_.size() >= static_cast<size_t>(options_.ahead)) return;
    }
    std::shared_ptr<Slot> slot = NewSlot();
    absl::MutexLock lock(&mu_);
    slots_.push_back(std::move(slot));
  }
}

void Loader::Seek(int64_t epoch, int64_t step) {
  LBW_CHECK(epoch >= 0 && step >= 0);
  {
    absl::MutexLock lock(&mu_);
    slots_.clear();  // threads hold on to those that they are at
  }
  epoch_ = epoch + step / steps_;
  step_ = step % steps_;
  MakeAhead();
}

absl::StatusOr<Batch> Loader::Next() {
  const base::Stopwatch watch;
  std::shared_ptr<Slot> slot;
  {
    absl::MutexLock lock(&mu_);
    mu_.Await(absl::Condition(this, &Loader::FrontIsDone));
    slot = slots_.front();
    if (!slot->status.ok()) return slot->status;
    slots_.pop_front();
  }
  slot->batch.waited_seconds = watch.ElapsedSeconds();
  MakeAhead();
  return std::move(slot->batch);
}

std::vector<std::pair<size_t, absl::Status>> Loader::TakeFailures() {
  absl::MutexLock lock(&mu_);
  std::vector<std::pair<size_t, absl::Status>> failures(failures_.begin(), failures_.end());
  failures_.clear();
  return failures;
}

std::shared_ptr<Slot> Loader::Unfinished() const {
  for (const std::shared_ptr<Slot>& slot : slots_) {
    if (slot->taken < batch_) return slot;
  }
  return nullptr;
}

void Loader::Work() {
  while (true) {
    std::shared_ptr<Slot> slot;
    size_t index = 0;
    {
      absl::MutexLock lock(&mu_);
      mu_.Await(absl::Condition(this, &Loader::HasWork));
      if (stopping_) return;
      slot = Unfinished();
      index = slot->taken++;
    }
    slot->made[index] = Make(*slot, index);
    {
      absl::MutexLock lock(&mu_);
      if (--slot->left > 0) continue;
    }
    absl::Status status = Assemble(*slot);
    absl::MutexLock lock(&mu_);
    slot->status = std::move(status);
    slot->done = true;
  }
}

absl::StatusOr<Made> Loader::Make(const Slot& slot, size_t index) {
  try {
    return MakeAt(slot, slot.batch.step * options_.batch + static_cast<int64_t>(index));
  } catch (const std::bad_alloc&) {
    return base::Error(absl::StatusCode::kResourceExhausted, base::reason::kOutOfRoom,
                       "could not make a sample: out of memory");
  }
}

absl::StatusOr<Made> Loader::MakeAt(const Slot& slot, int64_t place) {
  const Order& order = *slot.order;
  const size_t first = static_cast<size_t>(place) % order.size();
  for (size_t tried = 0; tried < order.size(); ++tried) {
    const size_t picture = order[(first + tried) % order.size()];
    LBW_ASSIGN_OR_RETURN(const std::optional<detect::Image> image, Read(picture));
    if (!image.has_value()) continue;
    const Dataset& dataset = pack_.dataset();
    Made made;
    made.picture = picture;
    LBW_ASSIGN_OR_RETURN(made.sample,
                         MakeSample(*image, dataset.pictures[picture], dataset.pixel_rule, input_,
                                    options_.augmentation,
                                    SeedOf(options_.seed, Use::kChances, slot.batch.epoch, place)));
    return made;
  }
  return NoneCanBeRead(order[first]);
}

absl::Status Loader::NoneCanBeRead(size_t example) {
  absl::MutexLock lock(&mu_);
  return base::Error(absl::StatusCode::kFailedPrecondition, base::reason::kBadDataset,
                     base::StrCat("none of ", options_.pictures.size(), " pictures can be read; ",
                                  Shown(pack_.dataset().pictures[example].name), ": ",
                                  base::Std(broken_[example].message())));
}

absl::StatusOr<std::optional<detect::Image>> Loader::Read(size_t picture) {
  {
    absl::MutexLock lock(&mu_);
    if (stopping_) {
      return base::Error(absl::StatusCode::kCancelled, base::reason::kCancelled,
                         "the batches are not wanted any more");
    }
    if (broken_.contains(picture)) return std::nullopt;
  }
  LBW_ASSIGN_OR_RETURN(const std::string encoded, pack_.ReadPicture(picture));
  absl::StatusOr<detect::Image> image = detect::DecodeImage(base::AsBytes(encoded));
  if (image.ok()) return std::optional<detect::Image>(*std::move(image));
  // The bytes are wrong whoever reads them; anything else is not the picture's fault.
  if (image.status().code() != absl::StatusCode::kInvalidArgument) return image.status();
  absl::MutexLock lock(&mu_);
  if (broken_.emplace(picture, image.status()).second) failures_[picture] = image.status();
  return std::nullopt;
}

absl::Status Loader::Assemble(Slot& slot) const {
  for (const absl::StatusOr<Made>& made : slot.made) {
    if (!made.ok()) return made.status();
  }
  try {
    Batch& batch = slot.batch;
    // Appended to, for zeros would be written first.
    batch.values.reserve(slot.made.front()->sample.values.size() * batch_);
    for (absl::StatusOr<Made>& made : slot.made) {
      const Made one = *std::move(made);
      batch.values.insert(batch.values.end(), one.sample.values.begin(), one.sample.values.end());
      batch.boxes.push_back(one.sample.boxes);
      batch.labels.push_back(one.sample.label);
      batch.pictures.push_back(one.picture);
    }
    return absl::OkStatus();
  } catch (const std::bad_alloc&) {
    return base::Error(absl::StatusCode::kResourceExhausted, base::reason::kOutOfRoom,
                       base::StrCat("could not make a batch of ", batch_, ": out of memory"));
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<Batches>> Batches::Open(const Pack& pack,
                                                       const detect::InputSpec& input,
                                                       BatchOptions options) {
  LBW_RETURN_IF_ERROR(CheckOptions(pack, input, options));
  return std::make_unique<Loader>(pack, input, std::move(options));
}

}  // namespace lbw::dataset
