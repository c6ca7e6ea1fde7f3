// lbw.v1.JobService over jobs::Queue.
//
// CreateJob: what is asked is checked and filled in on the short pool. The estimate needs the
// version's bundle and is made on the long pool: always for validate_only, and for a real creation
// only where nothing waits there, since a job should not wait for somebody's quantization.
#ifndef LBW_RPC_JOB_SERVICE_H_
#define LBW_RPC_JOB_SERVICE_H_

#include "lbw/v1/job.grpc.pb.h"
#include "rpc/job_watch.h"
#include "rpc/services.h"

namespace lbw::rpc {

class JobService final : public v1::JobService::CallbackService {
 public:
  explicit JobService(const ServiceContext& context) : context_(context), watchers_(context) {}

  grpc::ServerUnaryReactor* CreateJob(grpc::CallbackServerContext*, const v1::CreateJobRequest*,
                                      v1::Job*) override;
  grpc::ServerUnaryReactor* GetJob(grpc::CallbackServerContext*, const v1::GetJobRequest*,
                                   v1::Job*) override;
  grpc::ServerUnaryReactor* ListJobs(grpc::CallbackServerContext*, const v1::ListJobsRequest*,
                                     v1::ListJobsResponse*) override;
  grpc::ServerUnaryReactor* CancelJob(grpc::CallbackServerContext*, const v1::CancelJobRequest*,
                                      v1::Job*) override;
  grpc::ServerUnaryReactor* PauseJob(grpc::CallbackServerContext*, const v1::PauseJobRequest*,
                                     v1::Job*) override;
  grpc::ServerUnaryReactor* ResumeJob(grpc::CallbackServerContext*, const v1::ResumeJobRequest*,
                                      v1::Job*) override;
  grpc::ServerUnaryReactor* DeleteJob(grpc::CallbackServerContext*, const v1::DeleteJobRequest*,
                                      google::protobuf::Empty*) override;
  grpc::ServerWriteReactor<v1::WatchJobResponse>* WatchJob(grpc::CallbackServerContext*,
                                                           const v1::WatchJobRequest*) override;
  grpc::ServerUnaryReactor* ListCheckpoints(grpc::CallbackServerContext*,
                                            const v1::ListCheckpointsRequest*,
                                            v1::ListCheckpointsResponse*) override;
  grpc::ServerUnaryReactor* GetJobLog(grpc::CallbackServerContext*, const v1::GetJobLogRequest*,
                                      v1::GetJobLogResponse*) override;

 private:
  const ServiceContext context_;
  JobWatchers watchers_;
};

}  // namespace lbw::rpc

#endif  // LBW_RPC_JOB_SERVICE_H_
