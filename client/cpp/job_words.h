// Jobs and their events in words. Pure.
//
// Threads: safe to call concurrently.
#ifndef LBW_CLIENT_JOB_WORDS_H_
#define LBW_CLIENT_JOB_WORDS_H_

#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "lbw/v1/job.pb.h"

namespace lbw::client {

// Where a named value stands among others, the small first: what a person looks at, then the rest.
int ValueRank(std::string_view name);

// "RUNNING"; "-" for a state that is not known.
std::string JobStateWord(v1::JobState state);
// One character for the state.
std::string JobStateMark(v1::JobState state);
// SUCCEEDED, FAILED or CANCELLED.
bool HasEnded(v1::JobState state);
// What the job works on: "face/2 on faces (val)", "dataset faces", "face/1 to 4 bits on faces
// (train)", "face/2 against face/1 on faces".
std::string JobSubject(const v1::Job& job);
// OK for SUCCEEDED and for a job that has not ended; the job's own error, with its details, for
// FAILED; kCancelled for CANCELLED.
absl::Status JobOutcome(const v1::Job& job);
// What a step is: "pictures", or "steps".
std::string StepUnit(const v1::Job& job);

// "RUNNING, attempt 2 on w1: lease ran out".
std::string DescribeStateChange(const v1::JobStateChange& change);
// "warning: ..."; information stands for itself.
std::string DescribeMessage(const v1::JobMessage& message);
// "checkpoint at step 1,000, 1.20 MiB".
std::string DescribeCheckpoint(const v1::JobCheckpoint& checkpoint);
// "evaluate 1,000 of 1,839, map_50 0.8957, 0:12 left".
std::string DescribeProgress(const v1::JobProgress& progress);

// The infinite past where it is not set.
absl::Time ToTime(const google::protobuf::Timestamp& timestamp);
absl::Duration ToDuration(const google::protobuf::Duration& duration);

}  // namespace lbw::client

#endif  // LBW_CLIENT_JOB_WORDS_H_
