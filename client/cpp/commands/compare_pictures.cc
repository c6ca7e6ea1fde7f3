#include "client/cpp/commands/compare_pictures.h"

#include <filesystem>
#include <memory>
#include <ostream>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "base/status.h"
#include "base/strings.h"
#include "client/cpp/comparison_view.h"
#include "client/cpp/errors.h"
#include "client/cpp/format.h"
#include "client/cpp/names.h"
#include "client/cpp/pictures.h"
#include "client/cpp/side_by_side.h"
#include "lbw/v1/detection.grpc.pb.h"

namespace lbw::client {
namespace {

constexpr size_t kMostPictures = 16;
constexpr size_t kMostFiles = 1'000'000;
constexpr uint64_t kMaxPictureBytes = uint64_t{32} << 20;
// Of one picture in a sheet of several, and in a file of its own.
constexpr PixelBox kSheetCell = {720, 720};
constexpr PixelBox kFileCell = {1280, 1280};

bool IsSheet(const std::string& out) { return absl::EndsWith(absl::AsciiStrToLower(out), ".png"); }

// Regular files below a folder, by their paths inside it.
std::vector<std::string> FilesBelow(const std::string& folder) {
  namespace fs = std::filesystem;
  std::vector<std::string> files;
  std::error_code error;
  fs::recursive_directory_iterator it(folder, fs::directory_options::skip_permission_denied, error);
  for (; !error && it != fs::recursive_directory_iterator(); it.increment(error)) {
    std::error_code other;
    if (!it->is_regular_file(other) || files.size() >= kMostFiles) continue;
    files.push_back(it->path().lexically_relative(folder).generic_string());
  }
  return files;
}

class Drawing {
 public:
  Drawing(Session& session, Connection& connection, const v1::Comparison& comparison,
          const DrawRequest& request)
      : session_(session),
        connection_(connection),
        comparison_(comparison),
        request_(request),
        cell_(IsSheet(request.out) ? kSheetCell : kFileCell),
        stub_(v1::DetectionService::NewStub(connection.channel())) {}

  absl::Status Run() {
    const std::vector<std::string> files = FilesBelow(request_.folder);
    for (const int place : WorstPictures(comparison_)) {
      if (pairs_.size() == kMostPictures) break;
      const v1::ComparedPicture& picture = comparison_.compared(place);
      if (!picture.error().empty()) continue;
      const std::string file = FindPictureFile(files, picture.name());
      if (file.empty()) {
        session_.Warn(base::StrCat(Printable(picture.name()), " is not in ",
                                   Printable(request_.folder), "; not drawn"));
        continue;
      }
      LBW_RETURN_IF_ERROR(Draw(picture, file));
      session_.progress().Update(
          {"draw", pairs_.size(), kMostPictures, "pictures", picture.name()});
    }
    session_.progress().Clear();
    if (!pairs_.empty()) return Write();
    return base::Error(absl::StatusCode::kNotFound, base::reason::kNotFound,
                       "none of the compared pictures could be drawn");
  }

 private:
  absl::Status Draw(const v1::ComparedPicture& picture, const std::string& file) {
    const std::string path = (std::filesystem::path(request_.folder) / file).string();
    const auto bytes = ReadTextFile(path, "picture", kMaxPictureBytes);
    if (!bytes.ok()) return Skip(file, bytes.status());
    SidePair pair;
    pair.caption = PictureWord(comparison_, picture);
    LBW_ASSIGN_OR_RETURN(const v1::DetectResult left, Ask(comparison_.reference(), *bytes));
    LBW_ASSIGN_OR_RETURN(const v1::DetectResult right, Ask(comparison_.version(), *bytes));
    for (const v1::DetectResult* const one : {&left, &right}) {
      const absl::Status status = FromRpcStatus(one->error());
      if (!status.ok()) return Skip(file, status);
    }
    pair.left_title = Title(comparison_.reference(), left, "reference");
    pair.right_title = Title(comparison_.version(), right, "");
    LBW_ASSIGN_OR_RETURN(pair.left_png, FitPng(left.annotated_image(), cell_));
    LBW_ASSIGN_OR_RETURN(pair.right_png, FitPng(right.annotated_image(), cell_));
    pairs_.push_back(std::move(pair));
    files_.push_back(file);
    return absl::OkStatus();
  }

