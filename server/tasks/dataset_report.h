// What a check found, as lbw.v1.Dataset and as the list of its defects. Pure.
#ifndef LBW_TASKS_DATASET_REPORT_H_
#define LBW_TASKS_DATASET_REPORT_H_

#include <optional>
#include <string_view>

#include "dataset/dataset.h"
#include "tasks/json.h"

namespace lbw::tasks {

// format, task, pixel_rule, splits, classes, counts and the defects' counts.
Json DatasetSummary(const dataset::Dataset& data, const dataset::DefectList& defects);
// {"defects": [{kind, file, detail, action}], "not_kept": "n"}.
Json DefectsJson(const dataset::DefectList& defects);

// "DATASET_FORMAT_VOC" -> kVoc; "" and "DATASET_FORMAT_UNSPECIFIED" are kAuto.
std::optional<dataset::Format> ParseFormat(std::string_view name);

}  // namespace lbw::tasks

#endif  // LBW_TASKS_DATASET_REPORT_H_
