// What the commands that create a job have in common: who goes first, labels, waiting, a dry run.
#ifndef LBW_CLIENT_COMMANDS_JOB_FLAGS_H_
#define LBW_CLIENT_COMMANDS_JOB_FLAGS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "client/cpp/session.h"
#include "lbw/v1/job.pb.h"

namespace CLI {
class App;
}

namespace lbw::client {

struct JobFlags {
  int32_t priority = 0;
  std::vector<std::string> labels = {};  // KEY=VALUE
  std::string request_id = {};
  bool dry_run = false;
  bool no_wait = false;
};

// --priority, --label, --request-id and --no-wait (or --wait). Not --dry-run, whose help differs.
void AddJobFlags(CLI::App& app, JobFlags& flags);
// --plot and --report, before anything is sent. Errors: kInvalidArgument - a file that cannot be
// written, or one beside flags that leave no result to write.
absl::Status CheckResultFiles(const JobFlags& flags, const std::string& plot,
                              const std::string& report);
// Everything of the request but its spec. Errors: kInvalidArgument - a label without KEY=.
absl::Status FillIn(const Session& session, const JobFlags& flags, v1::CreateJobRequest& request);

// Prints a job that was only estimated: "would VERB" its subject, time and memory.
absl::Status PrintDryRun(Session& session, const v1::Job& job, const std::string& verb);
// Prints a job that was created and is not waited for.
absl::Status PrintCreated(Session& session, const v1::Job& job);

}  // namespace lbw::client

#endif  // LBW_CLIENT_COMMANDS_JOB_FLAGS_H_
