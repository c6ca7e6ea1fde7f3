#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "base/strings.h"
#include "dataset/formats.h"

namespace lbw::dataset {
namespace {

class Finder {
 public:
  Finder(const ReadContext& context, PlaceRule rule, std::vector<RawPicture>& pictures)
      : context_(context),
        rule_(rule),
        pictures_(pictures),
        elsewhere_(pictures.size(), false),
        by_folders_(pictures.size(), false) {}

  absl::Status Run() {
    for (size_t i = 0; i < pictures_.size(); ++i) {
      LBW_RETURN_IF_ERROR(context_.ticker.Items());
      Look(i);
      LBW_RETURN_IF_ERROR(Keep(pictures_[i]));
    }
    for (size_t i = 0; i < pictures_.size(); ++i) {
      LBW_RETURN_IF_ERROR(context_.ticker.Items());
      RawPicture& picture = pictures_[i];
      if (rule_ == PlaceRule::kPath && !picture.path.empty()) LeaveOtherPlaces(i);
      if (!picture.path.empty() && !elsewhere_[i]) named_.insert(picture.path);
    }
    for (size_t i = 0; i < pictures_.size(); ++i) {
      LBW_RETURN_IF_ERROR(context_.ticker.Items());
      if (rule_ == PlaceRule::kBeside && pictures_[i].path.empty()) {
        LookElsewhere(i);
        LBW_RETURN_IF_ERROR(Keep(pictures_[i]));
      }
      if (elsewhere_[i]) Settle(pictures_[i]);
    }
    return absl::OkStatus();
  }

 private:
  // The path, in the sets below and in words, and the words around it.
  absl::Status Keep(const RawPicture& picture) {
    constexpr uint64_t kWords = 128;
    return context_.budget.Keep(kWords + 6 * picture.path.size() + picture.missing_because.size(),
                                picture.annotation_file);
  }

  // Where the annotation says.
  void Look(size_t i) {
    RawPicture& picture = pictures_[i];
    const std::string& file = picture.annotation_file;
    FoundPicture found = rule_ == PlaceRule::kPath
                             ? context_.pictures.Find(picture.wanted, FolderOf(file))
                             : context_.pictures.FindBeside(file, picture.wanted);
    if (rule_ == PlaceRule::kBeside && !found.path.empty()) {
      used_places_.insert(SharedFolderOf(file));
      NoteOtherName(picture, found.path);
    }
    if (rule_ == PlaceRule::kPath && found.beside) at_home_.insert(file);
    if (rule_ == PlaceRule::kBeside && picture.wanted.empty()) picture.wanted = StemOf(file);
    elsewhere_[i] = found.elsewhere;
    by_folders_[i] = found.by_folders;
    picture.path = std::move(found.path);
    picture.missing_because = std::move(found.because);
  }

  // A bare name is a picture of the list's own folder, or of its split's, where there are such.
  void LeaveOtherPlaces(size_t i) {
    RawPicture& picture = pictures_[i];
    const std::string home = FolderOf(picture.annotation_file);
    const bool below_home = picture.path.rfind(home + "/", 0) == 0;
    if (at_home_.count(picture.annotation_file) != 0 && !by_folders_[i] && !below_home) {
      return Miss(picture, "not in " + home);
    }
    const std::string split = picture.splits.empty() ? "" : SplitOfFolder(picture.splits.front());
    if (split.empty() || by_folders_[i] || !context_.pictures.HasSplit(split)) return;
    std::string of_path;
    for (const std::string& folder : FoldersOf(picture.path)) {
      if (const std::string token = SplitOfFolder(folder); !token.empty()) of_path = token;
    }
    if (!of_path.empty() && of_path != split) Miss(picture, "not among the pictures of " + split);
  }

  void LookElsewhere(size_t i) {
    RawPicture& picture = pictures_[i];
    const std::string& file = picture.annotation_file;
    if (!picture.missing_because.empty()) return;
    FoundPicture found = context_.pictures.FindStem(StemOf(file));
    if (found.path.empty() && !picture.wanted.empty()) {
      found = context_.pictures.FindStem(StemOf(picture.wanted));
    }
    picture.path = std::move(found.path);
    picture.missing_because = std::move(found.because);
    const bool used = used_places_.count(SharedFolderOf(file)) != 0;
    if (used && !picture.path.empty()) {
      Miss(picture, "not with the other pictures of its folder");
    }
    elsewhere_[i] = !picture.path.empty();
  }

  // Takes a picture from elsewhere, unless an annotation names it.
  void Settle(RawPicture& picture) {
    if (picture.path.empty()) return;
    // Two lists may mean the same picture by the same wrong name.
    const auto [taken, is_new] = settled_.emplace(picture.path, picture.wanted);
    if (named_.count(picture.path) != 0 || (!is_new && taken->second != picture.wanted)) {
      return Miss(picture, "it is another annotation's");
    }
    context_.defects.Add(DefectKind::kFilenameDiffers, DefectAction::kRepaired,
                         picture.annotation_file,
                         base::StrCat("filename=", picture.wanted, " picture=", picture.path,
                                      ": the only one of its name"));
  }

  static void Miss(RawPicture& picture, const std::string& because) {
    picture.missing_because = base::StrCat(because, "; ", picture.path, " is not taken for it");
    picture.path.clear();
  }

  // Folders, case and an ending that is left away do not count.
  void NoteOtherName(const RawPicture& picture, const std::string& path) {
    if (picture.wanted.empty()) return;
    const std::string name = Lower(FileNameOf(picture.wanted));
    if (name == Lower(FileNameOf(path)) || name == Lower(StemOf(path))) return;
    context_.defects.Add(DefectKind::kFilenameDiffers, DefectAction::kRepaired,
                         picture.annotation_file,
                         base::StrCat("filename=", picture.wanted, " picture=", path));
  }

  const ReadContext& context_;
  const PlaceRule rule_;
  std::vector<RawPicture>& pictures_;
  std::vector<bool> elsewhere_;        // of the tree, not of the annotation
  std::vector<bool> by_folders_;       // whether the name's folders helped to find it
  std::set<std::string> at_home_;      // lists that have pictures in their own folder
  std::set<std::string> used_places_;  // with pictures that were found beside their annotations
  std::set<std::string> named_;        // pictures that have an annotation
  std::map<std::string, std::string> settled_;  // pictures taken from elsewhere, for what names
};

}  // namespace

absl::Status FindPictures(const ReadContext& context, PlaceRule rule,
                          std::vector<RawPicture>& pictures) {
  return Finder(context, rule, pictures).Run();
}

}  // namespace lbw::dataset
