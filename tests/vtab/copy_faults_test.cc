// Copies of every kind that fail, or whose process is killed, before their n-th
// change of a file or directory.
//
// The process is this program again. Afterwards the source must be whole, and
// at the destination there must be what was there before, or nothing that
// opens, or all of the copy: the latter where success was reported. Then the
// copy must succeed.
//
// NORI_TEST_FAULT_STRIDE=n takes every n-th point only.

#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>

#include "gtest/gtest.h"
#include "tests/vtab/balances.h"
#include "tests/vtab/child_process.h"
#include "tests/vtab/sync_recorder.h"

namespace nori {
namespace {

namespace fs = std::filesystem;

constexpr char kCopyName[] = "NORI_FAULT_TEST_COPY";
constexpr char kCopyDirectory[] = "NORI_FAULT_TEST_DIRECTORY";
constexpr char kCopyPoint[] = "NORI_FAULT_TEST_POINT";
constexpr char kCopyFault[] = "NORI_FAULT_TEST_FAULT";

enum Fault {
  kKill,
  kError,  // that call fails with EIO
  kFull,   // that call and all later ones that need space fail with ENOSPC
};

std::atomic<uint64_t> changes{0};
std::atomic<uint64_t> fault_at{0};  // 0: nowhere
std::atomic<int> fault{kKill};

int BeforeChange(const char* call) {
  if (fault_at == 0) return 0;
  const uint64_t n = ++changes;
  const bool frees =
      std::strcmp(call, "unlink") == 0 || std::strcmp(call, "rename") == 0;
  if (fault == kFull) return n >= fault_at && !frees ? ENOSPC : 0;
  if (n != fault_at) return 0;
  if (fault == kError) return EIO;
  kill(getpid(), SIGKILL);
  for (;;) pause();
}

// What is at the destination before. A copy has user_version 2.
enum class Before { kNothing, kEarlier, kOrdinary };

struct Copy {
  const char* name;
  Before before;
  const char* destination_query;  // of the URI
  // Runs in `directory`; an SQLite result code. `arm` is called when the
  // connections are open.
  int (*run)(const std::string& directory, void (*arm)());
  // Run in the source instead of looking at a destination, if it is the source
  // that holds the result.
  const char* look = nullptr;
};

int RunSql(const std::string& directory, const char* file, void (*arm)(),
           const std::string& sql) {
  TestConnection a(directory + file);
  a.Get("SELECT count(*) FROM sqlite_schema");
  arm();
  const int code = a.Run(sql).code;
  fault_at = 0;
  return code;
}

int RunApi(const std::string& directory, void (*arm)(), const char* source,
           const char* query) {
  TestConnection loader(":memory:");
  TestConnection a(source[0] == '\0' ? directory + "/a.db"
                                     : "file:" + directory + source);
  TestConnection b(directory + "/copy.db" + query);
  arm();
  const int code = CopyPages(a, b, 3);
  fault_at = 0;
  return code;
}

const Copy kCopies[] = {
    {"BackupNew", Before::kNothing, "",
     [](const std::string& d, void (*arm)()) {
       return RunSql(d, "/a.db", arm,
                     "SELECT nori_backup('" + d + "/copy.db')");
     }},
    {"BackupEarlier", Before::kEarlier, "",
     [](const std::string& d, void (*arm)()) {
       return RunSql(d, "/a.db", arm,
                     "SELECT nori_backup('" + d + "/copy.db')");
     }},
    {"ApiNew", Before::kNothing, "",
     [](const std::string& d, void (*arm)()) {
       return RunApi(d, arm, "", "");
     }},
    {"ApiEarlier", Before::kEarlier, "",
     [](const std::string& d, void (*arm)()) {
       return RunApi(d, arm, "", "");
     }},
    {"ApiToLog", Before::kOrdinary, "",
     [](const std::string& d, void (*arm)()) {
       return RunApi(d, arm, "", "");
     }},
    {"VacuumInto", Before::kNothing, "",
     [](const std::string& d, void (*arm)()) {
       return RunSql(d, "/a.db", arm,
                     "VACUUM INTO 'file:" + d + "/copy.db?vfs=nori_copy'");
     }},
    {"Export", Before::kNothing, "",
     [](const std::string& d, void (*arm)()) {
       return RunSql(d, "/a.db", arm,
                     "SELECT nori_export('" + d + "/copy.db')");
     }},
    {"Import", Before::kNothing, "?vfs=nori",
     [](const std::string& d, void (*arm)()) {
       TestConnection loader(":memory:");
       TestConnection b("file:" + d + "/copy.db?vfs=nori");
       arm();
       const int code = b.Run("SELECT nori_import('" + d + "/plain.db')").code;
       fault_at = 0;
       return code;
     }},
    {"ApiFromPages", Before::kNothing, "",
     [](const std::string& d, void (*arm)()) {
       return RunApi(d, arm, "/pages.db?vfs=nori", "");
     }},
    {"Pack", Before::kNothing, "",
     [](const std::string& d, void (*arm)()) {
       return RunSql(d, "/a.db", arm, "SELECT nori_pack('far')");
     },
     "far_pack"},
    {"Unpack", Before::kNothing, "",
     [](const std::string& d, void (*arm)()) {
       return RunSql(d, "/a.db", arm,
                     "SELECT nori_unpack('kept', 'far', 'again')");
     },
     "again"}};

const Copy* FindCopy(const std::string& name) {
  for (const Copy& copy : kCopies) {
    if (name == copy.name) return &copy;
  }
  return nullptr;
}

[[noreturn]] void RunCopy(const char* name) {
  SkipSyncs();
  SetBeforeChange(BeforeChange);
  fault = static_cast<int>(NumberFromEnvironment(kCopyFault, kKill));
  const int code = FindCopy(name)->run(std::getenv(kCopyDirectory), [] {
    fault_at = NumberFromEnvironment(kCopyPoint, 1);
  });
  std::printf("%d %llu\n", code, static_cast<unsigned long long>(changes));
  std::fflush(stdout);
  _exit(0);
}

// Takes the place of the tests in the processes that the test starts.
const bool fault_test_role = [] {
  if (const char* name = std::getenv(kCopyName)) RunCopy(name);
  return false;
}();

class CopyFaults : public BalancesTest,
                   public ::testing::WithParamInterface<const char*> {
 protected:
  CopyFaults() {
    SkipSyncs();
    TestConnection load(":memory:");
  }

  const Copy& copy() const { return *FindCopy(GetParam()); }
  std::string CopyUri() const {
    const std::string path = Path("work/copy.db");
    return *copy().destination_query == '\0'
               ? path
               : "file:" + path + copy().destination_query;
  }

  void MakePristine() {
    fs::create_directory(Path("pristine"));
    TestConnection a(Path("pristine/a.db"));
    MakeDatabase(a, "wal");
    a.Get(
        "PRAGMA user_version = 1; SELECT nori_pack('far', 'kept'), "
        "nori_flush()");
    const std::string place = Path("pristine/copy.db");
    if (copy().before == Before::kEarlier) {
      a.Get("SELECT nori_backup('" + place + "')");
    } else if (copy().before == Before::kOrdinary) {
      TestConnection(place).Get(
          "PRAGMA journal_mode = wal; PRAGMA user_version = 1; CREATE TABLE "
          "old(v)");
    }
    a.Get(
        "PRAGMA user_version = 2; BEGIN; UPDATE far SET balance = balance - 1; "
        "UPDATE near SET balance = balance + 1; COMMIT");
    const std::string name = copy().name;
    if (name == "Import" || name == "ApiFromPages") {
      a.Get("SELECT nori_export('" + Path("pristine/plain.db") + "')");
    }
    if (name == "ApiFromPages") {
      TestConnection pages("file:" + Path("pristine/pages.db") + "?vfs=nori");
      pages.Get("SELECT nori_import('" + Path("pristine/plain.db") + "')");
    }
  }

  // False if the copy was complete before that point.
  bool Try(Fault kind, uint64_t point) {
    fs::remove_all(Path("work"));
    fs::copy(Path("pristine"), Path("work"), fs::copy_options::recursive);
    const Child child =
        StartChild({std::string(kCopyName) + "=" + copy().name,
                    std::string(kCopyDirectory) + "=" + Path("work"),
                    std::string(kCopyPoint) + "=" + std::to_string(point),
                    std::string(kCopyFault) + "=" + std::to_string(kind)});
    const std::string printed = ReadAll(child.output);
    int status = 0;
    EXPECT_EQ(waitpid(child.pid, &status, 0), child.pid);
    EXPECT_TRUE(WIFSIGNALED(status) ? kind == kKill : WEXITSTATUS(status) == 0)
        << printed;
    int code = SQLITE_ABORT;
    unsigned long long done = point;
    if (!WIFSIGNALED(status)) {
      EXPECT_EQ(std::sscanf(printed.c_str(), "%d %llu", &code, &done), 2)
          << printed;
    }
    ExpectWhole("work/a.db");
    const bool is_whole = Look(code == SQLITE_OK);
    // Nothing is in the way of the next try, except, for some, the copy.
    const std::string name = copy().name;
    const bool replaces =
        name.rfind("Api", 0) == 0 || name.rfind("Backup", 0) == 0;
    const bool repeats = replaces ? code != SQLITE_OK : !is_whole;
    if (repeats && copy().look == nullptr) {
      int again = copy().run(Path("work"), [] {});
      // A copy to a log may have to put in order first what it finds.
      if ((again & 0xff) == SQLITE_BUSY) {
        again = copy().run(Path("work"), [] {});
      }
      EXPECT_EQ(again, SQLITE_OK);
      Look(/*reported=*/true);
    }
    return done >= point;
  }

  // Whether all of the copy is there.
  bool Look(bool reported) {
    if (copy().look != nullptr) return LookInSource(reported);
    const std::string path = Path("work/copy.db");
    if (!fs::exists(path) || fs::file_size(path) == 0) {
      EXPECT_FALSE(reported);
      EXPECT_EQ(copy().before, Before::kNothing);
      return false;
    }
    TestConnection there(CopyUri());
    if (there.Get("SELECT count(*) FROM sqlite_schema") == "0") {
      EXPECT_FALSE(reported);
      EXPECT_EQ(copy().before, Before::kNothing);
      return false;
    }
    const std::string version = there.Get("PRAGMA user_version");
    EXPECT_EQ(there.Get("PRAGMA integrity_check"), "'ok'");
    if (version == "1") {
      EXPECT_FALSE(reported);
      EXPECT_NE(copy().before, Before::kNothing);
      if (copy().before == Before::kOrdinary) {
        EXPECT_EQ(there.Get("SELECT count(*) FROM old"), "0");
        return false;
      }
    } else {
      EXPECT_EQ(version, "2");
    }
    EXPECT_EQ(there.Get(kBalances), "20000");
    EXPECT_EQ(there.Get("SELECT sum(balance) FROM far"),
              version == "1" ? "10000" : "9900");
    EXPECT_EQ(there.Get("SELECT count(*) FROM far"), "100");
    if (there.Get("SELECT count(*) FROM sqlite_schema WHERE name = "
                  "'nori_state'") == "1") {
      EXPECT_EQ(there.Get("SELECT nori_verify()"), "'ok'");
    }
    return version == "2";
  }

  bool LookInSource(bool reported) {
    TestConnection a(Path("work/a.db"));
    const bool is_there =
        a.Get("SELECT count(*) FROM sqlite_schema WHERE name = '" +
              std::string(copy().look) + "'") == "1";
    if (!is_there) {
      EXPECT_FALSE(reported);
      return false;
    }
    if (copy().look == std::string("far_pack")) {
      a.Get("SELECT nori_unpack('far_pack', 'far', 'again')");
    }
    EXPECT_EQ(a.Get("SELECT count(*) FROM again; SELECT nori_verify()"),
              "100\n'ok'");
    return true;
  }
};

TEST_P(CopyFaults, LeaveAllOrNothing) {
  const uint64_t stride = NumberFromEnvironment("NORI_TEST_FAULT_STRIDE", 7);
  MakePristine();
  for (const Fault kind : {kKill, kError, kFull}) {
    uint64_t point = 1 + kind % stride;
    uint64_t tried = 0;
    for (;; point += stride, ++tried) {
      SCOPED_TRACE("fault " + std::to_string(kind) + " at point " +
                   std::to_string(point));
      if (!Try(kind, point)) break;
      if (HasFailure()) return;
    }
    std::printf("%s, %s: about %llu points, %llu tried\n", copy().name,
                kind == kKill    ? "kill"
                : kind == kError ? "EIO"
                                 : "ENOSPC",
                static_cast<unsigned long long>(point - 1),
                static_cast<unsigned long long>(tried));
    EXPECT_GT(tried, 0u);
  }
}

INSTANTIATE_TEST_SUITE_P(Copies, CopyFaults,
                         ::testing::Values("BackupNew", "BackupEarlier",
                                           "ApiNew", "ApiEarlier", "ApiToLog",
                                           "VacuumInto", "Export", "Import",
                                           "ApiFromPages", "Pack", "Unpack"),
                         [](const auto& param_info) {
                           return std::string(param_info.param);
                         });

}  // namespace
}  // namespace nori
