// Random operations against a model in std::map; the seed of a failure is printed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "unit/store/store_fixture.h"

namespace lbw::store {
namespace {

struct ModelUpload {
  std::string content;
  std::string written;  // what the newest writer has sent
  size_t committed = 0;
  int64_t expire_us = 0;
  bool finished = false;
};

class Simulation {
 public:
  explicit Simulation(unsigned seed) : random_(seed) {
    machine_.options.limits.max_unfinished = 1000;
    machine_.Start();
    for (unsigned i = 0; i < 4; ++i) contents_.push_back(Pattern(20 + i * 45, i));
  }

  void Step() {
    switch (Pick(14)) {
      case 0:
      case 1:
        return CreateUpload();
      case 2:
      case 3:
        return OpenWriter();
      case 4:
      case 5:
      case 6:
      case 7:
        return Write();
      case 8:
        return CloseWriter();
      case 9:
        return Finish();
      case 10:
        return Pick(3) == 0 ? DeleteUpload() : AddArtifact();
      case 11:
        return DeleteArtifact();
      case 12:
        return Pick(4) == 0 ? Restart() : Sweep();
      default:
        return machine_.Advance(absl::Minutes(static_cast<int>(Pick(12))));
    }
  }

  void Compare() {
    std::set<std::string> rows;
    std::string token;
    do {
      const auto page = store().ListArtifacts(static_cast<int>(Pick(3)) + 1, token);
      ASSERT_TRUE(page.ok()) << page.status();
      for (const Artifact& artifact : page->artifacts)
        EXPECT_TRUE(rows.insert(artifact.sha256).second);
      token = page->next_token;
    } while (!token.empty());
    EXPECT_EQ(rows, artifacts_);
    for (const std::string& content : contents_) {
      if (artifacts_.count(DigestOf(content)) != 0) {
        EXPECT_EQ(machine_.Content(DigestOf(content)).value(), content);
      }
    }
    for (const auto& [id, expected] : uploads_) {
      const auto upload = store().GetUpload(id);
      if (expected.expire_us <= machine_.now_us) {
        EXPECT_TRUE(absl::IsNotFound(upload.status()));
        continue;
      }
      ASSERT_TRUE(upload.ok()) << upload.status();
      EXPECT_EQ(upload->committed_bytes, expected.committed);
      EXPECT_EQ(upload->artifact_sha256, expected.finished ? DigestOf(expected.content) : "");
    }
  }

 private:
  ArtifactStore& store() { return *machine_.store; }
  size_t Pick(size_t n) { return std::uniform_int_distribution<size_t>(0, n - 1)(random_); }
  const std::string& AnyContent() { return contents_[Pick(contents_.size())]; }
  int64_t FreshExpiry() const {
    return machine_.now_us + absl::ToInt64Microseconds(machine_.options.limits.lifetime);
  }
  bool Alive(const ModelUpload& upload) const { return upload.expire_us > machine_.now_us; }
  std::string AnyUpload() {
    if (uploads_.empty()) return "";
    return std::next(uploads_.begin(), static_cast<std::ptrdiff_t>(Pick(uploads_.size())))->first;
  }
  void ForgetWriter() {
    writer_.reset();
    writer_id_.clear();
  }

  void CreateUpload() {
    const std::string& content = AnyContent();
    const bool told = Pick(2) == 0;
    const auto upload =
        store().CreateUpload("", content.size(), told ? DigestOf(content) : "", "n");
    ASSERT_TRUE(upload.ok()) << upload.status();
    const bool stored = told && artifacts_.count(DigestOf(content)) != 0;
    EXPECT_EQ(!upload->artifact_sha256.empty(), stored);
    if (uploads_.count(upload->id) != 0) {
      EXPECT_TRUE(told);
      EXPECT_EQ(uploads_[upload->id].content, content);
      return;
    }
    ModelUpload& model = uploads_[upload->id];
    model.content = content;
    model.expire_us = FreshExpiry();
    model.finished = stored;
    model.committed = stored ? content.size() : 0;
  }

  void OpenWriter() {
    const std::string id = AnyUpload();
    if (id.empty()) return;
    const auto start =
        Pick(4) == 0 ? ArtifactStore::Start::kRestart : ArtifactStore::Start::kResume;
    auto writer = store().OpenWriter(id, start);
    ModelUpload& model = uploads_[id];
    if (!Alive(model)) {
      EXPECT_TRUE(absl::IsNotFound(writer.status())) << writer.status();
      return;
    }
    if (model.finished) {
      EXPECT_TRUE(absl::IsFailedPrecondition(writer.status())) << writer.status();
      return;
    }
    ASSERT_TRUE(writer.ok()) << writer.status();
    if (start == ArtifactStore::Start::kRestart) model.committed = 0;
    model.written = model.content.substr(0, model.committed);
    model.expire_us = FreshExpiry();
    writer_ = *std::move(writer);
    writer_id_ = id;
  }

