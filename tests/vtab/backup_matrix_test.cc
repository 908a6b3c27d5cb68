// Every kind of source, method and destination of a copy, with and without a
// writer: for each, whether the copy is whole. The test prints them as a table.

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "tests/vtab/balances.h"

namespace nori {
namespace {

using ::testing::StartsWith;

// What the result of a row begins with.
constexpr char kWhole[] = "whole";
// Nothing was copied.
constexpr char kRefused[] = "refused";
// Ordinary tables are there; nori tables are refused when they are used.
constexpr char kNoNori[] = "nori tables refused";

struct Source {
  const char* name;
  const char* journal_mode;
  bool has_nori;      // far is a nori table
  const char* query;  // of the URI
  bool in_memory;
};

struct Destination {
  const char* name;
  const char* query;  // of the URI
  const char* make;   // what is there before; null: nothing
  const char* tune;   // run on the connection that is copied to
  bool far_away = false;
  bool earlier = false;  // a copy of another database by the same method
  bool in_memory = false;
};

enum class Kind { kApi, kFunction, kVacuum, kExport, kImport, kShell, kPack };

struct Row {
  const Source* source;
  bool has_writer;
  const Destination* destination;
};

class BackupMatrix : public BalancesTest {
 protected:
  BackupMatrix() {
    // From here on every connection goes through the watching VFS.
    TestConnection load(":memory:");
    std::string directory = "/dev/shm/nori_copy_XXXXXX";
    if (mkdtemp(directory.data()) != nullptr) second_ = directory;
  }
  ~BackupMatrix() override {
    if (!second_.empty()) std::filesystem::remove_all(second_);
  }

  struct Method {
    const char* name;
    Kind kind;
    // Copies the open source, or the one at `source`, to `to`. An SQLite result
    // code; of another process, 1 or 0.
    std::function<int(TestConnection* from, const std::string& source,
                      const Row& row, const std::string& to)>
        run;
  };

  static std::string UriOf(const std::string& path, const char* query) {
    return *query == '\0' ? path : "file:" + path + "?" + query;
  }

  static void Make(TestConnection& a, const Source& source) {
    if (source.has_nori) {
      MakeDatabase(a, source.journal_mode);
      return;
    }
    a.Get(std::string("PRAGMA journal_mode = ") + source.journal_mode);
    a.Get(
        "CREATE TABLE near(id INTEGER PRIMARY KEY, balance);"
        "CREATE TABLE far(id INTEGER PRIMARY KEY, balance);"
        "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE "
        "i < 100) INSERT INTO near SELECT i, 100 FROM c;"
        "INSERT INTO far SELECT * FROM near");
  }

