#include "tasks/class_map.h"

#include <algorithm>
#include <map>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/str_join.h"
#include "base/status.h"
#include "base/strings.h"

namespace lbw::tasks {
namespace {

constexpr size_t kMostNamed = 20;

std::string Normalized(std::string_view label) {
  std::string text;
  for (const char c : label) {
    if (c != ' ' && c != '_' && c != '-') text.push_back(absl::ascii_tolower(static_cast<unsigned char>(c)));
  }
  return text;
}

std::string Listed(const std::vector<std::string>& labels) {
  const size_t shown = std::min(labels.size(), kMostNamed);
  std::string text =
      absl::StrJoin(labels.begin(), labels.begin() + static_cast<std::ptrdiff_t>(shown), ", ");
  if (shown < labels.size()) base::StrAppend(&text, ", ... (", labels.size(), " in all)");
  return text;
}

bool AreNumbers(const std::vector<std::string>& labels) {
  std::set<std::string> expected;
  for (size_t i = 0; i < labels.size(); ++i) expected.insert(base::StrCat(i));
  return std::set<std::string>(labels.begin(), labels.end()) == expected;
}

base::Error Unmatched(const ClassLists& lists, const std::vector<std::string>& missing) {
  return base::Error(
      absl::StatusCode::kFailedPrecondition, base::reason::kNotTheRightHead,
      base::StrCat("classes of ", lists.dataset_name, " that ", lists.model_name,
                   " does not have: ", Listed(missing), "; the dataset has: ",
                   Listed(lists.dataset), "; the model has: ", Listed(lists.model),
                   "; a dataset's class_map gives its classes other names"));
}

ClassMap ByIndex(const ClassLists& lists) {
  ClassMap map;
  map.to_dataset.assign(lists.model.size(), -1);
  for (size_t i = 0; i < lists.dataset.size(); ++i) {
    // The dataset's own order need not be that of its numbers: "10" may come before "2".
    const auto number = static_cast<int32_t>(std::stoul(lists.dataset[i]));
    map.to_model.push_back(number);
    map.to_dataset[static_cast<size_t>(number)] = static_cast<int32_t>(i);
  }
  map.notes.push_back(base::StrCat("the classes of ", lists.dataset_name,
                                   " are numbers: taken as the indices of the ",
                                   lists.model.size(), " classes of ", lists.model_name));
  return map;
}

}  // namespace

std::vector<int32_t> MatchLabels(const std::vector<std::string>& from,
                                 const std::vector<std::string>& to) {
  std::map<std::string, int32_t> exact;
  std::map<std::string, std::vector<int32_t>> similar;
  for (size_t i = 0; i < to.size(); ++i) {
    exact.emplace(to[i], static_cast<int32_t>(i));
    similar[Normalized(to[i])].push_back(static_cast<int32_t>(i));
  }
  std::vector<int32_t> partners(from.size(), -1);
  std::vector<bool> taken(to.size(), false);
  for (size_t i = 0; i < from.size(); ++i) {
    const auto found = exact.find(from[i]);
    if (found == exact.end() || taken[static_cast<size_t>(found->second)]) continue;
    partners[i] = found->second;
    taken[static_cast<size_t>(found->second)] = true;
  }
  std::map<std::string, int> wanting;
  for (size_t i = 0; i < from.size(); ++i) {
    if (partners[i] < 0) ++wanting[Normalized(from[i])];
  }
  for (size_t i = 0; i < from.size(); ++i) {
    if (partners[i] >= 0) continue;
    const std::string key = Normalized(from[i]);
    const auto found = similar.find(key);
    // Two that want it, or two that it may mean: nobody knows which.
    if (found == similar.end() || wanting[key] != 1) continue;
    std::vector<int32_t> free;
    for (const int32_t candidate : found->second) {
      if (!taken[static_cast<size_t>(candidate)]) free.push_back(candidate);
    }
    if (free.size() == 1) partners[i] = free.front();
  }
  return partners;
}

absl::StatusOr<ClassMap> MapClasses(const ClassLists& lists, dataset::Task task) {
  const std::vector<int32_t> partners = MatchLabels(lists.dataset, lists.model);
  std::vector<std::string> missing;
  std::vector<std::string> similar;
  ClassMap map;
  map.to_dataset.assign(lists.model.size(), -1);
  for (size_t i = 0; i < partners.size(); ++i) {
    if (partners[i] < 0) {
      missing.push_back(lists.dataset[i]);
      continue;
    }
    const auto model_class = static_cast<size_t>(partners[i]);
    map.to_dataset[model_class] = static_cast<int32_t>(i);
    if (lists.model[model_class] != lists.dataset[i]) {
      similar.push_back(base::StrCat(lists.dataset[i], " = ", lists.model[model_class]));
    }
  }
  if (!missing.empty()) {
    const bool by_index = task == dataset::Task::kClassification &&
                          lists.dataset.size() == lists.model.size() && AreNumbers(lists.dataset);
    if (by_index) return ByIndex(lists);
    return Unmatched(lists, missing);
  }
  map.to_model = partners;
  if (!similar.empty()) {
    map.notes.push_back(base::StrCat("classes of ", lists.dataset_name, " and ", lists.model_name,
                                     " that are written differently: ", Listed(similar)));
  }
  return map;
}

}  // namespace lbw::tasks