  void Write() {
    if (writer_ == nullptr) return;
    const auto found = uploads_.find(writer_id_);
    if (found == uploads_.end() || found->second.finished || !Alive(found->second)) return;
    ModelUpload& model = found->second;
    const size_t place = model.written.size() + Pick(4) * Pick(3);
    const size_t offset =
        Pick(3) == 0 ? Pick(model.content.size() + 1) : std::min(place, model.content.size());
    const std::string data = model.content.substr(offset, 1 + Pick(32));
    if (Pick(10) == 0) {
      const absl::Status wrong =
          writer_->Write(offset, base::AsBytes(data), base::Crc32c(base::AsBytes(data)) ^ 1u);
      EXPECT_TRUE(absl::IsDataLoss(wrong)) << wrong;
      return;
    }
    const absl::Status status = WriteChunk(*writer_, offset, data);
    if (offset > model.written.size()) {
      EXPECT_TRUE(absl::IsOutOfRange(status)) << status;
      return;
    }
    ASSERT_TRUE(status.ok()) << status;
    if (offset + data.size() > model.written.size())
      model.written = model.content.substr(0, offset + data.size());
    if (model.written.size() - model.committed >= machine_.options.limits.commit_every_bytes)
      Commit(model);
  }

  void Commit(ModelUpload& model) {
    model.committed = model.written.size();
    model.expire_us = FreshExpiry();
  }

  void CloseWriter() {
    if (writer_ == nullptr) return;
    const auto found = uploads_.find(writer_id_);
    const auto closed = writer_->Close();
    if (found != uploads_.end() && !found->second.finished && Alive(found->second)) {
      ASSERT_TRUE(closed.ok()) << closed.status();
      if (found->second.written.size() > found->second.committed) Commit(found->second);
      EXPECT_EQ(*closed, found->second.committed);
    }
    ForgetWriter();
  }

  void Finish() {
    const std::string id = AnyUpload();
    if (id.empty()) return;
    ModelUpload& model = uploads_[id];
    const bool wrong = Pick(5) == 0;
    const std::string sha256 = DigestOf(wrong ? "wrong" : model.content);
    const auto artifact = store().FinishUpload(id, sha256, {});
    if (!Alive(model)) {
      EXPECT_TRUE(absl::IsNotFound(artifact.status())) << artifact.status();
    } else if (wrong || model.committed != model.content.size()) {
      EXPECT_TRUE(absl::IsFailedPrecondition(artifact.status())) << artifact.status();
    } else {
      ASSERT_TRUE(artifact.ok()) << artifact.status();
      model.finished = true;
      artifacts_.insert(sha256);
    }
  }

  void DeleteUpload() {
    const std::string id = AnyUpload();
    if (id.empty()) return;
    const absl::Status status = store().DeleteUpload(id);
    EXPECT_TRUE(status.ok() || (absl::IsNotFound(status) && !Alive(uploads_[id]))) << status;
    uploads_.erase(id);
  }

  void AddArtifact() {
    const std::string& content = AnyContent();
    ASSERT_TRUE(AddResult(store(), content).ok());
    artifacts_.insert(DigestOf(content));
  }

  void DeleteArtifact() {
    const std::string sha256 = DigestOf(AnyContent());
    const absl::Status status = store().DeleteArtifact(sha256);
    EXPECT_EQ(status.ok(), artifacts_.erase(sha256) == 1) << status;
    if (!status.ok()) return;
    for (auto it = uploads_.begin(); it != uploads_.end();) {
      const bool answered = it->second.finished && DigestOf(it->second.content) == sha256;
      it = answered ? uploads_.erase(it) : std::next(it);
    }
  }

  void Sweep() {
    const absl::Status status = store().Sweep();
    ASSERT_TRUE(status.ok()) << status;
    std::set<std::string> open;
    for (const auto& [id, upload] : uploads_) {
      if (!upload.finished && Alive(upload)) open.insert(id);
    }
    for (const std::string& name : machine_.FilesIn("uploads"))
      EXPECT_EQ(open.count(name), 1u) << name;
    EXPECT_EQ(machine_.FilesIn("blobs").size(), artifacts_.size());
  }

  void Restart() {
    ForgetWriter();
    machine_.CrashAndRestart(Pick(2) == 0 ? MemoryFileSystem::Crash::kPower
                                          : MemoryFileSystem::Crash::kProcess);
  }

  Machine machine_;
  std::mt19937 random_;
  std::vector<std::string> contents_;
  std::map<std::string, ModelUpload> uploads_;
  std::set<std::string> artifacts_;
  std::unique_ptr<UploadWriter> writer_;
  std::string writer_id_;
};

TEST(ArtifactStoreModel, RandomOperationsFollowTheModel) {
  const unsigned base_seed =
      ::testing::UnitTest::GetInstance()->random_seed() != 0
          ? static_cast<unsigned>(::testing::UnitTest::GetInstance()->random_seed())
          : 20'240'101u;
  for (unsigned round = 0; round < 8; ++round) {
    const unsigned seed = base_seed + round;
    SCOPED_TRACE("seed " + std::to_string(seed) + "; repeat with --gtest_random_seed");
    Simulation simulation(seed);
    for (int step = 0; step < 150; ++step) {
      simulation.Step();
      if (step % 5 == 0) simulation.Compare();
      if (::testing::Test::HasFailure()) FAIL() << "seed " << seed << " step " << step;
    }
  }
}

}  // namespace
}  // namespace lbw::store
