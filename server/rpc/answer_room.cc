#include "rpc/answer_room.h"

#include <algorithm>
#include <string>

#include "base/utf8.h"

namespace lbw::rpc {
namespace {

constexpr size_t kMostName = 1'024;
constexpr size_t kMostNameInNeed = 512;
constexpr size_t kMostError = 8'192;
constexpr uint64_t kTagBytes = 16;                   // tag and length of a message in a list
constexpr uint64_t kSlackBytes = uint64_t{1} << 20;  // what else an answer carries

void Cut(size_t most, std::string* text) {
  if (text->size() <= most) return;
  text->resize(base::CutUtf8(*text, most - 3).size());
  text->append("...");
}

void CutNames(size_t most, v1::Dataset* dataset) {
  for (v1::DatasetClass& one : *dataset->mutable_classes()) Cut(most, one.mutable_name());
  for (v1::DatasetSplit& one : *dataset->mutable_splits()) Cut(most, one.mutable_name());
  for (v1::DefectCount& one : *dataset->mutable_defects()) Cut(most, one.mutable_example());
}

// Takes messages from the end until `bytes` are won; answers how many.
template <typename Messages>
uint64_t DropFromEnd(uint64_t bytes, Messages* messages) {
  uint64_t won = 0;
  uint64_t dropped = 0;
  while (won < bytes && !messages->empty()) {
    won += messages->rbegin()->ByteSizeLong();
    messages->RemoveLast();
    ++dropped;
  }
  return dropped;
}

uint64_t Excess(size_t most_bytes, const v1::Dataset& dataset) {
  const size_t bytes = dataset.ByteSizeLong();
  return bytes <= most_bytes ? 0 : bytes - most_bytes;
}

}  // namespace

void ShrinkToFit(size_t most_bytes, v1::Dataset* dataset) {
  Cut(kMostError, dataset->mutable_error());
  CutNames(kMostName, dataset);
  if (Excess(most_bytes, *dataset) == 0) return;
  CutNames(kMostNameInNeed, dataset);
  // The counters have their room too.
  const size_t most = most_bytes - std::min(most_bytes, size_t{64});
  const uint64_t classes = DropFromEnd(Excess(most, *dataset), dataset->mutable_classes());
  dataset->set_classes_left_out(dataset->classes_left_out() + classes);
  const uint64_t splits = DropFromEnd(Excess(most, *dataset), dataset->mutable_splits());
  dataset->set_splits_left_out(dataset->splits_left_out() + splits);
}

AnswerRoom::AnswerRoom(uint64_t max_message_bytes)
    : most_(max_message_bytes - std::min(max_message_bytes / 2, kSlackBytes)) {}

bool AnswerRoom::Takes(const google::protobuf::Message& message) {
  const uint64_t bytes = message.ByteSizeLong() + kTagBytes;
  if (!empty_ && bytes > most_ - std::min(most_, used_)) return false;
  empty_ = false;
  used_ += bytes;
  return true;
}

}  // namespace lbw::rpc
