#include "tests/sqlite_vfs/memory_pages.h"

#include <sqlite3.h>

#include <atomic>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "gtest/gtest.h"
#include "sqlite_vfs/page_vfs.h"
#include "tests/engine/core/engine_fixture.h"

namespace nori {
namespace {

Options OptionsOver(FileSystem* files, uint64_t seed) {
  Options options = TinyOptions(files);
  options.background = BackgroundMode::kManual;
  options.memtable_bytes = 32 << 10;
  options.transaction_spill_bytes = 32 << 10;
  options.seed = seed;
  return options;
}

std::string NewName() {
  static std::atomic<int> count{0};
  return "nori_memory_" + std::to_string(++count);
}

absl::Mutex log_mutex;
std::string last_logged ABSL_GUARDED_BY(log_mutex);

// Before anything of SQLite's is used.
const bool is_logging = [] {
  return sqlite3_config(
             SQLITE_CONFIG_LOG,
             static_cast<void (*)(void*, int, const char*)>(
                 [](void*, int, const char* message) {
                   absl::MutexLock lock(&log_mutex);
                   if (std::string_view(message).starts_with("nori")) {
                     last_logged = message;
                   }
                 }),
             nullptr) == SQLITE_OK;
}();

void HandOverRoutines() {
  static const bool done = [] {
    auto* const entry = reinterpret_cast<void (*)()>(TakeSqliteRoutines);
    sqlite3_auto_extension(entry);
    sqlite3* db = nullptr;
    EXPECT_EQ(sqlite3_open(":memory:", &db), SQLITE_OK);
    sqlite3_close(db);
    sqlite3_cancel_auto_extension(entry);
    return true;
  }();
  static_cast<void>(done);
}

}  // namespace

std::string LastLogged() {
  EXPECT_TRUE(is_logging);
  absl::MutexLock lock(&log_mutex);
  return last_logged;
}

MemoryPages::MemoryPages(FileSystem* files, uint64_t seed)
    : name_(NewName()), stores_(OptionsOver(files, seed)) {
  HandOverRoutines();
  vfs_ = NewPageVfs(name_.c_str(), &stores_);
  EXPECT_EQ(sqlite3_vfs_register(vfs_, /*makeDflt=*/0), SQLITE_OK);
}

MemoryPages::~MemoryPages() {
  sqlite3_vfs_unregister(vfs_);
  DeletePageVfs(vfs_);
}

std::string MemoryPages::Uri(const std::string& more) const {
  return std::string("file:") + kPath + "?vfs=" + name_ + more;
}

}  // namespace nori
