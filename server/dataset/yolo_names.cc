#include "dataset/yolo_names.h"

#include <algorithm>
#include <cstdint>
#include <string_view>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "base/status.h"
#include "base/strings.h"
#include "dataset/budget.h"

namespace lbw::dataset {
namespace {

// A YAML scalar without its quotes and comment.
std::string Scalar(std::string_view text) {
  std::string value(absl::StripAsciiWhitespace(base::Absl(text)));
  if (!value.empty() && (value.front() == '"' || value.front() == '\'')) {
    const size_t end = value.find(value.front(), 1);
    if (end != std::string::npos) return value.substr(1, end - 1);
  }
  const size_t comment = value.find(" #");
  if (comment != std::string::npos) value.erase(comment);
  return std::string(absl::StripAsciiWhitespace(value));
}

// names[number] = name, for numbers that a list of classes may have.
void SetName(size_t number, std::string_view name, std::vector<std::string>& names) {
  constexpr size_t kMost = 100'000;  // the check's own limit comes later
  if (number > kMost) return;
  if (number >= names.size()) names.resize(number + 1);
  names[number] = Scalar(name);
}

// "3: cat" -> names[3]. False where it is something else.
bool ReadNumbered(std::string_view line, std::vector<std::string>& names) {
  const size_t colon = line.find(':');
  uint64_t number = 0;
  if (colon == std::string_view::npos) return false;
  if (!absl::SimpleAtoi(Scalar(line.substr(0, colon)), &number)) return false;
  SetName(static_cast<size_t>(number), line.substr(colon + 1), names);
  return true;
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

// Names behind "names:": [a, b] or {0: a, 1: b}, over several lines.
std::vector<std::string> FlowNames(std::string text, const std::vector<std::string>& lines,
                                   size_t next) {
  const bool map = text.front() == '{';
  const char close = map ? '}' : ']';
  size_t end = text.find(close);
  for (; end == std::string::npos && next < lines.size(); ++next) {
    const size_t before = text.size();
    text += lines[next];
    end = text.find(close, before);
  }
  const std::vector<std::string> words = FlowList(std::string_view(text).substr(1, end - 1));
  if (!map) return words;
  std::vector<std::string> names;
  for (const std::string& word : words) (void)ReadNumbered(word, names);
  return names;
}

// The names of a data.yaml: a flow list or map, a block list, or a map from numbers.
std::vector<std::string> NamesOfYaml(const std::string& text) {
  const std::vector<std::string> lines = LinesOf(text);
  std::vector<std::string> names;
  for (size_t i = 0; i < lines.size(); ++i) {
    if (lines[i].rfind("names:", 0) != 0) continue;
    const std::string rest(absl::StripAsciiWhitespace(lines[i].substr(6)));
    if (!rest.empty() && (rest.front() == '[' || rest.front() == '{')) {
      return FlowNames(rest, lines, i + 1);
    }
    for (size_t j = i + 1; j < lines.size(); ++j) {
      const std::string line(absl::StripAsciiWhitespace(lines[j]));
      if (line.front() == '#') continue;
      if (line.rfind("- ", 0) == 0) {
        names.push_back(Scalar(line.substr(2)));
        continue;
      }
      const bool indented = lines[j].front() == ' ' || lines[j].front() == '\t';
      if (!indented || !ReadNumbered(line, names)) break;
    }
    return names;
  }
  return names;
}

// A name a line; its place is its number, so that an empty line counts.
std::vector<std::string> NamesOfList(std::string_view text) {
  std::vector<std::string> names;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    names.emplace_back(absl::StripAsciiWhitespace(base::Absl(text.substr(0, end))));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  while (!names.empty() && names.back().empty()) names.pop_back();
  return names;
}

bool IsYaml(const std::string& path) { return EndingOf(path) == "yaml" || EndingOf(path) == "yml"; }

bool IsDataYaml(const std::string& path) { return IsYaml(path) && Lower(StemOf(path)) == "data"; }

// In the order in which they are asked.
absl::StatusOr<std::vector<std::string>> Candidates(const ReadContext& context) {
  std::vector<std::string> found;
  for (const auto& [path, entry] : context.tree.files()) {
    LBW_RETURN_IF_ERROR(context.ticker.Items());
    const std::string name = Lower(FileNameOf(path));
    const bool list = name == "classes.txt" || EndingOf(path) == "names" || name == "names.txt";
    if (list || IsYaml(path)) found.push_back(path);
  }
  std::stable_partition(found.begin(), found.end(), IsDataYaml);
  return found;
}

}  // namespace

absl::StatusOr<YoloNames> ReadYoloNames(const ReadContext& context, std::set<std::string>& used) {
  const DatasetLimits& limits = context.options.limits;
  YoloNames result;
  LBW_ASSIGN_OR_RETURN(const std::vector<std::string> candidates, Candidates(context));
  used.insert(candidates.begin(), candidates.end());
  for (const std::string& path : candidates) {
    LBW_RETURN_IF_ERROR(context.ticker.File());
    const absl::StatusOr<std::string> text = context.tree.Read(path, limits.max_names_file_bytes);
    const bool large =
        base::GetErrorDetails(text.status()).reason == base::reason::kLimitExceeded.text;
    if (large && !IsDataYaml(path)) {
      context.defects.Add(
          DefectKind::kExtraFile, DefectAction::kNoted, path,
          base::StrCat("not read for names of classes: ", base::Std(text.status().message())));
      continue;
    }
    LBW_RETURN_IF_ERROR(text.status());
    result.names = IsYaml(path) ? NamesOfYaml(*text) : NamesOfList(*text);
    if (result.names.empty()) continue;
    result.has_keypoints = IsYaml(path) && text->find("kpt_shape") != std::string::npos;
    for (size_t i = 0; i < result.names.size(); ++i) {
      if (result.names[i].empty()) result.names[i] = base::StrCat(i);
      LBW_RETURN_IF_ERROR(
          CheckNameLength(base::StrCat(path, ": names[", i, "]"), result.names[i], limits));
    }
    return result;
  }
  // Numbers of classes that the caller names, unless the map is about the numbers.
  if (context.options.class_map.empty()) result.names = context.options.classes;
  return result;
}

}  // namespace lbw::dataset
