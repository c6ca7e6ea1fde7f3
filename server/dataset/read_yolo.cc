#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/strip.h"
#include "base/status.h"
#include "base/strings.h"
#include "dataset/formats.h"

namespace lbw::dataset {
namespace {

// A YAML scalar without its quotes and comment.
std::string Scalar(std::string_view text) {
  std::string value(absl::StripAsciiWhitespace(base::Absl(text)));
  if (value.size() >= 2 && (value.front() == '"' || value.front() == '\'') &&
      value.back() == value.front()) {
    return value.substr(1, value.size() - 2);
  }
  const size_t comment = value.find(" #");
  if (comment != std::string::npos) value.erase(comment);
  return std::string(absl::StripAsciiWhitespace(value));
}

// [a, "b"]: between the brackets.
std::vector<std::string> FlowList(std::string_view text) {
  std::vector<std::string> names;
  std::string word;
  char quote = 0;
  for (const char c : text) {
    if (quote != 0) {
      if (c == quote) {
        quote = 0;
      } else {
        word.push_back(c);
      }
    } else if (c == '"' || c == '\'') {
      quote = c;
    } else if (c == ',') {
      names.push_back(Scalar(word));
      word.clear();
    } else {
      word.push_back(c);
    }
  }
  if (!Scalar(word).empty()) names.push_back(Scalar(word));
  return names;
}

// The names of a data.yaml: a flow list, a block list, or a map from numbers.
std::vector<std::string> NamesOfYaml(const std::string& text) {
  const std::vector<std::string> lines = LinesOf(text);
  std::vector<std::string> names;
  for (size_t i = 0; i < lines.size(); ++i) {
    if (lines[i].rfind("names:", 0) != 0) continue;
    std::string rest = lines[i].substr(6);
    size_t open = rest.find('[');
    if (open != std::string::npos) {
      for (size_t j = i + 1; rest.find(']') == std::string::npos && j < lines.size(); ++j)
        rest += lines[j];
      return FlowList(std::string_view(rest).substr(open + 1, rest.find(']') - open - 1));
    }
    for (size_t j = i + 1; j < lines.size(); ++j) {
      const std::string line(absl::StripAsciiWhitespace(lines[j]));
      if (line.rfind("- ", 0) == 0) {
        names.push_back(Scalar(line.substr(2)));
        continue;
      }
      const size_t colon = line.find(':');
      int64_t number = 0;
      const bool numbered =
          colon != std::string::npos && absl::SimpleAtoi(line.substr(0, colon), &number);
      if (!numbered || lines[j].front() != ' ') break;
      if (number < 0 || number > 100'000) break;
      if (static_cast<size_t>(number) >= names.size())
        names.resize(static_cast<size_t>(number) + 1);
      names[static_cast<size_t>(number)] = Scalar(line.substr(colon + 1));
    }
    return names;
  }
  return names;
}

absl::StatusOr<std::vector<std::string>> ReadNames(const ReadContext& context,
                                                   std::set<std::string>& used) {
  for (const auto& [path, entry] : context.tree.files()) {
    const std::string name = Lower(FileNameOf(path));
    const bool yaml = EndingOf(path) == "yaml" || EndingOf(path) == "yml";
    const bool list = name == "classes.txt" || EndingOf(path) == "names" || name == "names.txt";
    if (!yaml && !list) continue;
    LBW_ASSIGN_OR_RETURN(const std::string text,
                         context.tree.Read(path, context.options.limits.max_text_file_bytes));
    used.insert(path);
    std::vector<std::string> names;
    if (yaml) {
      names = NamesOfYaml(text);
    } else {
      for (const std::string& line : LinesOf(text)) names.push_back(Scalar(line));
    }
    if (!names.empty()) return names;
  }
  return std::vector<std::string>();
}

// The label file of a picture: images/ becomes labels/, or beside it.
std::string LabelPath(const FileTree& tree, const std::string& picture) {
  const std::string stem = picture.substr(0, picture.rfind('.'));
  const std::string beside = stem + ".txt";
  std::string swapped = "/" + beside;
  const size_t at = Lower(swapped).rfind("/images/");
  if (at != std::string::npos) {
    swapped.replace(at, 8, "/labels/");
    if (tree.files().count(swapped.substr(1)) != 0) return swapped.substr(1);
  }
  // labels/a.txt for a picture whose folder is called otherwise.
  const std::string elsewhere = "labels/" + StemOf(picture) + ".txt";
  if (tree.files().count(beside) != 0) return beside;
  return tree.files().count(elsewhere) != 0 ? elsewhere : "";
}

std::string SplitOfPath(const std::string& path) {
  std::string lower = "/" + Lower(path);
  for (const char* name : {"train", "val", "valid", "validation", "test"}) {
    if (lower.find(base::StrCat("/", name, "/")) == std::string::npos &&
        lower.find(base::StrCat("/", name, "2017/")) == std::string::npos) {
      continue;
    }
    return std::string(name).rfind("val", 0) == 0 ? "val" : name;
  }
  return "";
}

// train.txt, val.txt, test.txt: lists of paths of pictures.
std::map<std::string, std::vector<std::string>> ReadLists(const ReadContext& context,
                                                          std::set<std::string>& used) {
  std::map<std::string, std::vector<std::string>> splits;  // path -> splits
  for (const auto& [path, entry] : context.tree.files()) {
    const std::string name = Lower(FileNameOf(path));
    if (name != "train.txt" && name != "val.txt" && name != "valid.txt" && name != "test.txt")
      continue;
    const auto text = context.tree.Read(path, context.options.limits.max_json_bytes);
    if (!text.ok()) continue;
    const std::vector<std::string> lines = LinesOf(*text);
    if (lines.empty() || !IsPictureName(lines.front())) continue;
    used.insert(path);
    const std::string split = name == "valid.txt" ? "val" : StemOf(name);
    for (const std::string& line : lines) {
      const std::string picture =
          context.pictures.Find(base::Std(absl::StripPrefix(base::Absl(line), "./")));
      if (picture.empty()) {
        context.defects.Add(DefectKind::kSplitUnknown, DefectAction::kLeftOut, path, line);
      } else {
        splits[picture].push_back(split);
      }
    }
  }
  return splits;
}

// class cx cy w h, fractions; further numbers (a segmentation's points, a score) are not read.
void ReadLines(const ReadContext& context, const std::string& label, const std::string& text,
               const std::vector<std::string>& names, RawPicture& picture) {
  for (const std::string& line : LinesOf(text)) {
    const std::vector<std::string> words = WordsOf(line);
    RawBox box;
    box.relative = true;
    box.difficult = false;
    int64_t index = -1;
    std::array<double, 4> values{};
    bool good = words.size() >= 5 && absl::SimpleAtoi(words[0], &index);
    for (size_t i = 0; good && i < 4; ++i) good = absl::SimpleAtod(words[i + 1], &values[i]);
    if (!good || index < 0) {
      context.defects.Add(DefectKind::kBadCoordinates, DefectAction::kLeftOut, label, line);
      continue;
    }
    const auto number = static_cast<size_t>(index);
    box.class_name = number < names.size() ? names[number] : base::StrCat(index);
    if (!names.empty() && number >= names.size()) {
      context.defects.Add(DefectKind::kUnknownClass, DefectAction::kLeftOut, label,
                          base::StrCat("class ", index, " of ", names.size()));
      continue;
    }
    box.corners = {values[0] - values[2] / 2, values[1] - values[3] / 2, values[0] + values[2] / 2,
                   values[1] + values[3] / 2};
    picture.boxes.push_back(std::move(box));
  }
}

}  // namespace

absl::StatusOr<RawDataset> ReadYolo(const ReadContext& context) {
  RawDataset raw;
  raw.pixel_rule = PixelRule::kContinuous;
  std::set<std::string> used;
  LBW_ASSIGN_OR_RETURN(raw.classes, ReadNames(context, used));
  const auto lists = ReadLists(context, used);
  for (const std::string& path : context.pictures.all()) {
    RawPicture picture;
    picture.path = path;
    picture.wanted = path;
    const auto listed = lists.find(path);
    if (listed != lists.end()) {
      picture.splits = listed->second;
    } else if (const std::string split = SplitOfPath(path); !split.empty()) {
      picture.splits.push_back(split);
    }
    const std::string label = LabelPath(context.tree, path);
    if (label.empty()) {
      // YOLO's own convention: a background picture.
      context.defects.Add(DefectKind::kAnnotationMissing, DefectAction::kNoted, path,
                          "no text file: taken as without objects");
    } else {
      used.insert(label);
      picture.annotation_file = label;
      const auto text = context.tree.Read(label, context.options.limits.max_text_file_bytes);
      if (!text.ok()) {
        context.defects.Add(DefectKind::kAnnotationBroken, DefectAction::kLeftOut, label,
                            base::Std(text.status().message()));
        continue;
      }
      ReadLines(context, label, *text, raw.classes, picture);
    }
    raw.pictures.push_back(std::move(picture));
  }
  for (const auto& [path, entry] : context.tree.files()) {
    if (EndingOf(path) != "txt" || used.count(path) != 0) continue;
    context.defects.Add(DefectKind::kPictureMissing, DefectAction::kLeftOut, path,
                        "annotations without a picture");
  }
  if (raw.pictures.empty()) return BadDataset("no pictures");
  // Class numbers without names: all of them up to the largest.
  if (raw.classes.empty()) {
    int64_t largest = -1;
    for (const RawPicture& picture : raw.pictures) {
      for (const RawBox& box : picture.boxes) {
        int64_t number = 0;
        if (absl::SimpleAtoi(box.class_name, &number)) largest = std::max(largest, number);
      }
    }
    if (largest >= context.options.limits.max_classes) {
      return BadDataset(base::StrCat("class ", largest, " is beyond the limit of ",
                                     context.options.limits.max_classes));
    }
    for (int64_t i = 0; i <= largest; ++i) raw.classes.push_back(base::StrCat(i));
  }
  return raw;
}

}  // namespace lbw::dataset
