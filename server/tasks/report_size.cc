#include "tasks/report_size.h"

#include <array>
#include <functional>
#include <utility>

#include "base/strings.h"

namespace lbw::tasks {
namespace {

// The list of classes in a part of the evaluation; nullptr where there is none.
Json* ClassesIn(Json& evaluation, const char* part) {
  const auto found = evaluation.find(part);
  if (found == evaluation.end()) return nullptr;
  const auto classes = found->find("classes");
  return classes == found->end() ? nullptr : &*classes;
}

void DropFromClasses(Json& evaluation, const char* key) {
  Json* const classes = ClassesIn(evaluation, "voc");
  if (classes == nullptr) return;
  for (Json& one : *classes) one.erase(key);
}

// The last half of the classes goes. False where there is nothing to cut.
bool HalveClasses(Json& evaluation) {
  bool cut = false;
  for (const char* part : {"voc", "classification"}) {
    Json* const classes = ClassesIn(evaluation, part);
    if (classes == nullptr || classes->size() < 2) continue;
    classes->erase(classes->begin() + static_cast<std::ptrdiff_t>(classes->size() / 2),
                   classes->end());
    cut = true;
  }
  return cut;
}

}  // namespace

std::vector<std::string> ShrinkToFit(size_t most_bytes, Json& evaluation) {
  const auto fits = [&] { return Dump(evaluation).size() <= most_bytes; };
  const auto drop_agreement = [&] {
    if (evaluation.contains("agreement")) evaluation["agreement"].erase("classes");
  };
  const std::array<std::pair<const char*, std::function<void()>>, 3> steps = {
      {{"agreement by class", drop_agreement},
       {"curves", [&] { DropFromClasses(evaluation, "curve"); }},
       {"sizes by class", [&] { DropFromClasses(evaluation, "sizes"); }}}};
  std::vector<std::string> left_out;
  for (const auto& [what, drop] : steps) {
    if (fits()) return left_out;
    drop();
    left_out.push_back(base::StrCat("too many classes for one result: without ", what));
  }
  bool cut = false;
  while (!fits() && HalveClasses(evaluation)) cut = true;
  if (cut) left_out.push_back("too many classes for one result: without the last of them");
  return left_out;
}

}  // namespace lbw::tasks
