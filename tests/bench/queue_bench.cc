// How many jobs a second pass through the queue: leased and finished, without a child process.
//
//   queue-bench [--rounds 10000] [--dir FOLDER] [--json FILE]
//
// Beside it, in turns within the same run and on the same folder: F, the pairs of a 4 KiB pwrite
// and an fdatasync that one thread gets done in a second. Both are means over the same number of
// short turns of a fixed amount of work: a disk whose speed comes and goes is the same for both. A
// round is two commits, of which the second is synced; the bar is F / 5. Every worker is a process
// with a connection of its own. Exit status 1 when a job was leased twice or not at all.
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
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

void MustWrite(int fd, const void* data, size_t size) {
  const auto* bytes = static_cast<const char*>(data);
  while (size > 0) {
    const ssize_t written = ::write(fd, bytes, size);
    LBW_CHECK(written > 0);
    bytes += written;
    size -= static_cast<size_t>(written);
  }
}

// False at the end of the pipe.
bool Read(int fd, void* data, size_t size) {
  auto* bytes = static_cast<char*>(data);
  while (size > 0) {
    const ssize_t got = ::read(fd, bytes, size);
    if (got <= 0) return false;
    bytes += got;
    size -= static_cast<size_t>(got);
  }
  return true;
}

struct Connection {
  std::unique_ptr<store::SqliteDatabase> database;
  std::unique_ptr<Queue> queue;
};

Connection Connect(const std::string& folder) {
  store::SqliteOptions options;
  options.folder = folder;
  options.lock = store::SqliteOptions::Lock::kNone;
  Connection connection;
  connection.database = store::SqliteDatabase::Open(options).value();
  connection.queue = NewQueue(*connection.database, QueueLimits{});
  return connection;
}

// A process that leases and finishes as many jobs as it is told, and tells their ids.
class Worker {
 public:
  Worker(const std::string& folder, int number) {
    int down[2];
    int up[2];
    LBW_CHECK(::pipe2(down, O_CLOEXEC) == 0 && ::pipe2(up, O_CLOEXEC) == 0);
    pid_ = ::fork();
    LBW_CHECK(pid_ >= 0);
    if (pid_ == 0) {
      ::close(down[1]);
      ::close(up[0]);
      Serve(folder, base::StrCat("worker-", number), down[0], up[1]);
      std::_Exit(0);
    }
    ::close(down[0]);
    ::close(up[1]);
    orders_ = down[1];
    ids_ = up[0];
  }
  ~Worker() {
    Start(0);
    ::close(orders_);
    ::close(ids_);
    ::waitpid(pid_, nullptr, 0);
  }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // 0: end.
  void Start(int rounds) { MustWrite(orders_, &rounds, sizeof rounds); }
  // Waits for what Start told; appends the ids.
  void Wait(std::vector<std::string>& leased) {
    int count = 0;
    LBW_CHECK(Read(ids_, &count, sizeof count));
    for (int i = 0; i < count; ++i) {
      std::string& id = leased.emplace_back(kIdBytes, ' ');
      LBW_CHECK(Read(ids_, id.data(), id.size()));
    }
  }

 private:
  static constexpr size_t kIdBytes = 26;

  static void Serve(const std::string& folder, const std::string& name, int orders, int ids) {
    const Connection connection = Connect(folder);
    int rounds = 0;
    while (Read(orders, &rounds, sizeof rounds) && rounds > 0) {
      std::string leased;
      for (int i = 0; i < rounds; ++i) leased += Round(*connection.queue, name);
      const int count = static_cast<int>(leased.size() / kIdBytes);
      MustWrite(ids, &count, sizeof count);
      MustWrite(ids, leased.data(), leased.size());
    }
  }

  // The id of the job that was leased and finished; "" where none was left.
  static std::string Round(Queue& queue, const std::string& name) {
    const std::vector<std::string> kinds = {"evaluate"};
    const absl::StatusOr<std::optional<Lease>> lease = queue.LeaseNext(name, kinds);
    LBW_CHECK(lease.ok());
    if (!lease->has_value()) return "";
    const LeaseKey key{(*lease)->job.id, (*lease)->token};
    const absl::StatusOr<Job> job = queue.Finish(key, Outcome{}, R"({"result":{}})", {});
    LBW_CHECK(job.ok() && job->state == JobState::kSucceeded);
    LBW_CHECK(job->id.size() == kIdBytes);
    return job->id;
  }

  pid_t pid_ = -1;
  int orders_ = -1;
  int ids_ = -1;
};

struct Figures {
  int workers = 0;
  int64_t rounds = 0;
  double rounds_per_s = 0;
  double fdatasync_per_s = 0;
  int64_t duplicates = 0;
  int64_t missing = 0;
};

Figures Measure(const std::string& folder, int workers, int rounds) {
  Connect(folder);                           // makes the tables
  std::vector<std::unique_ptr<Worker>> all;  // forked while this process has no connection
  for (int i = 0; i < workers; ++i) all.push_back(std::make_unique<Worker>(folder, i));
  const Connection connection = Connect(folder);
  JobDraft draft;
  draft.kind = "evaluate";
  draft.spec_json = R"({"model":"models/m/versions/1","dataset":"datasets/d","split":"val"})";
  for (int i = 0; i < rounds; ++i) {
    draft.submitter = base::StrCat("submitter-", i % 10);
    LBW_CHECK(connection.queue->Create(draft).ok());
  }
  SyncMeter meter(folder + "/sync");
  const int share = rounds / kSlices / workers;
  std::vector<std::string> leased;
  double seconds = 0;
  for (int slice = 0; slice < kSlices; ++slice) {
    meter.Run(rounds / kSlices);
    const base::Stopwatch watch;
    for (const auto& worker : all) worker->Start(share);
    for (const auto& worker : all) worker->Wait(leased);
    seconds += Seconds(watch);
  }
  Figures figures;
  figures.workers = workers;
  figures.rounds = static_cast<int64_t>(leased.size());
  const std::set<std::string> distinct(leased.begin(), leased.end());
  figures.duplicates = figures.rounds - static_cast<int64_t>(distinct.size());
  figures.missing = int64_t{share} * kSlices * workers - figures.rounds;
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
