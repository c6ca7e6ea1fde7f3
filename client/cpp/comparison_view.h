// Two versions on the same pictures, as tables. Pure.
//
// Threads: safe to call concurrently.
#ifndef LBW_CLIENT_COMPARISON_VIEW_H_
#define LBW_CLIENT_COMPARISON_VIEW_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "lbw/v1/calibration.pb.h"

namespace lbw::client {

// Head line, one line a value in graph order with the least alike marked, then one line a picture,
// worst first; more than 100 pictures are counted.
std::string RenderComparison(const v1::Comparison& comparison);

// Places in comparison.compared, worst first: most boxes of one version alone, then the least
// overlap, then the largest difference of scores, then in their order; pictures that failed last.
std::vector<int> WorstPictures(const v1::Comparison& comparison);

// "photo.jpg: 5 matched, 1 only face/2, 2 only face/1, mean IoU 0.91"
std::string PictureWord(const v1::Comparison& comparison, const v1::ComparedPicture& picture);

// "face/2 against face/1: agreement 0.9731".
std::string ComparisonWord(const v1::Comparison& comparison);

// The file of a folder that a dataset's picture name means: the path itself, else the only one that
// ends with "/" + name (a dataset leaves out folders that all its files share). paths: relative to
// the folder. Empty where there is none, or several.
std::string FindPictureFile(absl::Span<const std::string> paths, const std::string& name);

}  // namespace lbw::client

#endif  // LBW_CLIENT_COMPARISON_VIEW_H_
