// An evaluation as tables and as curves. Pure.
//
// Threads: safe to call concurrently.
#ifndef LBW_CLIENT_EVALUATION_VIEW_H_
#define LBW_CLIENT_EVALUATION_VIEW_H_

#include <string>

#include "client/cpp/plot.h"
#include "google/protobuf/repeated_ptr_field.h"
#include "lbw/v1/evaluation.pb.h"

namespace lbw::client {

// Head line, mAP with its interval, classes, sizes, the COCO twelve, accuracy, agreement, timings:
// what the evaluation has. Numbers that are not defined are "-".
std::string RenderEvaluation(const v1::Evaluation& evaluation);

// Detectors: precision over recall, and F1 over the score, a line a class. Classifiers: the
// confusion, or where it was not kept the accuracy of each class, best first.
plot::Figure EvaluationFigure(const v1::Evaluation& evaluation);

// "map_50 0.8957 on faces (val)".
std::string EvaluationWord(const v1::Evaluation& evaluation);
// A table, one line an evaluation.
std::string RenderEvaluationList(const google::protobuf::RepeatedPtrField<v1::Evaluation>& list);

}  // namespace lbw::client

#endif  // LBW_CLIENT_EVALUATION_VIEW_H_
