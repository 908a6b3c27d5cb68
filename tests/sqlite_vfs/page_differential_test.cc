// Random statements on ordinary tables in a database of the VFS `nori` and in a
// plain one: the same rows in the same order, codes, messages, counts and
// pages.
//
// NORI_TEST_STATEMENTS sets the number of statements, NORI_TEST_SEED the seed.

#include <memory>
#include <random>
#include <string>
#include <vector>

#include "tests/engine/core/engine_fixture.h"
#include "tests/sqlite_vfs/page_fixture.h"
#include "tests/vtab/statement_generator.h"

namespace nori {
namespace {

constexpr uint64_t kStatementsPerTable = 250;

class PageDifferential : public PageVfsTest {
 protected:
  // Runs one table's life; false when a difference was found.
  bool RunTable(StatementGenerator* generator, uint64_t round) {
    name_ = "t" + std::to_string(round) + ".db";
    history_.clear();
    OpenBoth();
    static constexpr const char* kVacuums[] = {"NONE", "FULL", "INCREMENTAL"};
    Compare("PRAGMA page_size=" + std::to_string(512 << generator->Uniform(8)));
    Compare(std::string("PRAGMA auto_vacuum=") +
            kVacuums[generator->Uniform(3)]);
    generator->NewTable();
    Compare(generator->native_sql());
    for (uint64_t i = 0; i < kStatementsPerTable && !HasFailure(); ++i) {
      if (generator->Uniform(12) == 0) Compare(Upkeep(generator));
      Compare(generator->Next().sql);
      if (i % 25 == 24) Compare(generator->Listing(i % 50 == 49).sql);
      if (i % 100 == 99 && sqlite3_get_autocommit(plain_->db()) != 0) {
        Reopen();
      }
    }
    plain_->Run("COMMIT");
    nori_->Run("COMMIT");
    Compare("PRAGMA integrity_check");
    Compare("PRAGMA aux.integrity_check");
    Compare("PRAGMA page_count");
    Compare("PRAGMA freelist_count");
    return !HasFailure();
  }

 private:
  void OpenBoth() {
    nori_ = std::make_unique<TestConnection>(UriOf(name_));
    plain_ = std::make_unique<TestConnection>(Path("plain-" + name_));
    nori_->Get("ATTACH '" + UriOf(name_ + "-aux") + "' AS aux");
    plain_->Get("ATTACH '" + Path("plain-" + name_) + "-aux' AS aux");
    // Nothing here depends on the disk; the crash tests do. The journal of the
    // plain one is where the other's is.
    for (TestConnection* db : {nori_.get(), plain_.get()}) {
      db->Get("PRAGMA main.synchronous=OFF; PRAGMA aux.synchronous=OFF");
      db->Get("PRAGMA journal_mode=MEMORY; PRAGMA cache_size=7");
      // SQLite 3.40.1 misses rows through automatic indexes on RTRIM columns.
      db->Get("PRAGMA automatic_index=OFF");
    }
  }

  void Reopen() {
    history_.emplace_back("-- opened anew");
    const int64_t last = sqlite3_last_insert_rowid(plain_->db());
    nori_.reset();
    plain_.reset();
    OpenBoth();
    sqlite3_set_last_insert_rowid(nori_->db(), last);
    sqlite3_set_last_insert_rowid(plain_->db(), last);
  }

  static std::string Upkeep(StatementGenerator* generator) {
    static constexpr const char* kStatements[] = {
        "VACUUM",
        "VACUUM aux",
        "ANALYZE",
        "REINDEX",
        "PRAGMA incremental_vacuum(3)",
        "PRAGMA page_count",
        "PRAGMA freelist_count",
        "PRAGMA cache_size=2",
        "PRAGMA cache_size=100",
        "PRAGMA locking_mode=EXCLUSIVE",
        "PRAGMA locking_mode=NORMAL",
        "PRAGMA shrink_memory",
        "PRAGMA integrity_check",
        "PRAGMA schema_version",
    };
    return kStatements[generator->Uniform(std::size(kStatements))];
  }

  void Compare(const std::string& sql) {
    if (HasFailure()) return;
    history_.push_back(sql);
    const SqlResult plain = plain_->Run(sql);
    const SqlResult nori = nori_->Run(sql);
    EXPECT_EQ(plain.code, nori.code);
    EXPECT_EQ(plain.message, nori.message);
    EXPECT_EQ(plain.rows, nori.rows);
    EXPECT_EQ(sqlite3_changes64(plain_->db()), sqlite3_changes64(nori_->db()));
    EXPECT_EQ(sqlite3_total_changes64(plain_->db()),
              sqlite3_total_changes64(nori_->db()));
    EXPECT_EQ(sqlite3_last_insert_rowid(plain_->db()),
              sqlite3_last_insert_rowid(nori_->db()));
    EXPECT_EQ(sqlite3_get_autocommit(plain_->db()),
              sqlite3_get_autocommit(nori_->db()));
    if (!HasFailure()) return;
    std::string script;
    for (const std::string& statement : history_) script += statement + ";\n";
    ADD_FAILURE() << "after this script:\n" << script;
  }

  std::string name_;
  std::unique_ptr<TestConnection> nori_, plain_;
  std::vector<std::string> history_;
};

TEST_F(PageDifferential, RandomStatements) {
  const uint64_t statements =
      NumberFromEnvironment("NORI_TEST_STATEMENTS", 5000);
  StatementGenerator generator(TestSeed(std::random_device{}()));
  for (uint64_t done = 0; done < statements; done += kStatementsPerTable) {
    if (!RunTable(&generator, done)) return;
  }
}

}  // namespace
}  // namespace nori
