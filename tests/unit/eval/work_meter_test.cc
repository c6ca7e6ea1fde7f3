#include "eval/work_meter.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "eval/agreement.h"
#include "eval/average_precision.h"
#include "eval/bootstrap.h"
#include "eval/coco.h"
#include "eval/matching.h"
#include "unit/eval/make.h"

namespace lbw::eval {
namespace {

// Counts how often it is asked, and says no from one time on.
class Asked {
 public:
  explicit Asked(int no_from) : no_from_(no_from) {}
  base::CancelToken Token() {
    return base::CancelToken([this] { return ++times_ >= no_from_; }, absl::InfiniteFuture());
  }
  int times() const { return times_; }

 private:
  const int no_from_;
  int times_ = 0;
};

constexpr int kNever = 1 << 30;

TEST(WorkMeter, AsksBeforeTheFirstPieceAndThenBehindSoManyUnits) {
  Asked asked(kNever);
  const base::CancelToken token = asked.Token();
  WorkMeter meter(token);
  ASSERT_TRUE(meter.Before(1).ok());
  EXPECT_EQ(asked.times(), 1);
  ASSERT_TRUE(meter.Before(kWorkBetweenAsks - 2).ok());
  ASSERT_TRUE(meter.Before(1).ok());
  EXPECT_EQ(asked.times(), 1) << "one unit before the bound";
  ASSERT_TRUE(meter.Before(1).ok());
  EXPECT_EQ(asked.times(), 2);
}

TEST(WorkMeter, ALargePieceIsAskedBehindOnce) {
  Asked asked(kNever);
  const base::CancelToken token = asked.Token();
  WorkMeter meter(token);
  ASSERT_TRUE(meter.Before(100 * kWorkBetweenAsks).ok());
  ASSERT_TRUE(meter.Before(1).ok());
  ASSERT_TRUE(meter.Before(1).ok());
  EXPECT_EQ(asked.times(), 2);
}

struct Figures {
  const char* name;
  std::function<absl::Status(const Lists&, const base::CancelToken&)> compute;
};

const Figures kFigures[] = {
    {"MatchBoxes",
     [](const Lists& lists, const base::CancelToken& cancel) {
       return MatchBoxes(lists.Set(), {}, cancel).status();
     }},
    {"EvaluateVoc",
     [](const Lists& lists, const base::CancelToken& cancel) {
       VocOptions options;
       options.areas = CocoAreas();
       return EvaluateVoc(lists.Set(), options, cancel).status();
     }},
    {"EvaluateCoco",
     [](const Lists& lists, const base::CancelToken& cancel) {
       return EvaluateCoco(lists.Set(), {}, cancel).status();
     }},
    {"EvaluateAgreement",
     [](const Lists& lists, const base::CancelToken& cancel) {
       const VersionPair pair{lists.found, lists.found, lists.image_count, lists.class_count};
       return EvaluateAgreement(pair, {}, cancel).status();
     }},
    {"BootstrapMeanAp",
     [](const Lists& lists, const base::CancelToken& cancel) {
       BootstrapOptions options;
       options.resamples = 20;
       return BootstrapMeanAp(lists.Set(), options, cancel).status();
     }},
};

// 150 pictures with 300 boxes each.
Lists Many() {
  Lists lists;
  lists.image_count = 150;
  lists.class_count = 3;
  FewValues values(7);
  for (int32_t image = 0; image < lists.image_count; ++image) {
    for (int i = 0; i < 12; ++i) {
      lists.truths.push_back(Truth({image, values.Box(10)}, values.Below(3)));
    }
    for (int i = 0; i < 300; ++i) {
      const float score = static_cast<float>(values.Below(1000)) / 1000.0F;
      lists.found.push_back(Found({image, values.Box(10)}, score, values.Below(3)));
    }
  }
  return lists;
}

class LongFigures : public ::testing::TestWithParam<Figures> {};

// A cancelled evaluation went on for as long as its figures took: nobody asked meanwhile.
TEST_P(LongFigures, CancelActsWhileTheyAreComputed) {
  const Lists lists = Many();
  Asked undisturbed(kNever);
  ASSERT_TRUE(GetParam().compute(lists, undisturbed.Token()).ok());
  ASSERT_GE(undisturbed.times(), 3) << "it is asked at its beginning alone";
  for (const int no_from : {1, 2, undisturbed.times() / 2 + 1, undisturbed.times()}) {
    Asked asked(no_from);
    const absl::Status status = GetParam().compute(lists, asked.Token());
    EXPECT_TRUE(absl::IsCancelled(status)) << status;
    EXPECT_EQ(asked.times(), no_from) << "it goes on after it was told";
  }
}
INSTANTIATE_TEST_SUITE_P(Of, LongFigures, ::testing::ValuesIn(kFigures),
                         [](const auto& tested) { return std::string(tested.param.name); });

}  // namespace
}  // namespace lbw::eval