  absl::Status Skip(const std::string& file, const absl::Status& status) {
    session_.Warn(
        base::StrCat(Printable(file), " is not drawn: ", Printable(base::Std(status.message()))));
    return absl::OkStatus();
  }

  absl::StatusOr<v1::DetectResult> Ask(const std::string& version, const std::string& bytes) {
    v1::DetectRequest request;
    request.set_model(version);
    request.add_images(bytes);
    request.mutable_options()->set_annotate(v1::IMAGE_FORMAT_PNG);
    if (request_.score) request.mutable_options()->set_score_threshold(*request_.score);
    LBW_ASSIGN_OR_RETURN(
        v1::DetectResponse response,
        connection_.Unary<v1::DetectResponse>(Patience::kAnswer, [&](auto* context, auto* answer) {
          return stub_->Detect(context, request, answer);
        }));
    if (response.results_size() == 1) return std::move(*response.mutable_results(0));
    return base::Error(
        absl::StatusCode::kInternal, base::reason::kInternal,
        base::StrCat("the server answered ", response.results_size(), " results for a picture"));
  }

  static std::string Title(const std::string& version, const v1::DetectResult& result,
                           const std::string& role) {
    std::string text = ShortName(version);
    if (!role.empty()) base::StrAppend(&text, " (", role, ")");
    if (result.classifications_size() > 0) {
      const v1::Classification& best = result.classifications(0);
      return base::StrCat(text, ": ", best.label(), " ", Decimal(best.score(), 3));
    }
    return base::StrCat(text, ": ",
                        Count(static_cast<uint64_t>(result.detections_size()), "detection"));
  }

  absl::Status Write() const {
    if (IsSheet(request_.out)) {
      LBW_ASSIGN_OR_RETURN(const std::string png, RenderPairs(pairs_));
      LBW_RETURN_IF_ERROR(WriteFile(request_.out, png));
    } else {
      const std::vector<std::string> names = AnnotatedNames(files_, ".png");
      for (size_t i = 0; i < pairs_.size(); ++i) {
        LBW_ASSIGN_OR_RETURN(const std::string png, RenderPairs({&pairs_[i], 1}));
        // Worst first, also where a folder is listed by name.
        const std::string name = base::StrCat(i + 1 < 10 ? "0" : "", i + 1, "-", names[i]);
        LBW_RETURN_IF_ERROR(WriteFile((std::filesystem::path(request_.out) / name).string(), png));
      }
    }
    session_.Note(base::StrCat("drew ", Count(pairs_.size(), "picture"), " into ", request_.out));
    return absl::OkStatus();
  }

  Session& session_;
  Connection& connection_;
  const v1::Comparison& comparison_;
  const DrawRequest& request_;
  const PixelBox cell_;
  const std::unique_ptr<v1::DetectionService::Stub> stub_;
  std::vector<SidePair> pairs_;
  std::vector<std::string> files_;
};

}  // namespace

absl::Status PrepareDrawings(const std::string& out) {
  if (IsSheet(out)) return CheckOutFile(out, "--out");
  std::error_code error;
  std::filesystem::create_directories(out, error);
  if (!error) return absl::OkStatus();
  return base::Error(
      absl::StatusCode::kInvalidArgument, base::reason::kBadArgument,
      base::StrCat("cannot create the folder of --out: ", out, ": ", error.message()));
}

absl::Status DrawWorst(Session& session, Connection& connection, const v1::Comparison& comparison,
                       const DrawRequest& request) {
  return Drawing(session, connection, comparison, request).Run();
}

}  // namespace lbw::client
