#include "metrics/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

namespace lbw::metrics {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// Every metric once.
void TouchAll(Metrics& metrics) {
  metrics.RpcStarted("lbw.v1.DetectionService");
  metrics.RpcEnded("lbw.v1.DetectionService", "Detect", "OK", 0.01);
  metrics.StageDone("m", "queue", 0.001);
  metrics.PictureDone("m", true);
  metrics.QueueLength("m", 1, 2);
  metrics.LoadDone("m", 0.5, true);
  metrics.LoadedChanged(1, 100);
  metrics.TensorQuantized("power_of_two", 9);
  metrics.QuantizeDone("version", 1);
  metrics.UploadCommitted(4);
  metrics.SetReady(true);
  metrics.JobStarted("evaluate", 0.2);
  metrics.JobAttemptEnded("evaluate", "SUCCEEDED", 3);
  metrics.JobSteps("evaluate", 8, 0.4);
  metrics.JobCheckpoint("evaluate", 4096, 0.01);
  metrics.JobRenewalFailed("evaluate");
  metrics.SetStoreNumbers([] {
    Metrics::StoreNumbers numbers;
    numbers.artifacts = 1;
    numbers.stored_bytes = 2;
    numbers.unfinished_uploads = 3;
    numbers.datasets = 4;
    numbers.workers = 5;
    numbers.jobs = {{"evaluate", "QUEUED", 6}};
    numbers.checkpoint_ages = {{"evaluate", 7.5}};
    return numbers;
  });
}

// "name type label,label" of every family of an exposition, sorted.
std::set<std::string> NamesOf(const std::string& text) {
  std::map<std::string, std::string> types;
  std::map<std::string, std::set<std::string>> labels;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string hash, word, name, type;
    if (line.rfind("# TYPE ", 0) == 0) {
      words >> hash >> word >> name >> type;
      types[name] = type;
    }
    if (line.empty() || line[0] == '#') continue;
    name = line.substr(0, line.find_first_of("{ "));
    for (const char* suffix : {"_bucket", "_sum", "_count"}) {
      const size_t at = name.rfind(suffix);
      if (at != std::string::npos && types.count(name.substr(0, at)) != 0) name.resize(at);
    }
    const size_t open = line.find('{');
    if (open == std::string::npos) continue;
    std::istringstream list(line.substr(open + 1, line.find('}') - open - 1));
    for (std::string label; std::getline(list, label, ',');) {
      if (label.rfind("le=", 0) != 0) labels[name].insert(label.substr(0, label.find('=')));
    }
  }
  std::set<std::string> result;
  for (const auto& [name, type] : types) {
    std::string joined;
    for (const std::string& label : labels[name]) joined += (joined.empty() ? "" : ",") + label;
    result.insert(name + " " + type + (joined.empty() ? "" : " " + joined));
  }
  return result;
}

// Dashboards and alerts are written against these names: what stands here stays.
TEST(Metrics, NamesTypesAndLabelsEqualTheGoldenList) {
  const auto metrics = NewMetrics({.version = "1.2.3"});
  TouchAll(*metrics);
  std::set<std::string> golden;
  std::ifstream file(LBW_SOURCE_DIR "/tests/golden/metrics_names.txt");
  for (std::string line; std::getline(file, line);) golden.insert(line);
  EXPECT_EQ(NamesOf(metrics->Scrape()), golden);
}

TEST(Metrics, CountsCallsWithTheirCodeAndTakesThemOutOfFlight) {
  const auto metrics = NewMetrics({.version = "v"});
  metrics->RpcStarted("S");
  metrics->RpcStarted("S");
  metrics->RpcEnded("S", "M", "NOT_FOUND", 0.002);
  const std::string text = metrics->Scrape();
  EXPECT_THAT(text, HasSubstr("lbw_rpc_in_flight{service=\"S\"} 1\n"));
  EXPECT_THAT(
      text, HasSubstr("lbw_rpc_requests_total{code=\"NOT_FOUND\",method=\"M\",service=\"S\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("service=\"S\",le=\"0.001\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("service=\"S\",le=\"0.0025\"} 1\n"));
}