  static Method Api(const char* name, int step) {
    return {name, Kind::kApi,
            [step](TestConnection* from, const std::string&, const Row& row,
                   const std::string& to) {
              TestConnection target(UriOf(to, row.destination->query));
              target.Get(row.destination->tune);
              return CopyPages(*from, target, step);
            }};
  }
  static Method Sql(const char* name, Kind kind, const char* before,
                    const char* after) {
    return {name, kind,
            [=](TestConnection* from, const std::string&, const Row& row,
                const std::string& to) {
              const bool is_vacuum = kind == Kind::kVacuum;
              return from
                  ->Run(before +
                        (is_vacuum ? UriOf(to, row.destination->query) : to) +
                        after)
                  .code;
            }};
  }
  static Method Import() {
    return {"nori_import", Kind::kImport,
            [](TestConnection*, const std::string& source, const Row& row,
               const std::string& to) {
              TestConnection target(UriOf(to, row.destination->query));
              sqlite3_busy_timeout(target.db(), 20000);
              return target.Run("SELECT nori_import('" + source + "')").code;
            }};
  }
  // A command of the shell with the source open; %s is the destination.
  static Method Shell(const char* command) {
    return {command, Kind::kShell,
            [command](TestConnection*, const std::string& source,
                      const Row& row, const std::string& to) {
              return InAnotherProcess(
                         ":memory: \".open '" + source + "'\" \"" + command +
                         " '" + UriOf(to, row.destination->query) + "'\"") == 0
                         ? SQLITE_OK
                         : SQLITE_ERROR;
            }};
  }
  static Method Restore() {
    return {".restore", Kind::kShell,
            [](TestConnection*, const std::string& source, const Row& row,
               const std::string& to) {
              return InAnotherProcess(":memory: \".open '" +
                                      UriOf(to, row.destination->query) +
                                      "'\" \".restore '" + source + "'\"") == 0
                         ? SQLITE_OK
                         : SQLITE_ERROR;
            }};
  }
  static Method CopyOfTheFile() {
    return {"cp of the file alone", Kind::kPack,
            [](TestConnection*, const std::string& source, const Row&,
               const std::string& to) {
              std::filesystem::copy_file(source, to);
              return SQLITE_OK;
            }};
  }
  static Method Pack() {
    return {"nori_pack, cp, nori_unpack", Kind::kPack,
            [](TestConnection*, const std::string& source, const Row&,
               const std::string& to) {
              {
                TestConnection from(source);
                from.Get(
                    "DROP TABLE IF EXISTS far_pack; SELECT nori_pack('far');"
                    "PRAGMA wal_checkpoint(TRUNCATE)");
              }
              std::filesystem::copy_file(source, to);
              TestConnection copy(to);
              return copy.Run("DROP TABLE far; SELECT nori_unpack('far_pack')")
                  .code;
            }};
  }
  // Python's Connection.backup, with a writer of its own in that process.
  Method Python() {
    return {"Python, with progress", Kind::kShell,
            [this](TestConnection*, const std::string& source, const Row& row,
                   const std::string& to) {
              std::ofstream(Path("copy.py"))
                  << "import sqlite3, sys, threading\n"
                     "def connect(name):\n"
                     "  return sqlite3.connect(name, uri=True, timeout=20, "
                     "isolation_level=None)\n"
                     "loader = connect(':memory:')\n"
                     "loader.enable_load_extension(True)\n"
                     "loader.load_extension('" NORI_EXTENSION_PATH
                     "')\n"
                     "stop = threading.Event()\n"
                     "def write():\n"
                     "  w = connect(sys.argv[1])\n"
                     "  for i in range(10**9):\n"
                     "    if stop.wait(0.001): break\n"
                     "    w.execute('BEGIN IMMEDIATE')\n"
                     "    for t, d in ('far', -1), ('near', 1):\n"
                     "      w.execute(f'UPDATE {t} SET balance = balance + "
                     "{d} WHERE id = {i % 100 + 1}')\n"
                     "    w.execute('COMMIT')\n"
                     "  w.close()\n"
                     "a = connect(sys.argv[1])\n"
                     "writer = threading.Thread(target=write)\n"
                     "if sys.argv[3] == 'busy': writer.start()\n"
                     "calls = []\n"
                     "try:\n"
                     "  for n in range(100):\n"
                     "    b = sqlite3.connect(sys.argv[2], uri=True)\n"
                     "    try:\n"
                     "      a.backup(b, pages=5, sleep=0.001, progress=lambda "
                     "*left: calls.append(left))\n"
                     "      break\n"
                     "    except sqlite3.OperationalError as e:\n"
                     "      if n == 99 or 'locked' not in str(e): raise\n"
                     "    finally:\n"
                     "      b.close()\n"
                     "finally:\n"
                     "  stop.set()\n"
                     "  if sys.argv[3] == 'busy': writer.join()\n"
                     "assert calls\n";
              return std::system(("/usr/bin/python3 '" + Path("copy.py") +
                                  "' '" + source + "' '" +
                                  UriOf(to, row.destination->query) + "' " +
                                  (row.has_writer ? "busy" : "idle") + " 2> '" +
                                  Path("python.err") + "'")
                                     .c_str()) == 0
                         ? SQLITE_OK
                         : SQLITE_ERROR;
            }};
  }

  std::vector<Method> Methods() {
    std::vector<Method> methods = {
        Sql("nori_backup", Kind::kFunction, "SELECT nori_backup('", "')"),
        Api("backup API, one step", -1),
        Api("backup API, 3 pages a step", 3),
        Sql("VACUUM INTO", Kind::kVacuum, "VACUUM INTO '", "'"),
        Sql("nori_export", Kind::kExport, "SELECT nori_export('", "')"),
        Import(),
        Shell(".backup"),
        Shell(".backup --async"),
        Shell(".save"),
        Restore(),
        Pack(),
        CopyOfTheFile()};
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    methods.push_back(Python());
#endif
    return methods;
  }

