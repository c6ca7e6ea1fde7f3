#include "tasks/evaluate_state.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/digest.h"
#include "base/io.h"
#include "base/status.h"

namespace lbw::tasks {
namespace {

using ::testing::ElementsAre;

const CheckpointHeader kHeader = {std::string(64, 'a'), 2, "avx2"};

EvaluateState Sample() {
  EvaluateState state;
  state.done = 3;
  state.main.found = {{0, {{1.5F, -2.25F, 3e7F, 0.1F}, 1, 0.987654321F}},
                      {2, {{0, 0, 1, 1}, 0, 1e-30F}}};
  state.against.found = {{1, {{4, 5, 6, 7}, 0, 0.5F}}};
  state.main.judged = {{4, 5, 1}, {2, 2, 0}};
  state.main.judged_pictures = {0, 2};
  state.failed = {1};
  state.seconds = {0.1, 1.0 / 3, 12345.678, 5e-324};
  return state;
}

std::string Written(const EvaluateState& state) {
  base::StringSink sink;
  const absl::Status status = WriteState(state, kHeader, sink);
  EXPECT_TRUE(status.ok()) << status;
  return sink.Take();
}

TEST(EvaluateState, ReadsBackWhatWasWritten) {
  const EvaluateState state = Sample();
  const auto read = ReadState(base::StringReader(Written(state)), kHeader.spec_sha256);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->done, 3);
  ASSERT_EQ(read->main.found.size(), 2U);
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(read->main.found[i].detection, state.main.found[i].detection);
    EXPECT_EQ(read->main.found[i].image_index, state.main.found[i].image_index);
  }
  EXPECT_EQ(read->against.found.at(0).detection, state.against.found[0].detection);
  EXPECT_EQ(read->main.judged, state.main.judged);
  EXPECT_THAT(read->main.judged_pictures, ElementsAre(0, 2));
  EXPECT_THAT(read->failed, ElementsAre(1));
  EXPECT_EQ(read->seconds.preprocess, 1.0 / 3);
  EXPECT_EQ(read->seconds.postprocess, 5e-324);
  EXPECT_EQ(Written(*read), Written(state)) << "equal states are equal bytes";
}

TEST(EvaluateState, OneWithNothingInIt) {
  const auto read = ReadState(base::StringReader(Written({})), kHeader.spec_sha256);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->done, 0);
  EXPECT_TRUE(read->main.found.empty());
}

TEST(EvaluateState, OfAnotherSpecIsRefused) {
  const auto read = ReadState(base::StringReader(Written(Sample())), std::string(64, 'b'));
  EXPECT_EQ(read.status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST(EvaluateState, CutShortIsAnErrorAtEveryLength) {
  const std::string whole = Written(Sample());
  for (size_t length = 0; length < whole.size(); ++length) {
    const auto read = ReadState(base::StringReader(whole.substr(0, length)), kHeader.spec_sha256);
    ASSERT_EQ(read.status().code(), absl::StatusCode::kInvalidArgument) << length;
  }
}

// Values carry no checksum, so not every flip can be seen; what is accepted fits together.
TEST(EvaluateState, AnyFlippedBitIsAnErrorOrAStateThatFits) {
  const EvaluateState state = Sample();
  const std::string whole = Written(state);
  size_t refused = 0;
  for (size_t at = 0; at < whole.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string flipped = whole;
      flipped[at] = static_cast<char>(flipped[at] ^ (1 << bit));
      const auto read = ReadState(base::StringReader(flipped), kHeader.spec_sha256);
      if (at < 8) {
        ASSERT_FALSE(read.ok()) << "length of the header, byte " << at << " bit " << bit;
      }
      if (!read.ok()) {
        ++refused;
        continue;
      }
      ASSERT_EQ(read->done, state.done) << "byte " << at << " bit " << bit;
      for (const eval::FoundBox& found : read->main.found) {
        ASSERT_TRUE(found.image_index >= 0 && found.image_index < read->done) << at;
      }
      ASSERT_EQ(read->main.judged.size(), read->main.judged_pictures.size()) << at;
    }
  }
  EXPECT_GT(refused, 0U);
}

TEST(EvaluateState, TellsWhereItWasWritten) {
  const auto header = ReadHeader(base::StringReader(Written(Sample())));
  ASSERT_TRUE(header.ok()) << header.status();
  EXPECT_EQ(header->spec_sha256, kHeader.spec_sha256);
  EXPECT_EQ(header->threads, 2);
  EXPECT_EQ(header->isa, "avx2");
}

// A place beyond the pictures that are done cannot come from an evaluation.
TEST(EvaluateState, PicturesThatWereNotDoneAreRefused) {
  EvaluateState state = Sample();
  state.main.found[1].image_index = 3;
  EXPECT_FALSE(ReadState(base::StringReader(Written(state)), kHeader.spec_sha256).ok());
  state = Sample();
  state.failed = {-1};
  EXPECT_FALSE(ReadState(base::StringReader(Written(state)), kHeader.spec_sha256).ok());
}

}  // namespace
}  // namespace lbw::tasks