TEST(Metrics, ModelNamesAreBounded) {
  const auto metrics = NewMetrics({.version = "v", .max_models = 2});
  for (const char* model : {"a", "b", "c", "d"}) metrics->PictureDone(model, false);
  const std::string text = metrics->Scrape();
  EXPECT_THAT(text, HasSubstr("lbw_detect_pictures_total{model=\"b\",result=\"error\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("lbw_detect_pictures_total{model=\"other\",result=\"error\"} 2\n"));
  EXPECT_THAT(text, Not(HasSubstr("model=\"c\"")));
}

TEST(Metrics, AVersionThatIsUnloadedLosesItsGauge) {
  const auto metrics = NewMetrics({.version = "v"});
  metrics->QueueLength("m", 1, 3);
  metrics->QueueLength("m", 2, 4);
  metrics->RemoveVersion("m", 1);
  metrics->RemoveVersion("m", 7);
  const std::string text = metrics->Scrape();
  EXPECT_THAT(text, Not(HasSubstr("lbw_detect_queue_length{model=\"m\",version=\"1\"}")));
  EXPECT_THAT(text, HasSubstr("lbw_detect_queue_length{model=\"m\",version=\"2\"} 4\n"));
}

TEST(Metrics, AsksTheStoreAtEveryScrape) {
  const auto metrics = NewMetrics({.version = "v"});
  EXPECT_THAT(metrics->Scrape(), HasSubstr("lbw_artifacts 0\n"));
  uint64_t artifacts = 5;
  metrics->SetStoreNumbers([&] {
    Metrics::StoreNumbers numbers;
    numbers.artifacts = artifacts++;
    return numbers;
  });
  EXPECT_THAT(metrics->Scrape(), HasSubstr("lbw_artifacts 5\n"));
  EXPECT_THAT(metrics->Scrape(), HasSubstr("lbw_artifacts 6\n"));
}

TEST(Metrics, TellsWhetherItIsReadyAndItsVersion) {
  const auto metrics = NewMetrics({.version = "1.2.3"});
  EXPECT_THAT(metrics->Scrape(), HasSubstr("lbw_build_info{version=\"1.2.3\"} 1\n"));
  EXPECT_THAT(metrics->Scrape(), HasSubstr("lbw_ready 0\n"));
  metrics->SetReady(true);
  EXPECT_THAT(metrics->Scrape(), HasSubstr("lbw_ready 1\n"));
}

// Scrapes, updates and removals at once; a race shows under TSan or as a crash.
TEST(Metrics, MayBeUsedFromManyThreads) {
  const auto metrics = NewMetrics({.version = "v"});
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&metrics, t] {
      for (int i = 0; i < 200; ++i) {
        metrics->RpcStarted("S");
        metrics->QueueLength("m", i % 3, static_cast<size_t>(i));
        metrics->RemoveVersion("m", (i + t) % 3);
        metrics->RpcEnded("S", "M", "OK", 0.001);
        if (i % 50 == 0) (void)metrics->Scrape();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(metrics->Scrape(),
              HasSubstr("lbw_rpc_requests_total{code=\"OK\",method=\"M\",service=\"S\"} 800\n"));
}

TEST(Metrics, JobsAreCountedByKindAndOutcome) {
  const auto metrics = NewMetrics({});
  TouchAll(*metrics);
  const std::string text = metrics->Scrape();
  EXPECT_THAT(text, HasSubstr("lbw_jobs{kind=\"evaluate\",state=\"QUEUED\"} 6\n"));
  EXPECT_THAT(text, HasSubstr("lbw_job_checkpoint_age_seconds{kind=\"evaluate\"} 7.5\n"));
  EXPECT_THAT(text,
              HasSubstr("lbw_job_run_seconds_count{kind=\"evaluate\",outcome=\"SUCCEEDED\"} 1\n"));
  // Eight steps that took 0.4 s together are eight steps of 50 ms.
  EXPECT_THAT(text, HasSubstr("lbw_job_step_seconds_count{kind=\"evaluate\"} 8\n"));
  EXPECT_THAT(text, HasSubstr("lbw_job_step_seconds_bucket{kind=\"evaluate\",le=\"0.05\"} 8\n"));
  EXPECT_THAT(text, HasSubstr("lbw_job_checkpoint_bytes_total{kind=\"evaluate\"} 4096\n"));
}

}  // namespace
}  // namespace lbw::metrics