  // Rows that say nothing are left out.
  bool Applies(const Method& method, const Row& row) const {
    const Source& source = *row.source;
    const Destination& to = *row.destination;
    const bool to_nori = *to.query != '\0';
    const bool is_python = std::string(method.name) == "Python, with progress";
    // Nobody else can write to, or open, a database in memory.
    if (source.in_memory &&
        (row.has_writer || method.kind == Kind::kShell ||
         method.kind == Kind::kPack || method.kind == Kind::kImport)) {
      return false;
    }
    if (to.far_away && second_.empty()) return false;
    if (*to.tune != '\0' || to.in_memory) return method.kind == Kind::kApi;
    switch (method.kind) {
      case Kind::kApi:
        return true;
      case Kind::kVacuum:
        // Without a VFS in the URI it would be the source's.
        return to_nori || *source.query == '\0';
      case Kind::kFunction:
      case Kind::kExport:
        return !to_nori;
      case Kind::kImport:
        return to_nori && to.make == nullptr;
      case Kind::kShell:
        return (is_python || !row.has_writer) && !to.far_away && !to.earlier;
      case Kind::kPack:
        return !row.has_writer && !to_nori && to.make == nullptr &&
               !to.earlier && source.has_nori;
    }
    return true;
  }

  const char* Expected(const Method& method, const Row& row) const {
    const Source& source = *row.source;
    const Destination& to = *row.destination;
    const std::string name = to.name;
    const bool to_nori = *to.query != '\0';
    const bool is_there = to.make != nullptr || to.earlier;
    switch (method.kind) {
      case Kind::kVacuum:
        if (is_there) return kRefused;
        break;
      case Kind::kExport:
        return is_there ? kRefused : kWhole;
      case Kind::kFunction:
        // What is a database of its own is not replaced; without nori tables
        // there is nothing that .backup does not do.
        return (is_there && !to.earlier) || !source.has_nori ? kRefused
                                                             : kWhole;
      case Kind::kImport:
        return source.has_nori ? kRefused : kWhole;
      case Kind::kPack:
        return method.name == std::string("cp of the file alone") ? kNoNori
                                                                  : kWhole;
      case Kind::kApi:
      case Kind::kShell:
        // As without nori: a log and a VFS without files keep their page size.
        if (name == "vfs=nori, 512-byte pages") return kRefused;
        // --async ends the write-ahead log.
        if (name == "WAL, 512-byte pages" &&
            method.name != std::string(".backup --async")) {
          return kRefused;
        }
        if (name == "EXCLUSIVE" && source.has_nori) return kRefused;
        break;
    }
    return source.has_nori && (to_nori || to.in_memory) ? kNoNori : kWhole;
  }

  // "whole" or what is otherwise.
  std::string Look(TestConnection& copy, const Row& row) {
    const SqlResult sum = copy.Run(kBalances);
    if (sum.code != SQLITE_OK) {
      const bool rest =
          copy.Get("SELECT count(*) FROM near") == "100" &&
          copy.Get("SELECT count(*) FROM sqlite_schema WHERE name = 'far'") ==
              "1";
      return (rest ? kNoNori : "HALF") + std::string(": ") + sum.message;
    }
    if (sum.rows.front() != "20000") return "TORN: " + sum.rows.front();
    const bool has_nori =
        row.source->has_nori && copy.Get(
                                    "SELECT sql LIKE '%VIRTUAL%' FROM "
                                    "sqlite_schema WHERE name = 'far'") == "1";
    const bool sound =
        copy.Get("SELECT count(*) FROM far") == "100" &&
        copy.Get("PRAGMA integrity_check") == "'ok'" &&
        (!has_nori || copy.Get("SELECT nori_verify()") == "'ok'");
    return sound ? kWhole : "DAMAGED";
  }

  void Prepare(const Method& method, const Row& row, const std::string& to) {
    if (row.destination->make != nullptr) {
      TestConnection(UriOf(to, row.destination->query))
          .Get(row.destination->make);
    }
    if (!row.destination->earlier) return;
    const Source other{"", "delete", true, "", false};
    TestConnection from(Path("other.db"));
    if (from.Get("SELECT count(*) FROM sqlite_schema") == "0") {
      Make(from, other);
    }
    const Row to_plain{&other, false, row.destination};
    EXPECT_EQ((method.kind == Kind::kFunction ? method : Api("", -1))
                  .run(&from, Path("other.db"), to_plain, to),
              SQLITE_OK);
  }

