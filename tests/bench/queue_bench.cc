// How many jobs a second pass through the queue: leased and finished, without a child process.
//
//   queue-bench [--rounds 10000] [--dir FOLDER] [--json FILE]
//
// Beside it, in turns within the same run and on the same folder: F, the pairs of a 4 KiB pwrite
// and an fdatasync that one thread gets done in a second. Both are means over the same number of
// short turns of a fixed amount of work: a disk whose speed comes and goes is the same for both. A
// round is two commits that last, so at most F / 2 rounds are possible; the bar is F / 5. Every
// worker has a connection of its own, as processes have. Exit status 1 when a job was leased twice
// or not at all.
#include <fcntl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/status.h"
#include "base/strings.h"
#include "jobs/queue.h"
#include "store/sqlite_database.h"
#include "support/temp_dir.h"

namespace lbw::jobs {
namespace {

constexpr int kSlices = 50;  // of rounds, each behind as many fdatasyncs
constexpr double kBar = 5;

double Seconds(const base::Stopwatch& watch) {
  return static_cast<double>(watch.ElapsedNs()) * 1e-9;
}

// Calls in a file that has its size already, as SQLite's log has after its first checkpoint.
class SyncMeter {
 public:
  explicit SyncMeter(const std::string& path)
      : fd_(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)), page_(kPage, 'x') {
    LBW_CHECK(fd_ >= 0);
    for (int i = 0; i < kPages; ++i) Write(i);
    LBW_CHECK(::fdatasync(fd_) == 0);
  }
  ~SyncMeter() { ::close(fd_); }
  SyncMeter(const SyncMeter&) = delete;
  SyncMeter& operator=(const SyncMeter&) = delete;

  void Run(int calls) {
    const base::Stopwatch watch;
    for (int i = 0; i < calls; ++i) {
      Write(static_cast<int>(calls_ % kPages));
      LBW_CHECK(::fdatasync(fd_) == 0);
      ++calls_;
    }
    seconds_ += Seconds(watch);
  }
  double PerSecond() const { return static_cast<double>(calls_) / seconds_; }

 private:
  static constexpr size_t kPage = 4096;
  static constexpr int kPages = 256;
  void Write(int page) {
    const auto written = ::pwrite(fd_, page_.data(), kPage, static_cast<off_t>(kPage) * page);
    LBW_CHECK(written == static_cast<ssize_t>(kPage));
  }

