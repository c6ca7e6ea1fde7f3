// Between the API's messages and room jobs' values. Pure. What a row keeps as JSON is read
// leniently: a newer server may have written it.
#ifndef LBW_RPC_CONVERT_JOB_H_
#define LBW_RPC_CONVERT_JOB_H_

#include <cstdint>

#include "jobs/job.h"
#include "jobs/queue.h"
#include "lbw/v1/job.pb.h"
#include "lbw/v1/server.pb.h"

namespace lbw::rpc {

v1::JobState ToProto(jobs::JobState state);

struct JobView {
  int64_t max_attempts = 5;
  // Long lists of a result are left out (DropDetails): an answer that holds many jobs, or comes
  // many times, would not fit a message.
  bool details = false;
};
void ToProto(const jobs::Job& job, const JobView& view, v1::Job* out);
void ToProto(const jobs::Event& event, v1::JobEvent* out);
void ToProto(const jobs::CheckpointInfo& checkpoint, v1::JobCheckpoint* out);
void ToProto(const jobs::Queue::Log& log, v1::GetJobLogResponse* out);
void ToProto(const jobs::WorkerInfo& worker, bool alive, v1::Worker* out);

// Drops curves and confusion of an evaluation.
void DropDetails(v1::Evaluation* evaluation);
// Drops tensors, layers and activation ranges.
void DropDetails(v1::QuantizationResult* quantization);
// Drops epochs, and what the others drop of the evaluation, the report and the calibration.
void DropDetails(v1::TrainingResult* training);
// Drops values and pictures.
void DropDetails(v1::Comparison* comparison);

}  // namespace lbw::rpc

#endif  // LBW_RPC_CONVERT_JOB_H_
