#include "tasks/picture_feed.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/clock.h"
#include "base/io.h"
#include "base/status.h"
#include "base/strings.h"
#include "base/thread_pool.h"
#include "detect/image/image.h"

namespace lbw::tasks {
namespace {

size_t Elements(const detect::InputSpec& input) {
  return static_cast<size_t>(input.channels() * input.height * input.width);
}

double Ms(const base::Stopwatch& watch) { return static_cast<double>(watch.ElapsedNs()) * 1e-6; }

size_t PicturesAhead(const FeedSource& source, const PictureFeed::Options& options) {
  uint64_t bytes = 0;
  for (const detect::InputSpec& input : source.inputs) bytes += Elements(input) * sizeof(float);
  const uint64_t fit = options.ahead_bytes / std::max<uint64_t>(bytes, 1);
  return static_cast<size_t>(std::clamp<uint64_t>(fit, 1, std::max<size_t>(options.ahead, 1)));
}

// Short of memory is not the picture's fault, and passes.
absl::Status& PlaceOf(PreparedPicture& prepared, const absl::Status& status) {
  return status.code() == absl::StatusCode::kResourceExhausted ? prepared.medium
                                                               : prepared.picture;
}

}  // namespace

PreparedPicture PreparePicture(const dataset::Pack& pack, size_t index,
                               absl::Span<const detect::InputSpec> inputs) {
  PreparedPicture prepared;
  const absl::StatusOr<std::string> encoded = pack.ReadPicture(index);
  if (!encoded.ok()) {
    prepared.medium = encoded.status();
    return prepared;
  }
  const base::Stopwatch decoding;
  const absl::StatusOr<detect::Image> image = detect::DecodeImage(base::AsBytes(*encoded));
  prepared.decode_ms = Ms(decoding);
  if (!image.ok()) {
    PlaceOf(prepared, image.status()) = image.status();
    return prepared;
  }
  const base::Stopwatch resizing;
  for (const detect::InputSpec& input : inputs) {
    prepared.placements.push_back(detect::PlacePicture(input, image->width, image->height));
    prepared.inputs.emplace_back(Elements(input));
    const absl::Status status =
        detect::Preprocess(*image, input, absl::MakeSpan(prepared.inputs.back()));
    if (status.ok()) continue;
    PlaceOf(prepared, status) = status;
    return prepared;
  }
  prepared.preprocess_ms = Ms(resizing);
  return prepared;
}

PictureFeed::PictureFeed(FeedSource source, const Options& options)
    : source_(std::move(source)), ahead_(PicturesAhead(source_, options)) {
  const size_t threads = std::min(static_cast<size_t>(std::max(options.threads, 1)), ahead_);
  for (size_t i = 0; i < threads; ++i) {
    threads_.emplace_back([this, i] {
      base::SetThreadName(base::StrCat("pictures-", i));
      Work();
    });
  }
}

PictureFeed::~PictureFeed() {
  {
    absl::MutexLock lock(&mu_);
    stopping_ = true;
  }
  for (std::thread& thread : threads_) thread.join();
}

bool PictureFeed::MayBegin() const {
  return stopping_ || begun_ == source_.pictures.size() || begun_ < taken_ + ahead_;
}

void PictureFeed::Work() {
  while (true) {
    size_t place = 0;
    {
      absl::MutexLock lock(&mu_);
      mu_.Await(absl::Condition(this, &PictureFeed::MayBegin));
      if (stopping_ || begun_ == source_.pictures.size()) return;
      place = begun_++;
      ready_.emplace_back();
    }
    PreparedPicture prepared =
        PreparePicture(*source_.pack, source_.pictures[place], source_.inputs);
    absl::MutexLock lock(&mu_);
    ready_[place - taken_] = std::move(prepared);
  }
}

PreparedPicture PictureFeed::Take() {
  absl::MutexLock lock(&mu_);
  LBW_CHECK(taken_ < source_.pictures.size());
  const auto is_ready = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    return !ready_.empty() && ready_.front().has_value();
  };
  mu_.Await(absl::Condition(&is_ready));
  PreparedPicture next = *std::move(ready_.front());
  ready_.pop_front();
  ++taken_;
  return next;
}

}  // namespace lbw::tasks
