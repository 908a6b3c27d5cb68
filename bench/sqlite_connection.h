// A connection to SQLite and its statements, for benchmarks: every failure ends
// the process (measure.h, Fail).

#ifndef NORI_BENCH_SQLITE_CONNECTION_H_
#define NORI_BENCH_SQLITE_CONNECTION_H_

#include <sqlite3.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace nori::bench {

// Tries to load the extension into a database in memory. Returns why it cannot
// be loaded; empty if it can.
std::string ExtensionError(const std::string& extension);

// Not thread-safe, as the connection it belongs to, which must outlive it.
// Texts and blobs that are bound must live until the next binding.
class SqliteStatement {
 public:
  SqliteStatement() = default;
  explicit SqliteStatement(sqlite3_stmt* statement) : statement_(statement) {}

  void BindBlob(int place, std::string_view blob);
  void Bind(int place, std::string_view text);
  void Bind(int place, int64_t value);

  // True: there is a row. False: the statement has ended and was reset.
  bool Step();
  // Steps to the end, whatever rows there are; returns how many.
  uint64_t Run();
  // Binds texts and integers to the places from the first on, and runs.
  template <typename... Values>
  uint64_t RunWith(const Values&... values) {
    BindAll(values...);
    return Run();
  }
  template <typename... Values>
  void BindAll(const Values&... values) {
    int place = 0;
    (Bind(++place, values), ...);
  }
  // Ends it before its last row.
  void Reset();

  int64_t Integer(int column) const {
    return sqlite3_column_int64(statement_.get(), column);
  }
  // A text or a blob, valid until the next step. NULL is empty.
  std::string_view Bytes(int column) const;

 private:
  struct Finalize {
    void operator()(sqlite3_stmt* s) const { sqlite3_finalize(s); }
  };
  void Check(bool ok) const;

  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
};

class SqliteConnection {
 public:
  // `name`: a path or a URI.
  explicit SqliteConnection(const std::string& name);

  void LoadExtension(const std::string& extension);
  void Execute(const std::string& sql);
  SqliteStatement Prepare(const std::string& sql);
  // The first column of the only row.
  int64_t Integer(const std::string& sql);

 private:
  struct Close {
    void operator()(sqlite3* db) const { sqlite3_close_v2(db); }
  };
  void Check(bool ok) const;

  std::unique_ptr<sqlite3, Close> db_;
};

}  // namespace nori::bench

#endif  // NORI_BENCH_SQLITE_CONNECTION_H_
