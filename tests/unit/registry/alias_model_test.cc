// Random moves, rollbacks and deletions of aliases against maps and vectors; the seed of a failure
// is printed.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "unit/registry/registry_fixture.h"

namespace lbw::registry {
namespace {

using Pointee = std::optional<int64_t>;  // unset: there is no alias

// An alias as a value: what it points at after every move that stands, and all that happened.
struct ModelAlias {
  std::vector<Pointee> standing = {std::nullopt};
  std::vector<std::string> story;  // oldest first
};

class AliasModelTest : public RegistryFixture {
 protected:
  static constexpr int kVersions = 5;

  AliasModelTest() {
    MakeModel("m");
    for (int i = 1; i < kVersions; ++i) AddVersion("m", 1);
    for (int64_t number = 1; number <= kVersions; ++number) there_.push_back(number);
    model_["stable"].standing.emplace_back(1);
    model_["stable"].story.push_back("create ->1");
  }

  int Pick(int n) { return std::uniform_int_distribution<int>(0, n - 1)(random_); }
  bool Has(int64_t version) const {
    return std::find(there_.begin(), there_.end(), version) != there_.end();
  }
  static std::string Text(const Pointee& version) {
    return version ? std::to_string(*version) : "-";
  }
  static Pointee Now(const ModelAlias& alias) { return alias.standing.back(); }
  static void Tell(ModelAlias& alias, const std::string& action, const Pointee& from) {
    alias.story.push_back(action + " " + Text(from) + ">" + Text(Now(alias)));
  }
  int Living() const {
    int living = 0;
    for (const auto& entry : model_) living += Now(entry.second) ? 1 : 0;
    return living;
  }
  bool HasRoomFor(const ModelAlias& alias) const {
    return Now(alias) || Living() < static_cast<int>(limits_.max_aliases_per_model);
  }

  void Set(const std::string& name) {
    ModelAlias& alias = model_[name];
    const int64_t version = 1 + Pick(kVersions);
    const bool expected = Has(version) && HasRoomFor(alias);
    const auto set = registry_->SetAlias("m", name, version);
    ASSERT_EQ(set.ok(), expected) << set.status();
    if (!expected || Now(alias) == version) return;
    const Pointee from = Now(alias);
    alias.standing.emplace_back(version);
    Tell(alias, "set", from);
  }

  void Rollback(const std::string& name) {
    ModelAlias& alias = model_[name];
    const Pointee target =
        alias.standing.size() < 2 ? Pointee() : alias.standing[alias.standing.size() - 2];
    const bool expected = target && Has(*target) && HasRoomFor(alias);
    const auto rolled = registry_->RollbackAlias("m", name, {});
    ASSERT_EQ(rolled.ok(), expected) << rolled.status();
    if (alias.story.empty()) {
      EXPECT_EQ(rolled.status().code(), absl::StatusCode::kNotFound);
    } else if (!target) {
      EXPECT_EQ(ReasonOf(rolled.status()), "NO_PREVIOUS");
    }
    if (!expected) return;
    const Pointee from = Now(alias);
    alias.standing.pop_back();
    Tell(alias, "rollback", from);
    EXPECT_EQ(rolled->version, *target);
  }

  static void End(ModelAlias& alias) {
    const Pointee from = Now(alias);
    alias.standing.emplace_back();
    Tell(alias, "delete", from);
  }

  void Delete(const std::string& name) {
    ModelAlias& alias = model_[name];
    const bool expected = Now(alias).has_value();
    ASSERT_EQ(registry_->DeleteAlias("m", name).ok(), expected);
    if (expected) End(alias);
  }

  // Rare, so that rollbacks meet versions that are gone and most do not.
  void DeleteVersion() {
    if (Pick(10) != 0 || there_.size() < 3) return;
    const int64_t version = there_[static_cast<size_t>(Pick(static_cast<int>(there_.size())))];
    ASSERT_TRUE(registry_->DeleteVersion("m", version, Registry::Force::kYes).ok());
    std::erase(there_, version);
    for (auto& entry : model_) {
      if (Now(entry.second) == version) End(entry.second);
    }
  }

  void Step() {
    const std::string name =
        std::vector<std::string>{"a", "b", "c", "stable"}[static_cast<size_t>(Pick(4))];
    now_us_ += Pick(2);
    switch (Pick(8)) {
      case 0:
        return Delete(name);
      case 1:
        return DeleteVersion();
      case 2:
      case 3:
      case 4:
        return Rollback(name);
      default:
        return Set(name);
    }
  }

  void Compare() {
    std::map<std::string, int64_t> found;
    const Model model = registry_->GetModel("m").value();
    for (const Alias& alias : model.aliases) found[alias.alias] = alias.version;
    std::map<std::string, int64_t> expected;
    for (const auto& [name, alias] : model_) {
      if (Now(alias)) expected[name] = *Now(alias);
    }
    EXPECT_EQ(found, expected);
    for (const auto& [name, alias] : model_) {
      std::vector<std::string> story;
      const Registry::AliasMoves listed = registry_->ListAliasMoves("m", name, 1000, "").value();
      for (const AliasMove& move : listed.moves) {
        story.insert(story.begin(),
                     move.action + " " + Text(move.previous) + ">" + Text(move.version));
      }
      EXPECT_EQ(story, alias.story) << name;
    }
  }

  std::mt19937 random_;
  std::map<std::string, ModelAlias> model_;
  std::vector<int64_t> there_;  // versions that are READY
};

TEST_F(AliasModelTest, RandomMovesFollowTheModel) {
  const int given = ::testing::UnitTest::GetInstance()->random_seed();
  const auto seed = static_cast<unsigned>(given != 0 ? given : 20'240'301);
  SCOPED_TRACE("seed " + std::to_string(seed) + "; repeat with --gtest_random_seed");
  random_.seed(seed);
  for (int step = 0; step < 400; ++step) {
    Step();
    Compare();
    if (HasFailure()) FAIL() << "seed " << seed << " step " << step;
  }
}

}  // namespace
}  // namespace lbw::registry
