#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/status.h"
#include "jobs/queue.h"

namespace lbw::jobs {
namespace {

using Condition = JobFilter::Condition;
using Field = Condition::Field;
using ::testing::HasSubstr;

std::vector<Condition> Parsed(std::string_view text) {
  const absl::StatusOr<JobFilter> filter = ParseFilter(text);
  EXPECT_TRUE(filter.ok()) << text << ": " << filter.status();
  return filter.ok() ? filter->conditions : std::vector<Condition>();
}

TEST(ParseFilter, NothingFiltersNothing) {
  EXPECT_TRUE(Parsed("").empty());
  EXPECT_TRUE(Parsed("  \t\n").empty());
}

TEST(ParseFilter, ConditionsJoinedByAnd) {
  const auto all = Parsed("state = RUNNING AND label.team!=vision and submitter='a b'");
  ASSERT_EQ(all.size(), 3U);
  EXPECT_EQ(all[0].field, Field::kState);
  EXPECT_EQ(all[0].value, "RUNNING");
  EXPECT_FALSE(all[0].negated);
  EXPECT_EQ(all[1].field, Field::kLabel);
  EXPECT_EQ(all[1].key, "team");
  EXPECT_EQ(all[1].value, "vision");
  EXPECT_TRUE(all[1].negated);
  EXPECT_EQ(all[2].field, Field::kSubmitter);
  EXPECT_EQ(all[2].value, "a b");
}

TEST(ParseFilter, ValuesBecomeWhatRowsHave) {
  EXPECT_EQ(Parsed("state=job_state_queued")[0].value, "QUEUED");
  EXPECT_EQ(Parsed("state = Active")[0].value, "active");
  EXPECT_EQ(Parsed("model = m")[0].value, "models/m");
  EXPECT_EQ(Parsed("model = models/m/versions/3")[0].value, "models/m/versions/3");
  EXPECT_EQ(Parsed("dataset = d")[0].value, "datasets/d");
  EXPECT_EQ(Parsed("dataset = datasets/d")[0].value, "datasets/d");
  EXPECT_EQ(Parsed("submitter = \"\"")[0].value, "");
  EXPECT_EQ(Parsed("label.a.b/c = \"it's = !\"")[0].value, "it's = !");
}

TEST(ParseFilter, ErrorsNameThePlaceWhatStandsThereAndWhatIsKnown) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"nonsense = 1",
       "expected one of state, kind, submitter, model, dataset, label.KEY at "
       "character 1, found \"nonsense = 1\""},
      {"label. = 1", "expected one of state"},
      {"state RUNNING", "expected = or != at character 7"},
      {"state = ", "expected a value at character 9, found its end"},
      {"state = DONE", "expected one of active, QUEUED, RUNNING"},
      {"kind = \"x", "expected a closing quote"},
      {"kind = a OR kind = b", "expected AND at character 10"},
      {"kind = a AND", "expected one of state"},
      {"model = a/b/c", "expected a model's name"},
      {"model = models/m/aliases/a", "expected a model's name"},
      {"dataset = A", "expected a dataset's name"},
      {"kind ! a", "expected = or !="},
  };
  for (const auto& [text, message] : cases) {
    const absl::Status status = ParseFilter(text).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_THAT(std::string(status.message()), HasSubstr(std::string(message))) << text;
    EXPECT_EQ(base::GetErrorDetails(status).reason, "BAD_ARGUMENT");
    EXPECT_EQ(base::GetErrorDetails(status).fields, std::vector<std::string>{"filter"});
  }
}

TEST(ParseFilter, LengthAndConditionsAreBounded) {
  EXPECT_TRUE(ParseFilter("kind = " + std::string(2048 - 7, 'x')).ok());
  EXPECT_FALSE(ParseFilter("kind = " + std::string(2048 - 6, 'x')).ok());
  std::string many = "kind = a";
  for (int i = 1; i < 16; ++i) many += " AND kind = a";
  EXPECT_TRUE(ParseFilter(many).ok());
  EXPECT_FALSE(ParseFilter(many + " AND kind = a").ok());
}

}  // namespace
}  // namespace lbw::jobs
