// What the module knows of one SQLite connection.

#ifndef NORI_VTAB_CONNECTION_H_
#define NORI_VTAB_CONNECTION_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "vtab/last_scan.h"
#include "vtab/sqlite.h"

namespace nori {

class Database;

// Owned by the connection's module registration. Not thread-safe: SQLite calls
// the module of one connection from one thread at a time.
class Connection {
 public:
  explicit Connection(sqlite3* db);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Whether `db` has one. Thread-safe.
  static bool IsKnown(sqlite3* db);
  // Calls `body` for each that there is, none of which is closed meanwhile, and
  // tells whether this thread opened it. Must not open or close a connection.
  // Thread-safe.
  static void ForEachKnown(absl::FunctionRef<void(sqlite3*, bool is_own)> body);

  sqlite3* db() const { return db_; }

  // The state of one schema, made at first use. Lives as long as somebody holds
  // it; for a database in memory as long as the connection.
  std::shared_ptr<Database> GetDatabase(const std::string& schema);
  // Keeps a database that has a transaction: its last table may be dropped in
  // it, and the end of it must still be told.
  void HoldInTransaction(std::shared_ptr<Database> database);
  void TransactionEnded(Database* database);
  // Every one that lives.
  std::vector<std::shared_ptr<Database>> Databases();

  // The integer that `PRAGMA schema.name` gives. Compiled each time: SQLite
  // reads these pragmas when it compiles them.
  absl::StatusOr<int64_t> PragmaInteger(const std::string& schema,
                                        const std::string& name);
  absl::StatusOr<std::string> PragmaText(const std::string& schema,
                                         const std::string& name);

  // The names of all schemas, in the order in which SQLite looks for a table:
  // temp, main, then the attached ones.
  absl::StatusOr<std::vector<std::string>> Schemas();
  // Whether sqlite3_interrupt was called while the present statements run.
  bool IsInterrupted();

  // Makes SQLite tell the private table nori_guard when the current transaction
  // ends or is rolled back to a savepoint; the table is made if it is not
  // there. At once and without effect if it was already asked in this
  // transaction.
  absl::Status EnlistGuard();
  // Makes the table, if it is not there, where that costs the caller nothing.
  void PrepareGuard();

  LastScan& last_scan() { return last_scan_; }

  // Called by nori_guard.
  void GuardConnected() { ++guard_tables_; }
  void GuardDisconnected();
  void GuardBegun() { guard_enlisted_ = true; }
  void GuardEnded() { guard_enlisted_ = false; }

  // Drops cached statements; before the connection closes.
  void FinalizeStatements();

 private:
  sqlite3* const db_;
  std::map<std::string, std::weak_ptr<Database>> databases_;
  std::map<std::string, std::shared_ptr<Database>> in_memory_;
  std::vector<std::shared_ptr<Database>> in_transaction_;
  int guard_tables_ = 0;
  bool guard_enlisted_ = false;
  bool making_guard_ = false;
  sqlite3_stmt* guard_statement_ = nullptr;
  LastScan last_scan_;
};

}  // namespace nori

#endif  // NORI_VTAB_CONNECTION_H_
