#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>
#include <optional>
#include <ostream>

#include "base/strings.h"
#include "client/cpp/commands/commands.h"
#include "client/cpp/commands/compare_pictures.h"
#include "client/cpp/commands/folder_dataset.h"
#include "client/cpp/commands/job_flags.h"
#include "client/cpp/commands/shared.h"
#include "client/cpp/comparison_view.h"
#include "client/cpp/format.h"
#include "client/cpp/job_words.h"
#include "client/cpp/names.h"
#include "client/cpp/watch.h"

namespace lbw::client {
namespace {

constexpr char kExamples[] = R"(Examples:
  lbw model compare face/2 --images photos/
      against its float ancestor on 32 of your own pictures: each layer's output, each box
  lbw model compare face/2 face/1 --images photos/ --score 0.5 --out worst.png
      and the pictures where they differ most, drawn side by side; a folder: one file a picture
  lbw model compare face/3 face/2 --dataset faces --split val --count 100 --json)";

constexpr uint32_t kMaxCount = 1'024;

struct CompareArguments {
  std::string version;
  std::string reference;
  std::string images;
  std::string dataset;
  std::string split;
  std::optional<uint32_t> count;
  uint64_t seed = 0;
  std::optional<float> score;
  std::string out;
  JobFlags job;
};

absl::Status InvalidArgument(const std::string& message) {
  return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadArgument, message);
}

// What is drawn must neither take the place of a picture that was given nor be one the next time.
absl::Status CheckOutside(const CompareArguments& arguments) {
  namespace fs = std::filesystem;
  std::error_code error;
  const fs::path out = fs::weakly_canonical(arguments.out, error);
  const fs::path images = fs::weakly_canonical(arguments.images, error);
  const fs::path inside = out.lexically_relative(images);
  if (inside.empty() || *inside.begin() == "..") return absl::OkStatus();
  return InvalidArgument(base::StrCat("--out ", Printable(arguments.out), " lies in --images ",
                                      Printable(arguments.images), "; name another place"));
}

absl::Status CheckArguments(const CompareArguments& arguments) {
  if (arguments.images.empty() == arguments.dataset.empty()) {
    return InvalidArgument("name the pictures: --images FOLDER or --dataset DATASET");
  }
  if (!arguments.images.empty() && !arguments.split.empty()) {
    return InvalidArgument(base::StrCat("--split ", Printable(arguments.split),
                                        " belongs to --dataset; a folder has no splits"));
  }
  if (arguments.count && (*arguments.count < 1 || *arguments.count > kMaxCount)) {
    return InvalidArgument(base::StrCat("--count must be 1..", kMaxCount, ": ", *arguments.count));
  }
  if (arguments.score && !(*arguments.score >= 0.0F && *arguments.score <= 1.0F)) {
    return InvalidArgument(base::StrCat("--score must be 0..1: ", *arguments.score));
  }
  if (arguments.out.empty()) return absl::OkStatus();
  if (arguments.images.empty()) {
    return InvalidArgument("--out draws your own pictures; it needs --images FOLDER");
  }
  if (arguments.job.no_wait || arguments.job.dry_run) {
    return InvalidArgument("--out needs the result; it does not go with --no-wait or --dry-run");
  }
  LBW_RETURN_IF_ERROR(CheckOutside(arguments));
  return PrepareDrawings(arguments.out);
}

absl::StatusOr<v1::CreateJobRequest> BuildRequest(const Session& session,
                                                  const CompareArguments& arguments) {
  v1::CreateJobRequest request;
  v1::CompareSpec& spec = *request.mutable_spec()->mutable_compare();
  LBW_ASSIGN_OR_RETURN(const base::ModelRef version, ParseModelArgument(arguments.version));
  spec.set_version(ResourceName(version));
  if (!arguments.reference.empty()) {
    LBW_ASSIGN_OR_RETURN(const base::ModelRef reference, ParseModelArgument(arguments.reference));
    spec.set_reference(ResourceName(reference));
  }
  if (!arguments.dataset.empty()) {
    LBW_ASSIGN_OR_RETURN(*spec.mutable_dataset(), ParseDatasetArgument(arguments.dataset));
  }
  spec.set_split(arguments.split);
  spec.set_count(arguments.count.value_or(0));
  spec.set_seed(arguments.seed);
  if (arguments.score) spec.mutable_options()->set_score_threshold(*arguments.score);
  LBW_RETURN_IF_ERROR(FillIn(session, arguments.job, request));
  return request;
}

