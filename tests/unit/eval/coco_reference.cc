#include "unit/eval/coco_reference.h"

#include <algorithm>
#include <cstdint>
#include <vector>

namespace lbw::eval {
namespace {

struct Row {
  double score = 0;
  size_t rank = 0;
  bool matched = false;
  bool ignored = false;
};

struct Question {
  double low = 0;
  double high = 1e10;
  double threshold = 0.5;
  int32_t class_index = 0;
};

double Width(const detect::BoxXyxyPx& b) { return double{b.x_max} - double{b.x_min}; }
double Height(const detect::BoxXyxyPx& b) { return double{b.y_max} - double{b.y_min}; }

double Overlap(const detect::BoxXyxyPx& d, const TruthBox& truth) {
  const detect::BoxXyxyPx& g = truth.box;
  const double w = double{std::min(d.x_max, g.x_max)} - double{std::max(d.x_min, g.x_min)};
  const double h = double{std::min(d.y_max, g.y_max)} - double{std::max(d.y_min, g.y_min)};
  if (w <= 0 || h <= 0) return 0;
  const double own = Width(d) * Height(d);
  return w * h / (truth.crowd ? own : own + Width(g) * Height(g) - w * h);
}

bool Outside(double area, const Question& q) { return area < q.low || area > q.high; }

void MatchImage(const BoxSet& set, const Question& q, int32_t image, std::vector<Row>* rows,
                int64_t* positives) {
  std::vector<const TruthBox*> truths;
  std::vector<int> ignored;
  for (const int pass : {0, 1}) {
    for (const TruthBox& truth : set.truths) {
      if (truth.image_index != image || truth.class_index != q.class_index) continue;
      const double area = truth.area_px2.value_or(Width(truth.box) * Height(truth.box));
      const int skip = truth.crowd || truth.ignore || truth.difficult || Outside(area, q) ? 1 : 0;
      if (skip != pass) continue;
      truths.push_back(&truth);
      ignored.push_back(skip);
      *positives += 1 - skip;
    }
  }
  std::vector<const FoundBox*> found;
  for (const FoundBox& box : set.found) {
    if (box.image_index == image && box.detection.class_index == q.class_index) {
      found.push_back(&box);
    }
  }
  std::stable_sort(found.begin(), found.end(), [](const FoundBox* a, const FoundBox* b) {
    return a->detection.score > b->detection.score;
  });
  if (found.size() > 100) found.resize(100);
  std::vector<int> used(truths.size(), 0);
  for (size_t d = 0; d < found.size(); ++d) {
    const detect::BoxXyxyPx& box = found[d]->detection.box;
    double best = std::min(q.threshold, 1 - 1e-10);
    int m = -1;
    for (size_t g = 0; g < truths.size(); ++g) {
      if (used[g] != 0 && !truths[g]->crowd) continue;
      if (m > -1 && ignored[static_cast<size_t>(m)] == 0 && ignored[g] == 1) break;
      if (Overlap(box, *truths[g]) < best) continue;
      best = Overlap(box, *truths[g]);
      m = static_cast<int>(g);
    }
    Row row{found[d]->detection.score, d, m > -1, false};
    if (m > -1) used[static_cast<size_t>(m)] = 1;
    row.ignored =
        m > -1 ? ignored[static_cast<size_t>(m)] == 1 : Outside(Width(box) * Height(box), q);
    rows->push_back(row);
  }
}

struct Answer {
  bool known = false;
  double ap = 0;
  double recall = 0;
};

Answer Ask(const BoxSet& set, const Question& q, size_t limit) {
  std::vector<Row> rows;
  int64_t positives = 0;
  for (int32_t i = 0; i < set.image_count; ++i) MatchImage(set, q, i, &rows, &positives);
  if (positives == 0) return {};
  rows.erase(std::remove_if(rows.begin(), rows.end(),
                            [limit](const Row& row) { return row.rank >= limit; }),
             rows.end());
  std::stable_sort(rows.begin(), rows.end(),
                   [](const Row& a, const Row& b) { return a.score > b.score; });
  std::vector<double> recall;
  std::vector<double> precision;
  double tp = 0;
  double fp = 0;
  for (const Row& row : rows) {
    tp += row.matched && !row.ignored ? 1 : 0;
    fp += !row.matched && !row.ignored ? 1 : 0;
    recall.push_back(tp / static_cast<double>(positives));
    precision.push_back(tp / (tp + fp + 2.220446049250313e-16));
  }
  for (size_t i = precision.size(); i-- > 1;) {
    precision[i - 1] = std::max(precision[i - 1], precision[i]);
  }
  Answer answer{true, 0, recall.empty() ? 0 : recall.back()};
  for (int k = 0; k <= 100; ++k) {
    const double at = k == 100 ? 1.0 : k * 0.01;
    const auto place = std::lower_bound(recall.begin(), recall.end(), at) - recall.begin();
    if (static_cast<size_t>(place) < precision.size()) {
      answer.ap += precision[static_cast<size_t>(place)] / 101;
    }
  }
  return answer;
}

}  // namespace

std::array<double, 12> CocoReference(const BoxSet& set) {
  // first and last threshold, area, limit, whether the number is a recall
  struct Number {
    int first;
    int last;
    double low;
    double high;
    size_t limit;
    bool recall;
  };
  const std::array<Number, 12> numbers = {{{0, 9, 0, 1e10, 100, false},
                                           {0, 0, 0, 1e10, 100, false},
                                           {5, 5, 0, 1e10, 100, false},
                                           {0, 9, 0, 1024, 100, false},
                                           {0, 9, 1024, 9216, 100, false},
                                           {0, 9, 9216, 1e10, 100, false},
                                           {0, 9, 0, 1e10, 1, true},
                                           {0, 9, 0, 1e10, 10, true},
                                           {0, 9, 0, 1e10, 100, true},
                                           {0, 9, 0, 1024, 100, true},
                                           {0, 9, 1024, 9216, 100, true},
                                           {0, 9, 9216, 1e10, 100, true}}};
  std::array<double, 12> result{};
  for (size_t n = 0; n < numbers.size(); ++n) {
    double sum = 0;
    int count = 0;
    for (int t = numbers[n].first; t <= numbers[n].last; ++t) {
      for (int32_t c = 0; c < set.class_count; ++c) {
        const double threshold = t == 9 ? 0.95 : 0.5 + t * ((0.95 - 0.5) / 9);
        const Answer answer =
            Ask(set, {numbers[n].low, numbers[n].high, threshold, c}, numbers[n].limit);
        if (!answer.known) continue;
        sum += numbers[n].recall ? answer.recall : answer.ap;
        ++count;
      }
    }
    result[n] = count == 0 ? -1 : sum / count;
  }
  return result;
}

}  // namespace lbw::eval
