#include "client/cpp/commands/shared.h"

#include <CLI/CLI.hpp>
#include <filesystem>
#include <ostream>
#include <vector>

#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "base/strings.h"
#include "client/cpp/format.h"
#include "client/cpp/job_words.h"
#include "client/cpp/names.h"
#include "client/cpp/transfer.h"
#include "lbw/v1/artifact.grpc.pb.h"
#include "lbw/v1/job.grpc.pb.h"
#include "lbw/v1/model.grpc.pb.h"

namespace lbw::client {
namespace {

bool IsFile(const std::string& path) {
  std::error_code error;
  return std::filesystem::is_regular_file(path, error);
}

// Artifacts whose SHA-256 begins so, or whose display name is exactly the text.
absl::StatusOr<std::vector<v1::Artifact>> FindArtifacts(Connection& connection,
                                                        const std::string& text,
                                                        const std::string& hex_prefix) {
  const auto stub = v1::ArtifactService::NewStub(connection.channel());
  std::vector<v1::Artifact> found;
  v1::ListArtifactsRequest request;
  request.set_page_size(1000);
  do {
    LBW_ASSIGN_OR_RETURN(auto page, connection.Unary<v1::ListArtifactsResponse>(
                                        Patience::kAnswer, [&](auto* context, auto* response) {
                                          return stub->ListArtifacts(context, request, response);
                                        }));
    for (v1::Artifact& artifact : *page.mutable_artifacts()) {
      const bool fits = (!hex_prefix.empty() && artifact.sha256().starts_with(hex_prefix)) ||
                        artifact.display_name() == text;
      if (fits) found.push_back(std::move(artifact));
    }
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  return found;
}

absl::StatusOr<std::string> LookUpArtifact(Session& session, const std::string& text,
                                           const std::string& hex_prefix) {
  // A path can only be meant as one; no server need be asked.
  if (hex_prefix.empty() && text.find('/') != std::string::npos) {
    return base::Error(absl::StatusCode::kNotFound, base::reason::kNotFound,
                       base::StrCat("no such file: ", Printable(text)));
  }
  LBW_ASSIGN_OR_RETURN(Connection* const connection, session.Connect());
  LBW_ASSIGN_OR_RETURN(const auto found, FindArtifacts(*connection, text, hex_prefix));
  if (found.size() == 1) return found.front().name();
  const std::string shown = Printable(text);
  if (found.empty()) {
    return base::Error(absl::StatusCode::kNotFound, base::reason::kNotFound,
                       base::StrCat("'", shown,
                                    "' is no file here and no artifact on the server; see: lbw "
                                    "artifact list"));
  }
  std::vector<std::string> names;
  for (const v1::Artifact& artifact : found) names.push_back(ShortName(artifact.name()));
  return base::Error(
      absl::StatusCode::kInvalidArgument, base::reason::kBadName,
      base::StrCat("'", shown, "' means ", found.size(),
                   " artifacts; use more of the SHA-256: ", absl::StrJoin(names, ", ")));
}

}  // namespace

void AddQuantizeFlags(CLI::App& app, QuantizeFlags& flags) {
  app.add_option("--bits", flags.bits, "bits a weight: 2..6, or 8 with --scheme uniform")
      ->required();
  AddGridFlags(app, flags);
  app.add_option("--mu", flags.mu, "threshold scheme: mu as a ratio of max|w|, 0.75 by default");
}

void AddGridFlags(CLI::App& app, QuantizeFlags& flags) {
  app.add_option("--code-book", flags.code_book,
                 "full: 2^(bits-1)-1 magnitudes (default); paper: 2^(bits-2)");
  app.add_option("--granularity", flags.granularity,
                 "what shares one exponent: channel (default) or tensor");
  app.add_option(
      "--scheme", flags.scheme,
      "exact: least squared error (default); threshold: the paper's, with --mu; uniform");
  app.add_option("--layers", flags.rules_file, "YAML list of layer rules, the first match wins");
  app.add_option("--keep-float", flags.keep_float,
                 "leave the tensors that GLOB matches in float; may be repeated")
      ->allow_extra_args(false);
}

absl::Status ReadRules(QuantizeFlags& flags) {
  if (flags.rules_file.empty()) return absl::OkStatus();
  LBW_ASSIGN_OR_RETURN(flags.rules_text, ReadTextFile(flags.rules_file, "--layers"));
  if (flags.rules_text.empty()) flags.rules_text = "[]";
  return absl::OkStatus();
}

absl::StatusOr<v1::QuantizationOptions> ReadOptions(QuantizeFlags flags) {
  LBW_RETURN_IF_ERROR(ReadRules(flags));
  return BuildOptions(flags);
}

absl::StatusOr<std::string> ResolveArtifact(Session& session, const std::string& text) {
  LBW_ASSIGN_OR_RETURN(const ArtifactArgument argument, ParseArtifactArgument(text));
  if (!argument.sha256.empty()) return base::ArtifactName(argument.sha256);
  if (IsFile(text)) {
    LBW_ASSIGN_OR_RETURN(const FileDigest digest,
                         HashFile(text, session.canceller(), session.progress()));
    return base::ArtifactName(digest.sha256);
  }
  return LookUpArtifact(session, text, argument.hex_prefix);
}

absl::StatusOr<std::string> UploadOrResolve(Session& session, const std::string& text) {
  if (!IsFile(text)) return ResolveArtifact(session, text);
  LBW_ASSIGN_OR_RETURN(Connection* const connection, session.Connect());
  LBW_ASSIGN_OR_RETURN(const v1::Artifact artifact,
                       UploadFile(*connection, text, {}, session.progress()));
  return artifact.name();
}

absl::StatusOr<v1::Model> GetModel(Connection& connection, const std::string& model_id) {
  const auto stub = v1::ModelService::NewStub(connection.channel());
  v1::GetModelRequest request;
  request.set_name(base::ModelName(model_id));
  return connection.Unary<v1::Model>(Patience::kAnswer, [&](auto* context, auto* model) {
    return stub->GetModel(context, request, model);
  });
}

absl::StatusOr<std::string> ResolveVersionArgument(Connection& connection,
                                                   const std::string& text) {
  LBW_ASSIGN_OR_RETURN(const base::ModelRef ref, ParseModelArgument(text));
  if (ref.version) return ResourceName(ref);
  LBW_ASSIGN_OR_RETURN(const v1::Model model, GetModel(connection, ref.model));
  return ResolveVersion(model, ref);
}

absl::StatusOr<std::string> ResolveJob(Connection& connection, const std::string& text) {
  LBW_ASSIGN_OR_RETURN(const JobArgument argument, ParseJobArgument(text));
  if (!argument.name.empty()) return argument.name;
  const auto stub = v1::JobService::NewStub(connection.channel());
  std::vector<std::string> found;
  v1::ListJobsRequest request;
  request.set_page_size(argument.is_latest ? 1 : 1000);
  do {
    LBW_ASSIGN_OR_RETURN(const auto page, connection.Unary<v1::ListJobsResponse>(
                                              Patience::kAnswer, [&](auto* context, auto* jobs) {
                                                return stub->ListJobs(context, request, jobs);
                                              }));
    for (const v1::Job& job : page.jobs()) {
      if (argument.is_latest) return job.name();
      const std::string id = ShortName(job.name());
      if (id.starts_with(argument.piece) || id.ends_with(argument.piece)) found.push_back(id);
    }
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  if (found.size() == 1) return base::JobName(found.front());
  if (found.empty()) {
    const std::string what =
        argument.is_latest ? "there is no job yet" : base::StrCat("no job's id has ", text);
    return base::Error(absl::StatusCode::kNotFound, base::reason::kNotFound,
                       base::StrCat(what, "; see: lbw job list"));
  }
  const size_t count = found.size();
  if (found.size() > 5) found.resize(5);
  return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadName,
                     base::StrCat("'", text, "' means ", count,
                                  " jobs; use more of the id: ", absl::StrJoin(found, ", ")));
}

absl::StatusOr<v1::ModelVersion> GetVersion(Connection& connection, const std::string& name) {
  const auto stub = v1::ModelService::NewStub(connection.channel());
  v1::GetVersionRequest request;
  request.set_name(name);
  return connection.Unary<v1::ModelVersion>(Patience::kAnswer, [&](auto* context, auto* version) {
    return stub->GetVersion(context, request, version);
  });
}

absl::StatusOr<v1::Job> GetJob(Connection& connection, const std::string& name) {
  const auto stub = v1::JobService::NewStub(connection.channel());
  v1::GetJobRequest request;
  request.set_name(name);
  return connection.Unary<v1::Job>(Patience::kAnswer, [&](auto* context, auto* job) {
    return stub->GetJob(context, request, job);
  });
}

absl::StatusOr<v1::Job> CreateJob(Connection& connection, v1::CreateJobRequest request) {
  if (request.request_id().empty()) request.set_request_id(base::NewId());
  const auto stub = v1::JobService::NewStub(connection.channel());
  return connection.Unary<v1::Job>(Patience::kAnswer, [&](auto* context, auto* job) {
    return stub->CreateJob(context, request, job);
  });
}

absl::StatusOr<v1::QuantizationResult> QuantizationOf(Connection& connection,
                                                      const std::string& job) {
  LBW_ASSIGN_OR_RETURN(const v1::Job whole, GetJob(connection, job));
  v1::QuantizationResult result = whole.result().quantization();
  if (result.version().empty()) {
    return base::Error(
        absl::StatusCode::kNotFound, base::reason::kNotFound,
        base::StrCat(job, " is ", JobStateWord(whole.state()), " and has no quantized version"));
  }
  if (result.calibration().layers_size() > 0) return result;
  LBW_ASSIGN_OR_RETURN(const v1::ModelVersion version, GetVersion(connection, result.version()));
  *result.mutable_calibration() = version.calibration();
  *result.mutable_report() = version.report();
  return result;
}

absl::StatusOr<v1::TrainingResult> TrainingOf(Connection& connection, const std::string& job) {
  LBW_ASSIGN_OR_RETURN(const v1::Job whole, GetJob(connection, job));
  v1::TrainingResult result = whole.result().training();
  if (result.version().empty()) {
    return base::Error(
        absl::StatusCode::kNotFound, base::reason::kNotFound,
        base::StrCat(job, " is ", JobStateWord(whole.state()), " and has no trained version"));
  }
  if (result.training().history_size() > 0) return result;
  LBW_ASSIGN_OR_RETURN(const v1::ModelVersion version, GetVersion(connection, result.version()));
  if (version.has_training()) *result.mutable_training() = version.training();
  if (version.has_calibration()) *result.mutable_calibration() = version.calibration();
  if (version.has_report()) *result.mutable_report() = version.report();
  return result;
}

absl::StatusOr<v1::Evaluation> EvaluationOf(Connection& connection, const v1::Job& job) {
  v1::GetEvaluationRequest request;
  const std::string& stored = job.result().evaluation().name();
  request.set_name(stored.empty() ? base::EvaluationName(ShortName(job.name())) : stored);
  const auto stub = v1::ModelService::NewStub(connection.channel());
  return connection.Unary<v1::Evaluation>(Patience::kAnswer, [&](auto* context, auto* one) {
    return stub->GetEvaluation(context, request, one);
  });
}

absl::StatusOr<v1::ListEvaluationsResponse> ListEvaluations(Connection& connection,
                                                            const std::string& version,
                                                            const std::string& dataset) {
  constexpr int kMost = 1000;
  const auto stub = v1::ModelService::NewStub(connection.channel());
  v1::ListEvaluationsRequest request;
  request.set_version(version);
  request.set_dataset(dataset);
  v1::ListEvaluationsResponse all;
  do {
    LBW_ASSIGN_OR_RETURN(auto page, connection.Unary<v1::ListEvaluationsResponse>(
                                        Patience::kAnswer, [&](auto* context, auto* response) {
                                          return stub->ListEvaluations(context, request, response);
                                        }));
    request.set_page_token(page.next_page_token());
    page.clear_next_page_token();
    all.MergeFrom(page);
  } while (!request.page_token().empty() && all.evaluations_size() < kMost);
  return all;
}

absl::Status SavePlot(Session& session, const plot::Figure& figure, const std::string& path) {
  LBW_ASSIGN_OR_RETURN(const std::string png, plot::RenderPng(figure));
  LBW_RETURN_IF_ERROR(WriteFile(path, png));
  session.Note(base::StrCat("wrote ", path));
  return absl::OkStatus();
}

void PrintReport(Session& session, const v1::QuantizationReport& report, ReportKind kind) {
  session.out() << RenderReport(report, kind);
}

void PrintRuleMatches(Session& session,
                      const google::protobuf::RepeatedPtrField<v1::RuleMatch>& matches,
                      const v1::QuantizationOptions& options, RuleDetail detail) {
  const RuleText text = RenderRuleMatches(matches, options, detail);
  for (const std::string& line : text.lines) session.out() << line << "\n";
  for (const std::string& warning : text.warnings) session.Warn(warning);
}

void WarnIdleRules(Session& session,
                   const google::protobuf::RepeatedPtrField<v1::RuleMatch>& matches,
                   const v1::QuantizationOptions& options) {
  const RuleText text = RenderRuleMatches(matches, options, RuleDetail::kCounts);
  for (const std::string& warning : text.warnings) session.Warn(warning);
}

std::string TimeCell(const google::protobuf::Timestamp& time) {
  if (time.seconds() == 0 && time.nanos() == 0) return "-";
  return TimeText(absl::FromUnixSeconds(time.seconds()), absl::LocalTimeZone());
}

}  // namespace lbw::client