// The job's dataset out of the user's folder. Errors: those of DatasetOfFolder; kNotFound.
absl::Status UseFolder(Session& session, Connection& connection, const CompareArguments& arguments,
                       v1::CompareSpec& spec) {
  std::error_code error;
  if (!std::filesystem::is_directory(arguments.images, error)) {
    return base::Error(absl::StatusCode::kNotFound, base::reason::kNotFound,
                       base::StrCat("--images is no folder: ", Printable(arguments.images)));
  }
  LBW_ASSIGN_OR_RETURN(const base::ModelRef ref, ParseModelArgument(arguments.version));
  LBW_RETURN_IF_ERROR(GetModel(connection, ref.model).status());
  const FolderUse use = arguments.job.dry_run ? FolderUse::kOnlyFind : FolderUse::kCreate;
  LBW_ASSIGN_OR_RETURN(*spec.mutable_dataset(),
                       DatasetOfFolder(session, connection, {ref.model}, arguments.images, use));
  return absl::OkStatus();
}

absl::Status Compare(Session& session, const CompareArguments& arguments) {
  LBW_RETURN_IF_ERROR(CheckArguments(arguments));
  LBW_ASSIGN_OR_RETURN(v1::CreateJobRequest request, BuildRequest(session, arguments));
  LBW_ASSIGN_OR_RETURN(Connection* const connection, session.Connect());
  if (!arguments.images.empty()) {
    LBW_RETURN_IF_ERROR(
        UseFolder(session, *connection, arguments, *request.mutable_spec()->mutable_compare()));
  }
  LBW_ASSIGN_OR_RETURN(const v1::Job job, CreateJob(*connection, std::move(request)));
  if (arguments.job.dry_run) return PrintDryRun(session, job, "compare");
  if (arguments.job.no_wait) return PrintCreated(session, job);
  session.Note(base::StrCat(JobSubject(job), ": ", job.name()));
  LBW_RETURN_IF_ERROR(WaitForJob(session, *connection, job.name()).status());
  // A stream's snapshot may leave the tables out.
  LBW_ASSIGN_OR_RETURN(const v1::Job ended, GetJob(*connection, job.name()));
  const v1::Comparison& comparison = ended.result().comparison();
  if (session.wants_json()) {
    LBW_RETURN_IF_ERROR(session.PrintJson(ended.result()));
  } else {
    session.out() << RenderComparison(comparison);
  }
  if (arguments.out.empty()) return absl::OkStatus();
  return DrawWorst(session, *connection, comparison,
                   {arguments.images, arguments.out, arguments.score});
}

}  // namespace

void AddModelCompareCommand(CLI::App& model, Command& command) {
  auto* sub = model.add_subcommand(
      "compare", "two versions on the same pictures, layer by layer and box by box");
  sub->footer(kExamples);
  const auto arguments = std::make_shared<CompareArguments>();
  sub->add_option("VERSION", arguments->version, "NAME, NAME/VERSION or NAME@ALIAS")->required();
  sub->add_option("REFERENCE", arguments->reference,
                  "what it is compared with; its float ancestor by default");
  sub->add_option("--images", arguments->images, "folder of pictures; labels are not needed");
  sub->add_option("--dataset", arguments->dataset, "or: a dataset of the server");
  sub->add_option("--split", arguments->split, "of the dataset; val, else test by default");
  sub->add_option("--count", arguments->count, "pictures, 1..1024; 32 by default");
  sub->add_option("--seed", arguments->seed, "which pictures; 0 by default");
  sub->add_option("--score", arguments->score,
                  "only boxes that score above it: 0.02 by default; in drawings the model's own");
  sub->add_option("--out", arguments->out,
                  "PNG file, or folder, for the 16 pictures at most where the boxes differ most");
  AddJobFlags(*sub, arguments->job);
  sub->add_flag("--dry-run", arguments->job.dry_run,
                "check everything and estimate; create nothing");
  sub->callback([&command, arguments] {
    command = [arguments](Session& session) { return Compare(session, *arguments); };
  });
}

}  // namespace lbw::client
