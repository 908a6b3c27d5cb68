// A process that is killed in the midst of transactions over ordinary and nori
// tables leaves both or neither of each.

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <fstream>
#include <random>
#include <string>

#include "tests/vtab/module_fixture.h"

namespace nori {
namespace {

class KillTest : public ModuleTest,
                 public ::testing::WithParamInterface<const char*> {
 protected:
  // Starts the shell on a script that never gets to its end.
  pid_t StartWriter(const std::string& script) {
    const std::string load = ".load " NORI_EXTENSION_PATH;
    const std::string database = Path("a.db");
    const pid_t child = fork();
    if (child == 0) {
      const int input = open(script.c_str(), O_RDONLY);
      const int output = open("/dev/null", O_WRONLY);
      dup2(input, 0);
      dup2(output, 1);
      dup2(output, 2);
      execlp("sqlite3", "sqlite3", "-batch", "-cmd", load.c_str(),
             database.c_str(), nullptr);
      _exit(127);
    }
    return child;
  }
};

TEST_P(KillTest, BothOrNeither) {
  const uint64_t seed =
      NumberFromEnvironment("NORI_TEST_SEED", std::random_device{}());
  const uint64_t rounds = NumberFromEnvironment("NORI_TEST_KILLS", 8);
  std::printf("NORI_TEST_SEED=%llu\n", static_cast<unsigned long long>(seed));
  std::mt19937_64 random(seed);
  {
    TestConnection a(Path("a.db"));
    a.Get(std::string("PRAGMA journal_mode = ") + GetParam());
    a.Get("CREATE VIRTUAL TABLE t USING nori(id INTEGER PRIMARY KEY, v)");
    a.Get("CREATE VIRTUAL TABLE alone USING nori(id INTEGER PRIMARY KEY)");
    a.Get("CREATE TABLE c(id INTEGER PRIMARY KEY)");
  }
  {
    std::ofstream script(Path("script"));
    script << "PRAGMA busy_timeout=10000;\n";
    for (int i = 0; i < 20000; ++i) {
      script << "BEGIN; INSERT INTO t(v) VALUES('" << i
             << "'); INSERT INTO c DEFAULT VALUES; COMMIT;\n"
             << "INSERT INTO alone DEFAULT VALUES;\n";
      if (i % 7 == 0) {
        script << "BEGIN; DELETE FROM t; DELETE FROM c; ROLLBACK;\n";
      }
      if (i % 200 == 199) script << "SELECT nori_flush();\n";
    }
  }
  int64_t last = 0;
  for (uint64_t round = 0; round < rounds; ++round) {
    const pid_t writer = StartWriter(Path("script"));
    usleep(static_cast<useconds_t>(100000 + random() % 400000));
    kill(writer, SIGKILL);
    int status = 0;
    ASSERT_EQ(waitpid(writer, &status, 0), writer);
    ASSERT_TRUE(WIFSIGNALED(status)) << "the writer ended by itself";
    TestConnection a(Path("a.db"));
    const std::string host = a.Get("SELECT count(*), max(id) FROM c");
    ASSERT_EQ(a.Get("SELECT count(*), max(id) FROM t"), host);
    const int64_t now = std::stoll(host);
    EXPECT_GE(now, last);
    last = now;
    // Every transaction is followed by one of nori alone.
    const int64_t alone = std::stoll(a.Get("SELECT count(*) FROM alone"));
    EXPECT_GE(alone, now - static_cast<int64_t>(round) - 1);
    EXPECT_LE(alone, now);
    EXPECT_EQ(a.Get("SELECT nori_verify()"), "'ok'");
    EXPECT_EQ(a.Get("PRAGMA integrity_check"), "'ok'");
  }
  EXPECT_GT(last, 0);
}

INSTANTIATE_TEST_SUITE_P(JournalModes, KillTest,
                         ::testing::Values("wal", "delete"),
                         [](const auto& mode) {
                           return std::string(mode.param);
                         });

}  // namespace
}  // namespace nori
