// Transactions that commit other changes beside their own.
//
// NORI_TEST_SEED replays a run; NORI_TEST_OPS is a hundred times the
// transactions.

#include <array>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/io/memory_file_system.h"
#include "tests/engine/core/model_fixture.h"

namespace nori {
namespace {

// One list of changes and what it makes of the entries that begin with its
// prefix.
struct Part {
  Changes* changes = nullptr;
  std::string prefix;
  Model model;
  std::vector<std::pair<uint64_t, Model>> marks;
};

class EngineInclude : public ::testing::Test {
 protected:
  void Open() {
    Options options = TinyOptions(&fs_);
    options.background = BackgroundMode::kManual;
    auto opened = Engine::Open(options, "/db");
    ASSERT_TRUE(opened.ok()) << opened.status();
    engine_ = *std::move(opened);
  }

  void ChangeOnce(Part* part) {
    const auto key = [&] {
      return absl::StrCat(part->prefix, random_.Uniform(300));
    };
    const uint64_t choice = random_.Uniform(100);
    if (choice < 70) {
      const std::string k = key();
      const std::string value(random_.Uniform(200), 'a' + choice % 26);
      NORI_ASSERT_OK(part->changes->Put(k, value));
      part->model[k] = value;
    } else if (choice < 85) {
      const std::string k = key();
      NORI_ASSERT_OK(part->changes->Delete(k));
      part->model.erase(k);
    } else if (choice < 88) {
      std::string begin = key(), end = key();
      if (end < begin) std::swap(begin, end);
      NORI_ASSERT_OK(part->changes->DeleteRange(begin, end));
      EraseRange(&part->model, begin, end);
    } else if (choice < 94 || part->marks.empty()) {
      part->marks.emplace_back(part->changes->Mark(), part->model);
    } else {
      part->marks.resize(random_.Uniform(part->marks.size()) + 1);
      NORI_ASSERT_OK(part->changes->RollbackTo(part->marks.back().first));
      part->model = part->marks.back().second;
    }
  }

  void ExpectPart(const Part& part) {
    IterateOptions options;
    options.bounds = {part.prefix, part.prefix + "~"};
    ExpectSame(part.changes->NewIterator(options).get(), part.model);
  }

  // One transaction with two parts, which may crash at its end.
  void RunTransaction() {
    const auto rows = engine_->NewChanges(engine_->GetSnapshot());
    const auto transaction = engine_->BeginTransaction({});
    ASSERT_TRUE(transaction.ok()) << transaction.status();
    std::array<Part, 2> parts{Part{transaction->get(), "p", {}, {}},
                              Part{rows.get(), "r", {}, {}}};
    for (Part& part : parts) {
      for (const auto& [key, value] : committed_) {
        if (key.starts_with(part.prefix)) part.model[key] = value;
      }
    }
    // Some of them spill, one or both.
    const uint64_t changes = random_.OneIn(4) ? 1500 : 30;
    const uint64_t bias = random_.Uniform(11);
    bool prepared = false;
    for (uint64_t i = 0; i < changes; ++i) {
      ChangeOnce(&parts[random_.Uniform(10) < bias ? 0 : 1]);
      if (random_.OneIn(changes)) {
        (*transaction)->Include(random_.OneIn(2) ? rows.get() : nullptr);
        Prepare(transaction->get());
        prepared = true;
      }
    }
    for (const Part& part : parts) ExpectPart(part);
    const bool included = !random_.OneIn(4);
    (*transaction)->Include(included ? rows.get() : nullptr);
    const uint64_t end = random_.Uniform(8);
    if (end >= 6 || prepared) Prepare(transaction->get());
    if (end == 0) {
      NORI_ASSERT_OK((*transaction)->Rollback());
      return;
    }
    committed_ = parts[0].model;
    const Model& others = included ? parts[1].model : before_rows_;
    committed_.insert(others.begin(), others.end());
    if (included) before_rows_ = parts[1].model;
    if (end != 7) NORI_ASSERT_OK((*transaction)->Commit(Durability::kSync));
    // A prepared one counts where no abort follows.
    if (end >= 6) disk_ = fs_.Clone();
  }

  static void Prepare(Transaction* transaction) {
    NORI_ASSERT_OK(transaction->Prepare(PrepareMode::kCommitsUnlessAborted, 0,
                                        Durability::kSync));
  }

  MemoryFileSystem fs_;
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<MemoryFileSystem> disk_;
  Random random_{TestSeed(7)};
  Model committed_;
  Model before_rows_;  // of committed_, those of the second part
};

TEST_F(EngineInclude, BothPartsAreOneCommitAndUndoneApart) {
  Open();
  const uint64_t transactions = EnvOr("NORI_TEST_OPS", 20000) / 100;
  for (uint64_t i = 0; i < transactions && !HasFailure(); ++i) {
    SCOPED_TRACE(absl::StrCat("transaction ", i));
    RunTransaction();
    if (random_.OneIn(5))
      NORI_ASSERT_OK(engine_->RunBackgroundWork(3).status());
    if (disk_ != nullptr) {
      disk_->Crash(&random_);
      Options options = TinyOptions(disk_.get());
      options.background = BackgroundMode::kManual;
      const auto after = Engine::Open(options, "/db");
      ASSERT_TRUE(after.ok()) << after.status();
      ExpectSame((*after)->NewIterator({}).get(), committed_);
      NORI_ASSERT_OK((*after)->Verify());
      disk_.reset();
      // The one that was left prepared is over here, and rolled back.
      engine_.reset();
      Open();
      Model now;
      const auto it = engine_->NewIterator({});
      for (it->SeekToFirst(); it->Valid(); it->Next()) {
        now[std::string(it->key())] = it->value();
      }
      committed_ = now;
      before_rows_.clear();
      for (const auto& [key, value] : now) {
        if (key.starts_with("r")) before_rows_[key] = value;
      }
      continue;
    }
    ExpectSame(engine_->NewIterator({}).get(), committed_);
  }
}

// What is included and undone to nothing is not in the commit.
TEST_F(EngineInclude, NothingButTheOtherChanges) {
  Open();
  const auto rows = engine_->NewChanges(engine_->GetSnapshot());
  NORI_ASSERT_OK(rows->Put("r", "1"));
  auto transaction = engine_->BeginTransaction({});
  ASSERT_TRUE(transaction.ok());
  (*transaction)->Include(rows.get());
  NORI_ASSERT_OK((*transaction)->Commit(Durability::kSync));
  EXPECT_EQ(GetOr(engine_.get(), "r"), "1");
  const auto more = engine_->NewChanges(engine_->GetSnapshot());
  NORI_ASSERT_OK(more->Put("r", "2"));
  NORI_ASSERT_OK(more->RollbackTo(0));
  transaction = engine_->BeginTransaction({});
  ASSERT_TRUE(transaction.ok());
  (*transaction)->Include(more.get());
  NORI_ASSERT_OK((*transaction)->Commit(Durability::kSync));
  EXPECT_EQ(GetOr(engine_.get(), "r"), "1");
}

}  // namespace
}  // namespace nori
