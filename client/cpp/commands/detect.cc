#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <memory>
#include <optional>
#include <ostream>
#include <set>
#include <vector>

#include "base/io.h"
#include "base/strings.h"
#include "client/cpp/commands/commands.h"
#include "client/cpp/commands/shared.h"
#include "client/cpp/format.h"
#include "client/cpp/names.h"
#include "client/cpp/pictures.h"
#include "client/cpp/table.h"
#include "google/rpc/status.pb.h"
#include "lbw/v1/detection.grpc.pb.h"

namespace lbw::client {
namespace {

constexpr char kExamples[] = R"(Examples:
  lbw detect face photo.jpg
  lbw detect face/2 *.jpg --score 0.6 --out annotated
      version 2; the pictures with their boxes drawn go to annotated/
  lbw detect face@canary val/*.jpg --score 0.02 --json > boxes.json
      one object with results[] in the order of the pictures, whatever their number
  lbw detect face@job-latest photo.jpg        the newest checkpoint of a job that trains it
  lbw detect resnet20 cat.png --top-k 3       a classifier)";

constexpr char kAnnotatedExtension[] = ".jpg";

struct DetectArguments {
  std::string model;
  std::vector<std::string> images;
  std::optional<double> score;
  std::optional<double> iou;
  std::optional<uint32_t> max;
  std::vector<std::string> classes;
  bool per_class_nms = false;
  std::optional<uint32_t> top_k;
  std::string out;
  bool outputs = false;
};

v1::DetectOptions Options(const DetectArguments& arguments) {
  v1::DetectOptions options;
  if (arguments.score) options.set_score_threshold(static_cast<float>(*arguments.score));
  if (arguments.iou) options.set_iou_threshold(static_cast<float>(*arguments.iou));
  if (arguments.max) options.set_max_detections(*arguments.max);
  for (const std::string& label : arguments.classes) options.add_classes(label);
  if (arguments.per_class_nms) options.set_per_class_nms(true);
  if (arguments.top_k) options.set_top_k(*arguments.top_k);
  if (!arguments.out.empty()) options.set_annotate(v1::IMAGE_FORMAT_JPEG);
  options.set_include_outputs(arguments.outputs);
  return options;
}

// Sizes of all pictures, so that a wrong name is told before anything is sent.
absl::StatusOr<std::vector<uint64_t>> Measure(const std::vector<std::string>& paths) {
  std::vector<uint64_t> sizes;
  for (const std::string& path : paths) {
    std::error_code error;
    if (std::filesystem::is_directory(path, error)) {
      return base::Error(
          absl::StatusCode::kInvalidArgument, base::reason::kBadArgument,
          base::StrCat(path, " is a folder; name its pictures, as in ", path, "/*.jpg"));
    }
    const uintmax_t size = std::filesystem::file_size(path, error);
    if (error) {
      return base::Error(absl::StatusCode::kNotFound, base::reason::kNotFound,
                         base::StrCat("cannot read ", path, ": ", error.message()));
    }
    sizes.push_back(size);
  }
  return sizes;
}

// Creates the folder of --out. A drawn picture must not take the place of one that was given.
absl::Status PrepareOut(const DetectArguments& arguments) {
  const auto bad = [](const std::string& message) {
    return base::Error(absl::StatusCode::kInvalidArgument, base::reason::kBadArgument, message);
  };
  std::error_code error;
  std::filesystem::create_directories(arguments.out, error);
  if (error) {
    return bad(
        base::StrCat("cannot create the folder of --out: ", arguments.out, ": ", error.message()));
  }
  std::set<std::filesystem::path> given;
  for (const std::string& image : arguments.images) {
    given.insert(std::filesystem::weakly_canonical(image, error));
  }
  for (const std::string& name : AnnotatedNames(arguments.images, kAnnotatedExtension)) {
    const std::filesystem::path path = std::filesystem::path(arguments.out) / name;
    if (given.count(std::filesystem::weakly_canonical(path, error)) == 0) continue;
    return bad(
        base::StrCat("--out would overwrite the picture ", path.string(), "; name another folder"));
  }
  return absl::OkStatus();
}

// The detection of many pictures, call by call.
class Detection {
 public:
  Detection(Session& session, Connection& connection, const DetectArguments& arguments)
      : session_(session),
        arguments_(arguments),
        connection_(connection),
        stub_(v1::DetectionService::NewStub(connection.channel())),
        annotated_names_(AnnotatedNames(arguments.images, kAnnotatedExtension)) {}

  absl::StatusOr<v1::DetectResponse> Run(const std::string& model) {
    LBW_ASSIGN_OR_RETURN(const std::vector<uint64_t> sizes, Measure(arguments_.images));
    const CallLimits limits;
    request_.set_model(model);
    *request_.mutable_options() = Options(arguments_);
    v1::DetectResponse whole;
    for (const PictureRange& range : PlanCalls(sizes, limits)) {
      if (sizes[range.begin] > limits.max_bytes) {
        *whole.add_results() = TooLarge(sizes[range.begin], limits.max_bytes);
        continue;
      }
      LBW_ASSIGN_OR_RETURN(v1::DetectResponse part, DetectRange(range));
      LBW_RETURN_IF_ERROR(SaveAnnotated(range, part));
      AppendResponse(std::move(part), whole);
      // All calls are answered by one version, also when the alias moves meanwhile.
      if (!whole.model_version().empty()) request_.set_model(whole.model_version());
      session_.progress().Update(
          {"detect", range.end, sizes.size(), "pictures", arguments_.images[range.end - 1]});
    }
    session_.progress().Clear();
    return whole;
  }

 private:
  static v1::DetectResult TooLarge(uint64_t bytes, uint64_t limit) {
    v1::DetectResult result;
    result.mutable_error()->set_code(static_cast<int>(absl::StatusCode::kInvalidArgument));
    result.mutable_error()->set_message(
        base::StrCat("the picture is larger than a call: bytes=", bytes, " limit=", limit));
    return result;
  }

  absl::StatusOr<v1::DetectResponse> DetectRange(const PictureRange& range) {
    request_.clear_images();
    for (size_t i = range.begin; i < range.end; ++i) {
      LBW_ASSIGN_OR_RETURN(*request_.add_images(),
                           ReadTextFile(arguments_.images[i], "picture", uint64_t{64} << 20));
    }
    LBW_ASSIGN_OR_RETURN(auto response, connection_.Unary<v1::DetectResponse>(
                                            Patience::kAnswer, [&](auto* context, auto* part) {
                                              return stub_->Detect(context, request_, part);
                                            }));
    if (static_cast<size_t>(response.results_size()) == range.end - range.begin) return response;
    return base::Error(absl::StatusCode::kInternal, base::reason::kInternal,
                       base::StrCat("the server answered ", response.results_size(),
                                    " results for ", range.end - range.begin, " pictures"));
  }

  absl::Status SaveAnnotated(const PictureRange& range, v1::DetectResponse& part) {
    if (arguments_.out.empty()) return absl::OkStatus();
    for (size_t i = range.begin; i < range.end; ++i) {
      v1::DetectResult& result = *part.mutable_results(static_cast<int>(i - range.begin));
      if (!result.annotated_image().empty()) {
        const std::filesystem::path path =
            std::filesystem::path(arguments_.out) / annotated_names_[i];
        LBW_RETURN_IF_ERROR(WriteFile(path.string(), result.annotated_image()));
      }
      result.clear_annotated_image();
    }
    return absl::OkStatus();
  }

  Session& session_;
  const DetectArguments& arguments_;
  Connection& connection_;
  const std::unique_ptr<v1::DetectionService::Stub> stub_;
  const std::vector<std::string> annotated_names_;
  v1::DetectRequest request_;
};

void PrintOutputs(std::ostream& out, const v1::DetectResult& result) {
  for (const v1::OutputTensor& tensor : result.outputs()) {
    out << "  output " << Printable(tensor.name()) << " " << Shape(tensor.shape());
    if (tensor.values_size() > 0) {
      const auto ends = std::minmax_element(tensor.values().begin(), tensor.values().end());
      out << ", " << Decimal(*ends.first, 4) << " to " << Decimal(*ends.second, 4);
    }
    out << "\n";
  }
}

void PrintResult(std::ostream& out, const std::string& path, const v1::DetectResult& result) {
  const v1::DetectTimings& timings = result.timings();
  const double ms = (timings.decode_us() + timings.preprocess_us() + timings.compute_us() +
                     timings.postprocess_us()) /
                    1000.0;
  out << Printable(path) << "  " << result.image_width() << "x" << result.image_height() << "  ";
  if (result.classifications_size() == 0) {
    out << Count(static_cast<uint64_t>(result.detections_size()), "detection") << "  ";
  }
  out << Decimal(ms, 1) << " ms\n";
  Table boxes({{"label"},
               {"score", Align::kRight},
               {"x_min", Align::kRight},
               {"y_min", Align::kRight},
               {"x_max", Align::kRight},
               {"y_max", Align::kRight}});
  for (const v1::Detection& detection : result.detections()) {
    const v1::Box& box = detection.box();
    boxes.AddRow({detection.label(), Decimal(detection.score(), 3), Decimal(box.x_min(), 1),
                  Decimal(box.y_min(), 1), Decimal(box.x_max(), 1), Decimal(box.y_max(), 1)});
  }
  if (!boxes.empty()) out << boxes.Render(2);
  Table classes({{"label"}, {"score", Align::kRight}});
  for (const v1::Classification& one : result.classifications()) {
    classes.AddRow({one.label(), Decimal(one.score(), 4)});
  }
  if (!classes.empty()) out << classes.Render(2);
  PrintOutputs(out, result);
}

// The pictures that failed, as one status; OK when none did.
absl::Status FailedPictures(const DetectArguments& arguments, const v1::DetectResponse& response) {
  absl::Status first;
  int failed = 0;
  for (int i = 0; i < response.results_size(); ++i) {
    const absl::Status status = FromRpcStatus(response.results(i).error());
    if (status.ok()) continue;
    if (++failed == 1) {
      first = absl::Status(status.code(), base::StrCat(arguments.images[static_cast<size_t>(i)],
                                                       ": ", base::Std(status.message())));
    }
  }
  if (failed <= 1) return first;
  return absl::Status(first.code(),
                      base::StrCat(base::Std(first.message()), " (and ",
                                   Count(static_cast<uint64_t>(failed - 1), "more picture"), ")"));
}

// An alias job-PIECE: the whole name of the job that it means.
absl::Status CompleteJob(Connection& connection, base::ModelRef& ref) {
  constexpr std::string_view kPrefix = "job-";
  if (!ref.alias || !ref.alias->starts_with(kPrefix)) return absl::OkStatus();
  LBW_ASSIGN_OR_RETURN(const std::string job,
                       ResolveJob(connection, ref.alias->substr(kPrefix.size())));
  ref.alias = base::StrCat(kPrefix, ShortName(job));
  return absl::OkStatus();
}

absl::Status Detect(Session& session, const DetectArguments& arguments) {
  LBW_ASSIGN_OR_RETURN(base::ModelRef ref, ParseModelArgument(arguments.model));
  if (!arguments.out.empty()) LBW_RETURN_IF_ERROR(PrepareOut(arguments));
  LBW_ASSIGN_OR_RETURN(Connection* const connection, session.Connect());
  LBW_RETURN_IF_ERROR(CompleteJob(*connection, ref));
  LBW_ASSIGN_OR_RETURN(const v1::DetectResponse response,
                       Detection(session, *connection, arguments).Run(ResourceName(ref)));
  if (session.wants_json()) {
    LBW_RETURN_IF_ERROR(session.PrintJson(response));
    return FailedPictures(arguments, response);
  }
  for (int i = 0; i < response.results_size(); ++i) {
    const std::string& path = arguments.images[static_cast<size_t>(i)];
    const v1::DetectResult& result = response.results(i);
    if (result.error().code() != 0) {
      session.out() << Printable(path) << "  failed: " << Printable(result.error().message())
                    << "\n";
    } else {
      PrintResult(session.out(), path, result);
    }
  }
  session.Note(base::StrCat(
      ShortName(response.model_version()), ", ", Count(arguments.images.size(), "picture"),
      arguments.out.empty() ? "" : base::StrCat(", annotated in ", arguments.out)));
  return FailedPictures(arguments, response);
}

}  // namespace

void AddDetectCommand(CLI::App& app, Command& command) {
  auto* sub = app.add_subcommand("detect", "find objects in pictures");
  sub->footer(kExamples);
  const auto arguments = std::make_shared<DetectArguments>();
  sub->add_option("MODEL", arguments->model, "NAME, NAME/VERSION, NAME@ALIAS or NAME@job-ID")
      ->required();
  sub->add_option("IMAGE", arguments->images, "JPEG or PNG files")->required();
  sub->add_option("--score", arguments->score, "only boxes that score above it, 0 to 1");
  sub->add_option("--iou", arguments->iou, "overlap above which the weaker box goes, 0 to 1");
  sub->add_option("--max", arguments->max, "at most so many boxes a picture");
  sub->add_option("--classes", arguments->classes, "only these, by label: a,b")
      ->delimiter(',')
      ->allow_extra_args(false);
  sub->add_flag("--per-class-nms", arguments->per_class_nms,
                "suppress within each class instead of over all");
  sub->add_option("--top-k", arguments->top_k, "classifiers: how many classes");
  sub->add_option("--out", arguments->out, "folder for the pictures with their boxes drawn");
  sub->add_flag("--outputs", arguments->outputs, "also the network's outputs that the head reads");
  sub->callback([&command, arguments] {
    command = [arguments](Session& session) { return Detect(session, *arguments); };
  });
}

}  // namespace lbw::client