  const int fd_;
  const std::string page_;
  int64_t calls_ = 0;
  double seconds_ = 0;
};

struct Worker {
  std::unique_ptr<store::SqliteDatabase> database;
  std::unique_ptr<Queue> queue;
  std::vector<std::string> leased;
  int64_t busy = 0;  // transactions that had to be asked again
};

Worker OpenWorker(const std::string& folder) {
  store::SqliteOptions options;
  options.folder = folder;
  options.lock = store::SqliteOptions::Lock::kNone;
  Worker worker;
  worker.database = store::SqliteDatabase::Open(options).value();
  worker.queue = NewQueue(*worker.database, QueueLimits{});
  return worker;
}

// One job leased and finished; false when none is left.
bool Round(Worker& worker, const std::string& name) {
  static const std::vector<std::string> kKinds = {"evaluate"};
  absl::StatusOr<std::optional<Lease>> lease = worker.queue->LeaseNext(name, kKinds);
  for (; absl::IsUnavailable(lease.status()); ++worker.busy) {
    lease = worker.queue->LeaseNext(name, kKinds);
  }
  LBW_CHECK(lease.ok());
  if (!lease->has_value()) return false;
  const LeaseKey key{(*lease)->job.id, (*lease)->token};
  absl::StatusOr<Job> job = worker.queue->Finish(key, Outcome{}, R"({"result":{}})", {});
  for (; absl::IsUnavailable(job.status()); ++worker.busy) {
    job = worker.queue->Finish(key, Outcome{}, R"({"result":{}})", {});
  }
  LBW_CHECK(job.ok() && job->state == JobState::kSucceeded);
  worker.leased.push_back(job->id);
  return true;
}

struct Figures {
  int workers = 0;
  int64_t rounds = 0;
  double rounds_per_s = 0;
  double fdatasync_per_s = 0;
  int64_t duplicates = 0;
  int64_t missing = 0;
  int64_t busy = 0;
};

Figures Measure(const std::string& folder, int workers, int rounds) {
  std::vector<Worker> all;
  for (int i = 0; i < workers; ++i) all.push_back(OpenWorker(folder));
  JobDraft draft;
  draft.kind = "evaluate";
  draft.spec_json = R"({"model":"models/m/versions/1","dataset":"datasets/d","split":"val"})";
  for (int i = 0; i < rounds; ++i) {
    draft.submitter = base::StrCat("submitter-", i % 10);
    LBW_CHECK(all[0].queue->Create(draft).ok());
  }
  SyncMeter meter(folder + "/sync");
  double seconds = 0;
  for (int slice = 0; slice < kSlices; ++slice) {
    meter.Run(rounds / kSlices);
    const base::Stopwatch watch;
    std::vector<std::thread> threads;
    for (int i = 0; i < workers; ++i) {
      threads.emplace_back([&, i] {
        const std::string name = base::StrCat("worker-", i);
        const int share = rounds / kSlices / workers;
        for (int j = 0; j < share && Round(all[static_cast<size_t>(i)], name); ++j) {
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    seconds += Seconds(watch);
  }
  Figures figures;
  figures.workers = workers;
  std::set<std::string> distinct;
  for (Worker& worker : all) {
    figures.rounds += static_cast<int64_t>(worker.leased.size());
    figures.busy += worker.busy;
    distinct.insert(worker.leased.begin(), worker.leased.end());
  }
  figures.duplicates = figures.rounds - static_cast<int64_t>(distinct.size());
  figures.missing = int64_t{rounds / kSlices / workers} * kSlices * workers - figures.rounds;
  figures.rounds_per_s = static_cast<double>(figures.rounds) / seconds;
  figures.fdatasync_per_s = meter.PerSecond();
  return figures;
}

nlohmann::json ToJson(const Figures& figures) {
  return {{"what", "queue lease+finish"},
          {"workers", figures.workers},
          {"rounds", figures.rounds},
          {"rounds_per_s", figures.rounds_per_s},
          {"fdatasync_per_s", figures.fdatasync_per_s},
          {"ratio", figures.fdatasync_per_s / figures.rounds_per_s},
          {"duplicates", figures.duplicates},
          {"missing", figures.missing}};
}

int Main(int rounds, const std::string& dir, const std::string& json_file) {
  std::printf("%8s %8s %10s %13s %20s %11s %8s\n", "workers", "rounds", "rounds/s", "fdatasync/s",
              "fdatasyncs a round", "duplicates", "bar F/5");
  nlohmann::json list = nlohmann::json::array();
  bool wrong = false;
  for (const int workers : {1, 8}) {
    const testing::TempDir temporary;
    const std::string folder =
        dir.empty() ? temporary.path() : base::StrCat(dir, "/queue-bench-", workers);
    const Figures figures = Measure(folder, workers, rounds);
    const double ratio = figures.fdatasync_per_s / figures.rounds_per_s;
    std::printf("%8d %8lld %10.0f %13.0f %20.2f %11lld %8s\n", workers,
                static_cast<long long>(figures.rounds), figures.rounds_per_s,
                figures.fdatasync_per_s, ratio, static_cast<long long>(figures.duplicates),
                ratio <= kBar ? "met" : "missed");
    std::fflush(stdout);
    if (figures.busy > 0) {
      std::printf("         busy for too long, asked again: %lld\n",
                  static_cast<long long>(figures.busy));
    }
    list.push_back(ToJson(figures));
    wrong = wrong || figures.duplicates != 0 || figures.missing != 0;
  }
  if (!json_file.empty()) std::ofstream(json_file) << list.dump(2) << "\n";
  return wrong ? 1 : 0;
}

}  // namespace
}  // namespace lbw::jobs

int main(int argc, char** argv) {
  CLI::App app("Rounds of the job queue beside fdatasync on the same disk");
  int rounds = 10'000;
  std::string dir;
  std::string json_file;
  app.add_option("--rounds", rounds, "jobs to lease and finish; a multiple of 400 is exact")
      ->check(CLI::Range(400, 1'000'000));
  app.add_option("--dir", dir, "an empty folder on the disk to measure; left as it is afterwards");
  app.add_option("--json", json_file, "a file for the figures, a list of JSON objects");
  CLI11_PARSE(app, argc, argv);
  return lbw::jobs::Main(rounds, dir, json_file);
}
