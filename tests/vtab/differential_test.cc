// A nori table against an ordinary table with the same definition: every
// statement must give the same rows, errors and counts.
//
// NORI_TEST_STATEMENTS sets the number of statements, NORI_TEST_SEED the seed.

#include <cstdio>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "tests/vtab/differences.h"
#include "tests/vtab/module_fixture.h"
#include "tests/vtab/same_result.h"
#include "tests/vtab/statement_generator.h"

namespace nori {
namespace {

constexpr uint64_t kStatementsPerTable = 250;

class DifferentialTest : public ModuleTest {
 protected:
  // Runs one table's life; false when a difference was found.
  bool RunTable(StatementGenerator* generator, uint64_t round) {
    generator->NewTable();
    schema_ = generator->schema();
    const bool in_memory = generator->Uniform(2) == 0;
    path_ = in_memory ? ":memory:" : Path("t" + std::to_string(round) + ".db");
    native_ = std::make_unique<TestConnection>(":memory:", /*load=*/false);
    // SQLite 3.40.1 misses rows through automatic indexes on RTRIM columns.
    native_->Get("PRAGMA automatic_index = off");
    native_->Get("ATTACH ':memory:' AS aux");
    nori_.reset();
    OpenNori();
    if (generator->Uniform(2) == 0) nori_->Get("PRAGMA journal_mode = wal");
    history_.clear();
    if (!Compare({generator->native_sql(), true, generator->nori_sql()})) {
      return false;
    }
    for (uint64_t i = 0; i < kStatementsPerTable; ++i) {
      if (!Compare(generator->Next())) return false;
      if (i % 25 == 24 && (!Compare(generator->Listing(false)) ||
                           !Compare(generator->Listing(true)))) {
        return false;
      }
      if (i % 50 == 49 && !Verify()) return false;
      if (i % 100 == 99) Reopen();
    }
    nori_->Run("COMMIT");
    EXPECT_EQ(nori_->Get("PRAGMA integrity_check"), "'ok'");
    if (!Verify()) return false;
    // No statement of the module's own is left.
    nori_.reset();
    if (HasFailure()) ADD_FAILURE() << History();
    return !HasFailure();
  }

  ExcusedDifferences excused_;

 private:
  void OpenNori() {
    nori_ = std::make_unique<TestConnection>(path_);
    // Nothing here depends on the disk; the crash tests do.
    nori_->Get("PRAGMA synchronous = OFF");
    nori_->Get(path_ == ":memory:" ? "ATTACH ':memory:' AS aux"
                                   : "ATTACH '" + path_ + "-aux' AS aux");
  }

  // Where the table lives on and no transaction is open.
  void Reopen() {
    if (path_ == ":memory:" || schema_ == "temp") return;
    if (sqlite3_get_autocommit(nori_->db()) == 0) return;
    history_.emplace_back("-- opened anew");
    nori_.reset();
    OpenNori();
    sqlite3_set_last_insert_rowid(nori_->db(),
                                  sqlite3_last_insert_rowid(native_->db()));
  }

  // Among others: each index holds exactly the entries of the rows.
  bool Verify() {
    const SqlResult result =
        nori_->Run("SELECT nori_verify('" + schema_ + "')");
    // A table that the open transaction has dropped still has its rows.
    const bool is_open = sqlite3_get_autocommit(nori_->db()) == 0;
    const std::string text =
        result.rows.empty() ? result.message : result.rows[0];
    EXPECT_TRUE(is_open ? text.starts_with("'ok") : text == "'ok'") << text;
    if (HasFailure()) ADD_FAILURE() << History();
    return !HasFailure();
  }

  std::string History() const {
    std::string script = "after this script:\n";
    for (const std::string& sql : history_) script += sql + ";\n";
    return script;
  }

  // Takes from the results what the statement's documented difference allows.
  void Excuse(Difference difference, SqlResult* native, SqlResult* nori) {
    bool differs = native->rows != nori->rows;
    native->rows.clear();
    nori->rows.clear();
    // The code is compared, and the message of a constraint.
    if (difference == Difference::kIndexFunctions &&
        nori->code == SQLITE_ERROR) {
      differs = differs || native->message != nori->message;
      nori->message = native->message;
    }
    if (differs) excused_.Excuse(difference);
  }

  bool Compare(const StatementGenerator::Statement& statement) {
    const std::string& nori_sql =
        statement.nori_sql.empty() ? statement.sql : statement.nori_sql;
    history_.push_back(nori_sql);
    const int64_t native_before = sqlite3_total_changes64(native_->db());
    const int64_t nori_before = sqlite3_total_changes64(nori_->db());
    SqlResult native = native_->Run(statement.sql);
    SqlResult nori = nori_->Run(nori_sql);
    if (statement.excuse) Excuse(*statement.excuse, &native, &nori);
    ExpectSameResult(statement.ordered, &native, &nori);
    EXPECT_EQ(sqlite3_get_autocommit(native_->db()),
              sqlite3_get_autocommit(nori_->db()));
    // Of what has run; a statement that was refused leaves the count of the one
    // before, which may have been the module's own.
    const bool changes_rows =
        statement.nori_sql.empty() &&
        (nori_sql.starts_with("INSERT") || nori_sql.starts_with("REPLACE") ||
         nori_sql.starts_with("UPDATE") || nori_sql.starts_with("DELETE"));
    const int64_t native_changes = sqlite3_changes64(native_->db());
    const int64_t nori_changes = sqlite3_changes64(nori_->db());
    const int64_t native_total =
        sqlite3_total_changes64(native_->db()) - native_before;
    const int64_t nori_total =
        sqlite3_total_changes64(nori_->db()) - nori_before;
    if (changes_rows) {
      if (native.code != SQLITE_ERROR) {
        EXPECT_EQ(native_changes, nori_changes);
      }
      EXPECT_EQ(native_total, nori_total);
    } else if (native_changes != nori_changes || native_total != nori_total) {
      excused_.Excuse(Difference::kChanges);
    }
    EXPECT_EQ(sqlite3_last_insert_rowid(native_->db()),
              sqlite3_last_insert_rowid(nori_->db()));
    if (HasFailure()) ADD_FAILURE() << History();
    return !HasFailure();
  }

  std::string schema_, path_;
  std::unique_ptr<TestConnection> native_, nori_;
  std::vector<std::string> history_;
};

TEST_F(DifferentialTest, RandomStatements) {
  const uint64_t statements =
      NumberFromEnvironment("NORI_TEST_STATEMENTS", 5000);
  const uint64_t seed =
      NumberFromEnvironment("NORI_TEST_SEED", std::random_device{}());
  std::printf("NORI_TEST_SEED=%llu\n", static_cast<unsigned long long>(seed));
  StatementGenerator generator(seed);
  for (uint64_t done = 0; done < statements; done += kStatementsPerTable) {
    if (!RunTable(&generator, done)) return;
  }
  excused_.Print();
}

}  // namespace
}  // namespace nori
