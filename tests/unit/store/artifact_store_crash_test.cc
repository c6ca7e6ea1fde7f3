// The same story told with a crash before every single step of disk and database, after power cuts
// and after kill -9.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>

#include "unit/store/store_fixture.h"

namespace lbw::store {
namespace {

// What the client was told before the crash.
struct Told {
  std::map<std::string, std::string> contents;  // upload id -> what is being sent
  std::map<std::string, uint64_t> committed;    // upload id -> committed_bytes as answered
  std::map<std::string, std::string> stored;    // sha256 -> content
  std::set<std::string> deleted;                // sha256
  std::set<std::string> deleted_uploads;        // id
};

absl::Status Send(ArtifactStore& store, const std::string& id, const std::string& content,
                  size_t until, Told& told) {
  LBW_ASSIGN_OR_RETURN(const auto writer, store.OpenWriter(id, ArtifactStore::Start::kResume));
  LBW_ASSIGN_OR_RETURN(const Upload now, store.GetUpload(id));
  LBW_RETURN_IF_ERROR(WriteRest(*writer, now.committed_bytes, content.substr(0, until)));
  LBW_ASSIGN_OR_RETURN(told.committed[id], writer->Close());
  return absl::OkStatus();
}

absl::StatusOr<std::string> Create(ArtifactStore& store, const std::string& content,
                                   bool tell_digest, Told& told) {
  LBW_ASSIGN_OR_RETURN(
      const Upload upload,
      store.CreateUpload("", content.size(), tell_digest ? DigestOf(content) : "", "x"));
  told.contents[upload.id] = content;
  return upload.id;
}

absl::Status Finish(ArtifactStore& store, const std::string& id, const std::string& content,
                    Told& told) {
  LBW_RETURN_IF_ERROR(store.FinishUpload(id, DigestOf(content), {}).status());
  told.stored[DigestOf(content)] = content;
  return absl::OkStatus();
}

absl::Status Delete(ArtifactStore& store, const std::string& content, Told& told) {
  told.stored.erase(DigestOf(content));  // from the moment it is asked for, either is right
  LBW_RETURN_IF_ERROR(store.DeleteArtifact(DigestOf(content)));
  told.deleted.insert(DigestOf(content));
  return absl::OkStatus();
}

absl::Status Story(ArtifactStore& store, Told& told) {
  const std::string first = Pattern(120, 1);
  const std::string second = Pattern(77, 2);
  const std::string result = Pattern(55, 3);
  LBW_ASSIGN_OR_RETURN(const std::string a, Create(store, first, true, told));
  LBW_RETURN_IF_ERROR(Send(store, a, first, 70, told));
  LBW_ASSIGN_OR_RETURN(const std::string b, Create(store, second, false, told));
  LBW_RETURN_IF_ERROR(Send(store, a, first, first.size(), told));
  LBW_RETURN_IF_ERROR(Finish(store, a, first, told));
  LBW_RETURN_IF_ERROR(Send(store, b, second, second.size(), told));
  LBW_RETURN_IF_ERROR(Finish(store, b, second, told));
  LBW_RETURN_IF_ERROR(AddResult(store, result).status());
  told.stored[DigestOf(result)] = result;
  LBW_RETURN_IF_ERROR(Delete(store, first, told));
  LBW_ASSIGN_OR_RETURN(const std::string c, Create(store, first, true, told));
  LBW_RETURN_IF_ERROR(Send(store, c, first, first.size(), told));
  told.deleted.erase(DigestOf(first));
  LBW_RETURN_IF_ERROR(Finish(store, c, first, told));
  LBW_ASSIGN_OR_RETURN(const std::string d, Create(store, Pattern(90, 4), false, told));
  LBW_RETURN_IF_ERROR(Send(store, d, Pattern(90, 4), 50, told));
  told.contents.erase(d);
  told.committed.erase(d);
  LBW_RETURN_IF_ERROR(store.DeleteUpload(d));
  told.deleted_uploads.insert(d);
  return store.Sweep();
}

void ExpectKeptPromises(Machine& machine, const Told& told) {
  ArtifactStore& store = *machine.store;
  for (const auto& [sha256, content] : told.stored) {
    const auto read = machine.Content(sha256);
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_EQ(*read, content);
  }
  for (const std::string& sha256 : told.deleted)
    EXPECT_TRUE(absl::IsNotFound(store.GetArtifact(sha256).status()));
  for (const std::string& id : told.deleted_uploads)
    EXPECT_TRUE(absl::IsNotFound(store.GetUpload(id).status()));
  EXPECT_THAT(machine.FilesIn("tmp"), ::testing::IsEmpty());
  for (const auto& [id, content] : told.contents) {
    const auto upload = store.GetUpload(id);
    if (absl::IsNotFound(upload.status()))
      continue;  // its artifact was deleted, and the upload with it
    ASSERT_TRUE(upload.ok()) << upload.status();
    const auto committed = told.committed.find(id);
    if (committed != told.committed.end()) {
      EXPECT_GE(upload->committed_bytes, committed->second);
    }
    const auto artifact = UploadRest(store, id, content, DigestOf(content));
    ASSERT_TRUE(artifact.ok()) << artifact.status();
    EXPECT_EQ(machine.Content(artifact->sha256).value(), content);
  }
}

// Nothing is left that no row speaks of, once an upload's life has passed.
void ExpectNothingLeftBehind(Machine& machine) {
  machine.Advance(absl::Hours(3));
  ASSERT_TRUE(machine.store->Sweep().ok());
  EXPECT_THAT(machine.FilesIn("uploads"), ::testing::IsEmpty());
  std::set<std::string> rows;
  const auto page = machine.store->ListArtifacts(1000, "");
  ASSERT_TRUE(page.ok()) << page.status();
  for (const Artifact& artifact : page->artifacts) rows.insert(artifact.sha256);
  std::set<std::string> blobs;
  for (const std::string& name : machine.FilesIn("blobs")) blobs.insert(name);
  EXPECT_EQ(blobs, rows);
}

class ArtifactStoreCrashTest : public ::testing::TestWithParam<MemoryFileSystem::Crash> {};

TEST_P(ArtifactStoreCrashTest, EveryStepOfTheStoryMayBeTheLast) {
  bool finished = false;
  int64_t step = 0;
  for (; !finished; ++step) {
    SCOPED_TRACE(step);
    Machine machine;
    Told told;
    machine.point.Arm(step);
    const absl::Status status = Story(*machine.store, told);
    finished = !machine.point.dead();
    ASSERT_TRUE(status.ok() || !finished) << status;
    machine.CrashAndRestart(GetParam());
    ExpectKeptPromises(machine, told);
    ExpectNothingLeftBehind(machine);
    if (HasFailure()) break;
  }
  EXPECT_GT(
      step,
      100);  // the story has that many steps at least; fewer would mean that they are not counted
}

// A crash while the restart repairs an earlier crash.
TEST_P(ArtifactStoreCrashTest, RecoveryMayCrashToo) {
  for (int64_t step = 3; step < 200; step += 11) {
    for (int64_t second = 0; second < 12; ++second) {
      SCOPED_TRACE(step);
      SCOPED_TRACE(second);
      Machine machine;
      Told told;
      machine.point.Arm(step);
      Story(*machine.store, told).IgnoreError();
      machine.Stop();
      machine.files.Recover(GetParam());
      machine.point.Arm(second);
      const bool recovered = machine.TryStart().ok();
      machine.CrashAndRestart(GetParam());
      ExpectKeptPromises(machine, told);
      if (HasFailure()) return;
      if (recovered) break;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Crashes, ArtifactStoreCrashTest,
                         ::testing::Values(MemoryFileSystem::Crash::kPower,
                                           MemoryFileSystem::Crash::kProcess),
                         [](const auto& crash) {
                           return crash.param == MemoryFileSystem::Crash::kPower ? "PowerCut"
                                                                                 : "KillNine";
                         });

}  // namespace
}  // namespace lbw::store