  // `from` is closed where another process is to have the source.
  std::string Cell(std::unique_ptr<TestConnection>* from, const Method& method,
                   const Row& row, const std::string& source,
                   const std::string& to) {
    Prepare(method, row, to);
    const bool elsewhere =
        method.kind == Kind::kShell || method.kind == Kind::kPack;
    if (elsewhere) from->reset();
    // Under a writer a copy may be told to try again.
    int code = SQLITE_BUSY;
    for (int i = 0; i < 200 && (code & 0xff) == SQLITE_BUSY; ++i) {
      if (row.destination->in_memory) {
        TestConnection copy(":memory:");
        code = CopyPages(**from, copy, -1);
        if (code == SQLITE_OK) return Look(copy, row);
      } else {
        code = method.run(from->get(), source, row, to);
      }
    }
    if (elsewhere && !row.source->in_memory) {
      *from = std::make_unique<TestConnection>(source);
    }
    TestConnection copy(UriOf(to, row.destination->query));
    if (code == SQLITE_OK) return Look(copy, row);
    // What was there before, or nothing.
    const bool left = copy.Run("SELECT 1 FROM far").code == SQLITE_OK &&
                      copy.Get(kBalances) != "20000";
    const bool lost = row.destination->make != nullptr &&
                      copy.Run("SELECT * FROM old").code != SQLITE_OK;
    return (left   ? "HALF, code "
            : lost ? "LOST THE OLD, code "
                   : "refused, code ") +
           std::to_string(code & 0xff);
  }

  void Run(const std::vector<Source>& sources);

  std::string second_;  // a folder on another file system; empty: none
  int rows_ = 0;
};

constexpr char kOld[] = "CREATE TABLE old(v)";

const std::vector<Destination>& Destinations() {
  static const std::vector<Destination> all = {
      {"new", "", nullptr, ""},
      {"new, other file system", "", nullptr, "", true},
      {"earlier copy", "", nullptr, "", false, true},
      {"ordinary", "", kOld, ""},
      {"512-byte pages", "", "PRAGMA page_size = 512; CREATE TABLE old(v)", ""},
      {"WAL", "", "PRAGMA journal_mode = wal; CREATE TABLE old(v)", ""},
      {"WAL, 512-byte pages", "",
       "PRAGMA page_size = 512; PRAGMA journal_mode = wal; CREATE TABLE old(v)",
       ""},
      {"EXCLUSIVE", "", kOld,
       "PRAGMA locking_mode = exclusive; SELECT * FROM old"},
      {"in memory", "", nullptr, "", false, false, true},
      {"vfs=nori, new", "vfs=nori", nullptr, ""},
      {"vfs=nori", "vfs=nori", kOld, ""},
      {"vfs=nori, 512-byte pages", "vfs=nori",
       "PRAGMA page_size = 512; CREATE TABLE old(v)", ""}};
  return all;
}

void BackupMatrix::Run(const std::vector<Source>& sources) {
  std::printf("%-24s %-7s %-27s %-25s %s\n", "source", "writer", "method",
              "destination", "result");
  int n = 0;
  for (const Source& source : sources) {
    const std::string path =
        source.in_memory
            ? ":memory:"
            : UriOf(Path("source" + std::to_string(&source - &sources[0])),
                    source.query);
    auto from = std::make_unique<TestConnection>(path);
    Make(*from, source);
    for (const bool busy : {false, true}) {
      for (const Method& method : Methods()) {
        for (const Destination& destination : Destinations()) {
          const Row row{&source, busy, &destination};
          if (!Applies(method, row)) continue;
          // Python brings its own.
          std::unique_ptr<Writer> writer;
          if (busy && method.kind != Kind::kShell) {
            writer = std::make_unique<Writer>(path);
          }
          if (from != nullptr) sqlite3_busy_timeout(from->db(), 20000);
          const std::string name = "copy" + std::to_string(++n) + ".db";
          const std::string result =
              Cell(&from, method, row, path,
                   destination.far_away ? second_ + "/" + name : Path(name));
          std::printf("%-24s %-7s %-27s %-25s %s\n", source.name,
                      busy ? "yes" : "no", method.name, destination.name,
                      result.substr(0, 60).c_str());
          EXPECT_THAT(result, StartsWith(Expected(method, row)))
              << source.name << ", " << method.name << ", " << destination.name;
          ++rows_;
        }
      }
    }
  }
}

TEST_F(BackupMatrix, OfNoriTables) {
  Run({{"nori tables, WAL", "wal", true, "", false},
       {"nori tables, DELETE", "delete", true, "", false},
       {"nori tables, memory", "memory", true, "", true}});
  EXPECT_GT(rows_, 100);
}

TEST_F(BackupMatrix, OfOrdinaryTables) {
  Run({{"vfs=nori", "memory", false, "vfs=nori", false},
       {"ordinary, WAL", "wal", false, "", false},
       {"ordinary, DELETE", "delete", false, "", false}});
  EXPECT_GT(rows_, 100);
}

}  // namespace
}  // namespace nori
