// Random operations against maps; the seed of a failure is printed.
#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "registry/resolve.h"
#include "unit/registry/registry_fixture.h"

namespace lbw::registry {
namespace {

using Force = Registry::Force;

class RegistryModelTest : public RegistryFixture {
 protected:
  RegistryModelTest() {
    limits_.max_models = 1000;
    limits_.max_versions_per_model = 1000;
    limits_.max_aliases_per_model = 1000;
    Open();
  }

  int Pick(int n) { return std::uniform_int_distribution<int>(0, n - 1)(random_); }

  // What the next operation is about: a name, and a number that may exist.
  void Aim() {
    name_ = names_[static_cast<size_t>(Pick(3))];
    model_ = models_.count(name_) == 0 ? nullptr : &models_[name_];
    number_ = model_ == nullptr ? 1 : 1 + Pick(static_cast<int>(next_[name_]));
    const bool has = model_ != nullptr && model_->versions.count(number_) != 0;
    version_ = has ? &model_->versions[number_] : nullptr;
  }
  bool Is(VersionState state) const { return version_ != nullptr && version_->state == state; }

  void CreateModel() {
    const auto created = registry_->CreateModel(Draft(name_));
    ASSERT_EQ(created.ok(), model_ == nullptr) << created.status();
    if (!created.ok()) return;
    models_[name_].model = name_;
    models_[name_].versions[1] = VersionFacts{};
    next_[name_] = 2;
  }

  void CreateVersion() {
    std::optional<int64_t> parent;
    if (Pick(2) == 0) parent = number_;
    const auto created = registry_->CreateVersion(Draft(name_, parent));
    ASSERT_EQ(created.ok(), model_ != nullptr && (!parent || Is(VersionState::kReady)))
        << created.status();
    if (!created.ok()) return;
    ASSERT_EQ(created->number, next_[name_]++);
    model_->versions[created->number] =
        VersionFacts{VersionState::kCreating, parent.has_value(), parent};
  }

  void PublishOne() {
    Version version;
    version.model = name_;
    version.number = number_;
    const auto published = Publish(version);
    ASSERT_EQ(published.ok(), Is(VersionState::kCreating)) << published.status();
    if (!published.ok()) return;
    version_->state = VersionState::kReady;
    if (number_ == 1) model_->aliases.try_emplace("stable", 1);
  }

  void Abandon() {
    const bool expected = Is(VersionState::kCreating);
    ASSERT_EQ(registry_->AbandonVersion(name_, number_).ok(), expected);
    if (!expected) return;
    model_->versions.erase(number_);
    if (number_ == 1 && model_->versions.empty()) models_.erase(name_);
  }

  void ChangeAlias() {
    const std::string alias =
        std::vector<std::string>{"stable", "x", "y"}[static_cast<size_t>(Pick(3))];
    if (Pick(3) == 0) {
      const bool expected = model_ != nullptr && model_->aliases.erase(alias) == 1;
      ASSERT_EQ(registry_->DeleteAlias(name_, alias).ok(), expected);
      return;
    }
    ASSERT_EQ(registry_->SetAlias(name_, alias, number_).ok(), Is(VersionState::kReady));
    if (Is(VersionState::kReady)) model_->aliases[alias] = number_;
  }

  bool Used() const {
    for (const auto& entry : model_->aliases) {
      if (entry.second == number_) return true;
    }
    for (const auto& entry : model_->versions) {
      if (entry.second.parent == number_) return true;
    }
    return false;
  }

  void DeleteVersion() {
    const auto force = Pick(2) == 0 ? Force::kYes : Force::kNo;
    const bool deletable = version_ != nullptr && !Is(VersionState::kCreating);
    const bool expected = deletable && (force == Force::kYes || !Used());
    ASSERT_EQ(registry_->DeleteVersion(name_, number_, force).ok(), expected);
    if (!expected) return;
    model_->versions.erase(number_);
    std::erase_if(model_->aliases, [this](const auto& entry) { return entry.second == number_; });
  }

  void DeleteModel() {
    if (Pick(6) != 0) return;
    const auto force = Pick(2) == 0 ? Force::kYes : Force::kNo;
    const bool expected = model_ != nullptr && (force == Force::kYes || model_->versions.empty());
    ASSERT_EQ(registry_->DeleteModel(name_, force).ok(), expected);
    if (expected) models_.erase(name_);
  }

  void Step() {
    Aim();
    switch (Pick(8)) {
      case 0:
        return CreateModel();
      case 1:
        return CreateVersion();
      case 2:
      case 3:
        return PublishOne();
      case 4:
        return Abandon();
      case 5:
        return ChangeAlias();
      case 6:
        return DeleteVersion();
      default:
        return DeleteModel();
    }
  }

  void CompareOne(const ModelFacts& facts, const Model& answer) {
    ASSERT_EQ(answer.versions.size(), facts.versions.size());
    for (const Version& version : answer.versions) {
      const VersionFacts& expected = facts.versions.at(version.number);
      EXPECT_EQ(version.state, expected.state);
      EXPECT_EQ(version.parent, expected.parent);
      EXPECT_EQ(version.quantized, expected.quantized);
    }
    std::map<std::string, int64_t> aliases;
    for (const Alias& alias : answer.aliases) aliases[alias.alias] = alias.version;
    EXPECT_EQ(aliases, facts.aliases);
    const auto resolved = registry_->Resolve(Ref(facts.model));
    const auto expected = ResolveNumber(facts, Ref(facts.model));
    ASSERT_EQ(resolved.ok(), expected.ok()) << resolved.status();
    if (resolved.ok()) {
      EXPECT_EQ(resolved->number, *expected);
    }
  }

  void Compare() {
    EXPECT_EQ(registry_->CountModels().value(), static_cast<int64_t>(models_.size()));
    for (const std::string& name : names_) {
      const auto answer = registry_->GetModel(name);
      ASSERT_EQ(answer.ok(), models_.count(name) != 0);
      if (answer.ok()) CompareOne(models_[name], *answer);
    }
  }

  const std::vector<std::string> names_ = {"a", "b", "c"};
  std::mt19937 random_;
  std::map<std::string, ModelFacts> models_;
  std::map<std::string, int64_t> next_;
  std::string name_;
  int64_t number_ = 0;
  ModelFacts* model_ = nullptr;      // nullptr: there is none of that name
  VersionFacts* version_ = nullptr;  // nullptr: there is none of that number
};

TEST_F(RegistryModelTest, RandomOperationsFollowTheModel) {
  const int given = ::testing::UnitTest::GetInstance()->random_seed();
  const auto seed = static_cast<unsigned>(given != 0 ? given : 20'240'102);
  SCOPED_TRACE("seed " + std::to_string(seed) + "; repeat with --gtest_random_seed");
  random_.seed(seed);
  for (int step = 0; step < 500; ++step) {
    Step();
    Compare();
    if (HasFailure()) FAIL() << "seed " << seed << " step " << step;
  }
}

}  // namespace
}  // namespace lbw::registry
