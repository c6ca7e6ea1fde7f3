// Keeps answers within what a message may have. Pure.
#ifndef LBW_RPC_ANSWER_ROOM_H_
#define LBW_RPC_ANSWER_ROOM_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "google/protobuf/message.h"
#include "google/protobuf/repeated_field.h"
#include "lbw/v1/dataset.pb.h"

namespace lbw::rpc {

// Of a dataset: alone, with a job that is answered alone, and in a list of jobs.
inline constexpr size_t kMostDatasetBytes = size_t{16} << 20;
inline constexpr size_t kMostListedDatasetBytes = size_t{32} << 10;

// Cuts names of classes and splits and examples of defects that are longer than 1,024 bytes (512 in
// the last resort) and an error longer than 8,192, at a character and with "..." behind; then
// leaves out classes, and then splits, from the end, as many as it takes, and counts them in
// classes_left_out and splits_left_out. Afterwards the message has at most most_bytes, which are at
// least 32 KiB.
void ShrinkToFit(size_t most_bytes, v1::Dataset* dataset);

// How many messages of a list one answer takes.
class AnswerRoom {
 public:
  explicit AnswerRoom(uint64_t max_message_bytes);
  // False: it would not fit behind those before it; the page ends here. The first always fits.
  bool Takes(const google::protobuf::Message& message);

 private:
  const uint64_t most_;
  uint64_t used_ = 0;
  bool empty_ = true;
};

// Adds rows to a list as long as there is room, each as to_message(row, Message*) fills it; answers
// the last that was added where others are left out, else nullptr.
template <typename Row, typename Message, typename ToMessage>
const Row* FillPage(uint64_t max_message_bytes, const std::vector<Row>& rows,
                    const ToMessage& to_message,
                    google::protobuf::RepeatedPtrField<Message>* list) {
  AnswerRoom room(max_message_bytes);
  const Row* last = nullptr;
  for (const Row& row : rows) {
    Message one;
    to_message(row, &one);
    if (!room.Takes(one)) return last;
    one.Swap(list->Add());
    last = &row;
  }
  return nullptr;
}

}  // namespace lbw::rpc

#endif  // LBW_RPC_ANSWER_ROOM_H_
