// What several commands do alike.
#ifndef LBW_CLIENT_COMMANDS_SHARED_H_
#define LBW_CLIENT_COMMANDS_SHARED_H_

#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/ids.h"
#include "base/status.h"
#include "client/cpp/connection.h"
#include "client/cpp/plot.h"
#include "client/cpp/report.h"
#include "client/cpp/rules.h"
#include "client/cpp/session.h"
#include "client/cpp/transfer.h"
#include "google/protobuf/timestamp.pb.h"
#include "lbw/v1/artifact.pb.h"
#include "lbw/v1/common.pb.h"
#include "lbw/v1/evaluation.pb.h"
#include "lbw/v1/job.pb.h"
#include "lbw/v1/model.pb.h"

namespace CLI {
class App;
}

namespace lbw::client {

// --bits, --code-book, --granularity, --scheme, --mu, --layers, --keep-float.
void AddQuantizeFlags(CLI::App& app, QuantizeFlags& flags);
// The same without --bits and --mu, which a command has in a way of its own.
void AddGridFlags(CLI::App& app, QuantizeFlags& flags);
// Reads the rules' file into flags.rules_text. Errors: those of ReadTextFile.
absl::Status ReadRules(QuantizeFlags& flags);
// Reads the rules' file and builds the options. Errors: those of ReadTextFile and BuildOptions.
absl::StatusOr<v1::QuantizationOptions> ReadOptions(QuantizeFlags flags);

// The artifact that text means, as "artifacts/{sha256}": a SHA-256 or resource name; a local file,
// by its content; the beginning of a SHA-256 or a display name, looked up in the server's list.
// Errors: kNotFound - nothing fits; kInvalidArgument - several do (names them).
absl::StatusOr<std::string> ResolveArtifact(Session& session, const std::string& text);
// The same; a local file is uploaded.
absl::StatusOr<std::string> UploadOrResolve(Session& session, const std::string& text);

absl::StatusOr<v1::Model> GetModel(Connection& connection, const std::string& model_id);
// "models/M/versions/N" for what a person typed; asks the server where the text has no number.
absl::StatusOr<std::string> ResolveVersionArgument(Connection& connection, const std::string& text);

// "jobs/{id}" for what a person typed; asks the server for a piece of an id and for "latest".
// Errors: those of ParseJobArgument; kNotFound - nothing fits; kInvalidArgument - several do (names
// them).
absl::StatusOr<std::string> ResolveJob(Connection& connection, const std::string& text);
absl::StatusOr<v1::ModelVersion> GetVersion(Connection& connection, const std::string& name);
absl::StatusOr<v1::Job> GetJob(Connection& connection, const std::string& name);

// Creates a job; sent again where the connection breaks, which its request_id (made up where empty)
// makes safe.
absl::StatusOr<v1::Job> CreateJob(Connection& connection, v1::CreateJobRequest request);
// What a quantize job stored, whole: a list of jobs or a stream may leave layers out.
// Errors: those of the calls; kNotFound - the job has no such result.
absl::StatusOr<v1::QuantizationResult> QuantizationOf(Connection& connection,
                                                      const std::string& job);
// The same of a train or fine_tune job.
absl::StatusOr<v1::TrainingResult> TrainingOf(Connection& connection, const std::string& job);
// What an evaluation's job stored, whole. Errors: those of the call.
absl::StatusOr<v1::Evaluation> EvaluationOf(Connection& connection, const v1::Job& job);
// Newest first, at most 1,000; version and dataset may be empty.
absl::StatusOr<v1::ListEvaluationsResponse> ListEvaluations(Connection& connection,
                                                            const std::string& version,
                                                            const std::string& dataset);

// Draws a figure into a file. Errors: those of RenderPng and WriteFile.
absl::Status SavePlot(Session& session, const plot::Figure& figure, const std::string& path);

// A server stream of progress that ends in one result, shown on the session's progress bar.
// Update: the stream's message, with progress() or the result that `take` moves out.
// Errors: those of the call; kInternal - the stream ended without a result.
template <typename Update, typename Open, typename Take>
absl::Status RunWithProgress(Session& session, Connection& connection, Open&& open, Take&& take) {
  bool has_result = false;
  const absl::Status status = connection.ReadStream<Update>(open, [&](Update& update) {
    if (update.has_progress()) {
      const v1::Progress& progress = update.progress();
      session.progress().Update({progress.stage(), progress.done(), progress.total(),
                                 progress.unit(), progress.detail()});
    } else {
      has_result = take(update);
    }
  });
  session.progress().Clear();
  LBW_RETURN_IF_ERROR(status);
  if (has_result) return absl::OkStatus();
  return base::Error(absl::StatusCode::kInternal, base::reason::kInternal,
                     "the server ended the stream without a result");
}

// The same for a stream whose result is an artifact, which is then downloaded to the file `out`.
// Errors: those of RunWithProgress and DownloadArtifact.
template <typename Update, typename Open>
absl::StatusOr<v1::Artifact> RunToFile(Session& session, Connection& connection,
                                       const std::string& out, Open&& open) {
  v1::Artifact artifact;
  LBW_RETURN_IF_ERROR(RunWithProgress<Update>(session, connection, open, [&](Update& update) {
    if (!update.has_artifact()) return false;
    artifact = std::move(*update.mutable_artifact());
    return true;
  }));
  LBW_RETURN_IF_ERROR(
      DownloadArtifact(connection, artifact.name(), out, session.progress()).status());
  return artifact;
}

// Prints the report's table and the rules' lines; warns of rules that caught nothing.
void PrintReport(Session& session, const v1::QuantizationReport& report, ReportKind kind);
void PrintRuleMatches(Session& session,
                      const google::protobuf::RepeatedPtrField<v1::RuleMatch>& matches,
                      const v1::QuantizationOptions& options, RuleDetail detail);
// Only the warnings, for --json.
void WarnIdleRules(Session& session,
                   const google::protobuf::RepeatedPtrField<v1::RuleMatch>& matches,
                   const v1::QuantizationOptions& options);

// Local time, or "-" where it is not set.
std::string TimeCell(const google::protobuf::Timestamp& time);

}  // namespace lbw::client

#endif  // LBW_CLIENT_COMMANDS_SHARED_H_
