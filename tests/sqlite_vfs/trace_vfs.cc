#include "tests/sqlite_vfs/trace_vfs.h"

#include <algorithm>
#include <map>
#include <string_view>
#include <utility>

namespace nori {
namespace {

// The file below comes behind it in the same memory.
struct TracedFile : sqlite3_file {
  TraceVfs* trace;
  const char* kind;  // empty: a database
};

constexpr int kOwnBytes = (sizeof(TracedFile) + 15) / 16 * 16;

TracedFile* Traced(sqlite3_file* base) {
  return static_cast<TracedFile*>(base);
}
sqlite3_file* Below(sqlite3_file* base) {
  return reinterpret_cast<sqlite3_file*>(reinterpret_cast<char*>(base) +
                                         kOwnBytes);
}
TraceVfs* TraceOf(sqlite3_vfs* vfs) {
  return static_cast<TraceVfs*>(vfs->pAppData);
}

// Notes a call on a file and, unless it is refused, makes it.
template <typename Call>
int Noted(sqlite3_file* base, const std::string& name, Call&& call) {
  const std::string kind = Traced(base)->kind;
  const int rc =
      Traced(base)->trace->Note(kind.empty() ? name : kind + "-" + name);
  return rc != SQLITE_OK ? rc : std::forward<Call>(call)(Below(base));
}

int Close(sqlite3_file* base) {
  return Noted(base, "close", [](sqlite3_file* file) {
    return file->pMethods == nullptr ? SQLITE_OK : file->pMethods->xClose(file);
  });
}
int Read(sqlite3_file* base, void* to, int bytes, sqlite3_int64 at) {
  const char* name = "read";
  if (at == 0 && bytes == 100) name = "header";
  if (at == 24 && bytes == 16) name = "counter";
  return Noted(base, name, [&](sqlite3_file* file) {
    return file->pMethods->xRead(file, to, bytes, at);
  });
}
int Write(sqlite3_file* base, const void* from, int bytes, sqlite3_int64 at) {
  return Noted(base, "write", [&](sqlite3_file* file) {
    return file->pMethods->xWrite(file, from, bytes, at);
  });
}
int Truncate(sqlite3_file* base, sqlite3_int64 size) {
  return Noted(base, "truncate", [&](sqlite3_file* file) {
    return file->pMethods->xTruncate(file, size);
  });
}
int Sync(sqlite3_file* base, int flags) {
  return Noted(base, "sync", [&](sqlite3_file* file) {
    return file->pMethods->xSync(file, flags);
  });
}
int FileSize(sqlite3_file* base, sqlite3_int64* size) {
  return Noted(base, "size", [&](sqlite3_file* file) {
    return file->pMethods->xFileSize(file, size);
  });
}

const char* NameOfLock(int level) {
  static constexpr const char* kNames[] = {"NONE", "SHARED", "RESERVED",
                                           "PENDING", "EXCLUSIVE"};
  return kNames[level];
}

int Lock(sqlite3_file* base, int level) {
  return Noted(base, NameOfLock(level), [&](sqlite3_file* file) {
    return file->pMethods->xLock(file, level);
  });
}
int Unlock(sqlite3_file* base, int level) {
  return Noted(
      base, std::string("unlock-") + NameOfLock(level),
      [&](sqlite3_file* file) { return file->pMethods->xUnlock(file, level); });
}
int CheckReservedLock(sqlite3_file* base, int* held) {
  return Noted(base, "check-reserved", [&](sqlite3_file* file) {
    return file->pMethods->xCheckReservedLock(file, held);
  });
}

std::string NameOfControl(int operation, const void* argument) {
  static const std::map<int, const char*> names = {
      {SQLITE_FCNTL_COMMIT_PHASETWO, "PHASETWO"},
      {SQLITE_FCNTL_SIZE_HINT, "SIZE_HINT"},
      {SQLITE_FCNTL_CHUNK_SIZE, "CHUNK_SIZE"},
      {SQLITE_FCNTL_OVERWRITE, "OVERWRITE"},
      {SQLITE_FCNTL_PRAGMA, "PRAGMA"},
      {SQLITE_FCNTL_BUSYHANDLER, "BUSYHANDLER"},
      {SQLITE_FCNTL_HAS_MOVED, "HAS_MOVED"},
      {SQLITE_FCNTL_PDB, "PDB"},
  };
  if (operation == SQLITE_FCNTL_SYNC) {
    return argument == nullptr ? "SYNC" : "SYNC-super";
  }
  const auto found = names.find(operation);
  return found != names.end() ? found->second
                              : "control-" + std::to_string(operation);
}

int FileControl(sqlite3_file* base, int operation, void* argument) {
  return Noted(base, NameOfControl(operation, argument),
               [&](sqlite3_file* file) {
                 if (operation == SQLITE_FCNTL_PRAGMA &&
                     Traced(base)->trace->hide_pragmas()) {
                   return SQLITE_NOTFOUND;
                 }
                 return file->pMethods->xFileControl(file, operation, argument);
               });
}
int SectorSize(sqlite3_file* base) {
  return Below(base)->pMethods->xSectorSize(Below(base));
}
int DeviceCharacteristics(sqlite3_file* base) {
  return Below(base)->pMethods->xDeviceCharacteristics(Below(base));
}

const sqlite3_io_methods kMethods = {1,
                                     Close,
                                     Read,
                                     Write,
                                     Truncate,
                                     Sync,
                                     FileSize,
                                     Lock,
                                     Unlock,
                                     CheckReservedLock,
                                     FileControl,
                                     SectorSize,
                                     DeviceCharacteristics,
                                     nullptr,
                                     nullptr,
                                     nullptr,
                                     nullptr,
                                     nullptr,
                                     nullptr};

const char* KindOf(int flags) {
  if ((flags & SQLITE_OPEN_MAIN_DB) != 0) return "";
  if ((flags & SQLITE_OPEN_MAIN_JOURNAL) != 0) return "journal";
  if ((flags & SQLITE_OPEN_SUPER_JOURNAL) != 0) return "super";
  if ((flags & SQLITE_OPEN_WAL) != 0) return "wal";
  return "temp";
}

int Open(sqlite3_vfs* vfs, const char* name, sqlite3_file* base, int flags,
         int* out_flags) {
  TraceVfs* const trace = TraceOf(vfs);
  const char* const kind = KindOf(flags);
  base->pMethods = nullptr;
  int rc = trace->Note(std::string("open-") + (*kind == '\0' ? "main" : kind));
  if (rc != SQLITE_OK) return rc;
  Below(base)->pMethods = nullptr;
  rc = trace->below()->xOpen(trace->below(), name, Below(base), flags,
                             out_flags);
  if (rc != SQLITE_OK) return rc;
  Traced(base)->trace = trace;
  Traced(base)->kind = kind;
  base->pMethods = &kMethods;
  return SQLITE_OK;
}

std::string KindOfName(std::string_view name) {
  if (name.ends_with("-journal")) return "journal";
  if (name.ends_with("-wal")) return "wal";
  return name.find("-mj") != std::string_view::npos ? "super" : "main";
}

int Delete(sqlite3_vfs* vfs, const char* name, int sync) {
  const int rc = TraceOf(vfs)->Note("delete-" + KindOfName(name));
  if (rc != SQLITE_OK) return rc;
  sqlite3_vfs* const below = TraceOf(vfs)->below();
  return below->xDelete(below, name, sync);
}
int Access(sqlite3_vfs* vfs, const char* name, int flags, int* result) {
  const int rc = TraceOf(vfs)->Note("access-" + KindOfName(name));
  if (rc != SQLITE_OK) return rc;
  sqlite3_vfs* const below = TraceOf(vfs)->below();
  return below->xAccess(below, name, flags, result);
}
int FullPathname(sqlite3_vfs* vfs, const char* name, int bytes, char* full) {
  sqlite3_vfs* const below = TraceOf(vfs)->below();
  return below->xFullPathname(below, name, bytes, full);
}

}  // namespace

TraceVfs::TraceVfs(const char* below) : below_(sqlite3_vfs_find(below)) {
  vfs_ = *below_;
  vfs_.szOsFile += kOwnBytes;
  vfs_.pNext = nullptr;
  vfs_.zName = "trace";
  vfs_.pAppData = this;
  vfs_.xOpen = Open;
  vfs_.xDelete = Delete;
  vfs_.xAccess = Access;
  vfs_.xFullPathname = FullPathname;
  sqlite3_vfs_register(&vfs_, /*makeDflt=*/0);
}

TraceVfs::~TraceVfs() { sqlite3_vfs_unregister(&vfs_); }

std::string TraceVfs::Take() {
  std::string text;
  for (const std::string& call : std::exchange(calls_, {})) {
    if (!text.empty()) text += ' ';
    text += call;
  }
  return text;
}

int TraceVfs::Note(const std::string& call) {
  const bool is_temporary = call.starts_with("temp-");
  const bool is_repeated =
      is_temporary
          ? std::find(calls_.begin(), calls_.end(), call) != calls_.end()
          : !calls_.empty() && calls_.back() == call;
  if (!is_repeated && call != "read") {
    calls_.push_back(call);
    // Two that alternate.
    const size_t n = calls_.size();
    if (n >= 4 && calls_[n - 1] == calls_[n - 3] &&
        calls_[n - 2] == calls_[n - 4]) {
      calls_.resize(n - 2);
    }
  }
  return before_ == nullptr ? SQLITE_OK : before_(call);
}

}  // namespace nori
