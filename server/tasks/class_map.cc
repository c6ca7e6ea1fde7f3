#include "tasks/class_map.h"

#include <algorithm>
#include <map>

#include "absl/strings/ascii.h"
#include "absl/strings/str_join.h"
#include "base/status.h"
#include "base/strings.h"

namespace lbw::tasks {
namespace {

std::string Folded(const std::string& label) {
  std::string folded;
  for (const char c : label) {
    if (c != ' ' && c != '_' && c != '-')
      folded.push_back(absl::ascii_tolower(static_cast<unsigned char>(c)));
  }
  return folded;
}

bool AreNumbers(const std::vector<std::string>& labels) {
  for (size_t i = 0; i < labels.size(); ++i) {
    if (labels[i] != std::to_string(i)) return false;
  }
  return true;
}

std::string Shown(const std::vector<std::string>& labels) {
  constexpr size_t kMost = 12;
  std::vector<std::string> shown(
      labels.begin(), labels.begin() + static_cast<std::ptrdiff_t>(std::min(labels.size(), kMost)));
  std::string text = absl::StrJoin(shown, ", ");
  if (labels.size() > kMost) text += base::StrCat(", ... (", labels.size(), ")");
  return text;
}

}  // namespace

absl::StatusOr<ClassMap> MapClasses(const std::vector<std::string>& model,
                                    const std::vector<std::string>& dataset) {
  ClassMap map;
  map.to_dataset.assign(model.size(), -1);
  if (dataset.size() == model.size() && AreNumbers(dataset) && !AreNumbers(model)) {
    for (size_t i = 0; i < model.size(); ++i) map.to_dataset[i] = static_cast<int32_t>(i);
    map.notes.push_back(
        base::StrCat("the dataset numbers its classes: taken as the model's ", Shown(model)));
    return map;
  }
  std::map<std::string, size_t> exact;
  std::multimap<std::string, size_t> folded;
  for (size_t i = 0; i < model.size(); ++i) {
    exact.emplace(model[i], i);
    folded.emplace(Folded(model[i]), i);
  }
  // Equal labels first: a similar one must not take the class of a label that is the same.
  std::vector<size_t> similar;
  for (size_t d = 0; d < dataset.size(); ++d) {
    const auto found = exact.find(dataset[d]);
    if (found == exact.end()) {
      similar.push_back(d);
    } else {
      map.to_dataset[found->second] = static_cast<int32_t>(d);
    }
  }
  std::vector<std::string> missing;
  for (const size_t d : similar) {
    const std::string key = Folded(dataset[d]);
    const auto found = folded.find(key);
    // Of two that are similar nobody knows which is meant.
    if (folded.count(key) != 1 || map.to_dataset[found->second] >= 0) {
      missing.push_back(dataset[d]);
      continue;
    }
    map.notes.push_back(base::StrCat("the dataset's class ", dataset[d],
                                     " is taken as the model's ", model[found->second]));
    map.to_dataset[found->second] = static_cast<int32_t>(d);
  }
  if (!missing.empty()) {
    return base::Error(
        absl::StatusCode::kFailedPrecondition, base::reason::kBadDataset,
        base::StrCat("the model has no classes ", Shown(missing), "; it has ", Shown(model),
                     ": create the dataset with a class_map from its names to the model's"));
  }
  std::vector<std::string> only_model;
  for (size_t i = 0; i < model.size(); ++i) {
    if (map.to_dataset[i] < 0) only_model.push_back(model[i]);
  }
  if (!only_model.empty()) {
    map.notes.push_back(base::StrCat(
        "boxes of classes that the dataset does not have are left out: ", Shown(only_model)));
  }
  return map;
}

}  // namespace lbw::tasks
