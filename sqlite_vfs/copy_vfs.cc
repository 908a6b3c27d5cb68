#include "sqlite_vfs/copy_vfs.h"

#include <algorithm>
#include <cstring>
#include <new>

SQLITE_EXTENSION_INIT3

namespace nori {
namespace {

constexpr char kName[] = "nori_copy";
// The lock slots of a write-ahead log's index.
constexpr int kWalWriteLock = 0;
constexpr int kWalCheckpointLock = 1;
constexpr int kWalFirstReadLock = 3;

WatchCopy watch_copy = nullptr;
sqlite3_vfs* lower_vfs = nullptr;

// A main database file; the file below follows it in memory.
struct CopyFile : sqlite3_file {
  sqlite3_file* lower() {
    return reinterpret_cast<sqlite3_file*>(reinterpret_cast<char*>(this) +
                                           kOwnBytes);
  }
  static const int kOwnBytes;

  const char* path;  // SQLite keeps it as long as the file is open
  sqlite3** db;      // where SQLite keeps the file's connection, or null
  int lock;
  int wal_readers;  // lock slots of the log's index that are held
  bool checkpoints;
  PendingCopy* pending;
};
const int CopyFile::kOwnBytes = (static_cast<int>(sizeof(CopyFile)) + 15) & ~15;

CopyFile* Own(sqlite3_file* file) { return static_cast<CopyFile*>(file); }
sqlite3_file* Lower(sqlite3_file* file) { return Own(file)->lower(); }

void Discard(CopyFile* file) {
  delete file->pending;
  file->pending = nullptr;
}

// Whether the backup API or VACUUM INTO is writing the file: for a statement's
// own writes, the statement is running.
bool IsCopied(const CopyFile& file) {
  if (file.db == nullptr || *file.db == nullptr || file.path == nullptr) {
    return false;
  }
  sqlite3* const db = *file.db;
  const char* const vacuum = sqlite3_db_filename(db, "vacuum_db");
  if (vacuum != nullptr && std::strcmp(vacuum, file.path) == 0) return true;
  if (sqlite3_get_autocommit(db) == 0) return false;
  for (sqlite3_stmt* statement = sqlite3_next_stmt(db, nullptr);
       statement != nullptr; statement = sqlite3_next_stmt(db, statement)) {
    if (sqlite3_stmt_busy(statement) == 0) continue;
    const bool only_reads = sqlite3_stmt_readonly(statement) != 0 &&
                            sqlite3_column_count(statement) > 0;
    if (!only_reads) return false;
  }
  return true;
}

int Close(sqlite3_file* file) {
  Discard(Own(file));
  return Lower(file)->pMethods->xClose(Lower(file));
}
int Read(sqlite3_file* file, void* to, int bytes, sqlite3_int64 at) {
  return Lower(file)->pMethods->xRead(Lower(file), to, bytes, at);
}
int Write(sqlite3_file* file, const void* from, int bytes, sqlite3_int64 at) {
  return Lower(file)->pMethods->xWrite(Lower(file), from, bytes, at);
}
int Truncate(sqlite3_file* file, sqlite3_int64 size) {
  return Lower(file)->pMethods->xTruncate(Lower(file), size);
}
int Sync(sqlite3_file* file, int flags) {
  return Lower(file)->pMethods->xSync(Lower(file), flags);
}
int FileSize(sqlite3_file* file, sqlite3_int64* size) {
  return Lower(file)->pMethods->xFileSize(Lower(file), size);
}

int Lock(sqlite3_file* base, int lock) {
  CopyFile* const file = Own(base);
  const int rc = file->lower()->pMethods->xLock(file->lower(), lock);
  if (rc != SQLITE_OK) return rc;
  if (lock >= SQLITE_LOCK_RESERVED && file->lock < SQLITE_LOCK_RESERVED &&
      file->pending == nullptr && IsCopied(*file)) {
    file->pending = watch_copy(file->path).release();
  }
  file->lock = std::max(file->lock, lock);
  return rc;
}

int Unlock(sqlite3_file* base, int lock) {
  CopyFile* const file = Own(base);
  if (lock < SQLITE_LOCK_RESERVED) Discard(file);
  file->lock = std::min(file->lock, lock);
  return file->lower()->pMethods->xUnlock(file->lower(), lock);
}

int CheckReservedLock(sqlite3_file* file, int* result) {
  return Lower(file)->pMethods->xCheckReservedLock(Lower(file), result);
}

int FileControl(sqlite3_file* base, int operation, void* argument) {
  CopyFile* const file = Own(base);
  if (operation == SQLITE_FCNTL_PDB)
    file->db = static_cast<sqlite3**>(argument);
  if (operation == SQLITE_FCNTL_SYNC && file->pending != nullptr) {
    // Also when SQLite has undone the copy, or tries to commit it once more.
    const int rc = file->pending->Complete(file->lower());
    if (rc != SQLITE_OK) return rc;
  }
  int rc =
      file->lower()->pMethods->xFileControl(file->lower(), operation, argument);
  if (operation == SQLITE_FCNTL_VFSNAME && rc == SQLITE_OK) {
    auto** const name = static_cast<char**>(argument);
    *name = sqlite3_mprintf("%s/%z", kName, *name);
  }
  if (operation == SQLITE_FCNTL_COMMIT_PHASETWO && file->pending != nullptr) {
    const int committed = file->pending->Commit();
    Discard(file);
    if (committed != SQLITE_OK) rc = committed;
  }
  return rc;
}

int SectorSize(sqlite3_file* file) {
  return Lower(file)->pMethods->xSectorSize(Lower(file));
}
int DeviceCharacteristics(sqlite3_file* file) {
  return Lower(file)->pMethods->xDeviceCharacteristics(Lower(file));
}
int ShmMap(sqlite3_file* file, int page, int bytes, int extend,
           void volatile** memory) {
  return Lower(file)->pMethods->xShmMap(Lower(file), page, bytes, extend,
                                        memory);
}

// A copy into a file with a write-ahead log tells of its end when it is too
// late to fail: it is refused at its beginning, if there is anything to add to
// it. It reads before it writes; a recovery of the log does not.
bool IsCopiedThroughLog(const CopyFile& file) {
  if (file.wal_readers == 0 || file.checkpoints || !IsCopied(file)) {
    return false;
  }
  const std::unique_ptr<PendingCopy> copy = watch_copy(file.path);
  return copy != nullptr && copy->IsNeeded();
}

int ShmLock(sqlite3_file* base, int first, int n, int flags) {
  CopyFile* const file = Own(base);
  const bool locks = (flags & SQLITE_SHM_LOCK) != 0;
  if (locks && first == kWalWriteLock && IsCopiedThroughLog(*file)) {
    sqlite3_log(SQLITE_READONLY,
                "nori: a database with nori tables cannot be copied into %s, "
                "which is in WAL mode: set PRAGMA journal_mode = DELETE there "
                "first, or use nori_backup",
                file->path);
    return SQLITE_READONLY;
  }
  const int rc =
      file->lower()->pMethods->xShmLock(file->lower(), first, n, flags);
  if (rc != SQLITE_OK) return rc;
  if (first == kWalCheckpointLock) file->checkpoints = locks;
  if (first >= kWalFirstReadLock && (flags & SQLITE_SHM_SHARED) != 0) {
    file->wal_readers += locks ? 1 : -1;
  }
  return rc;
}

void ShmBarrier(sqlite3_file* file) {
  Lower(file)->pMethods->xShmBarrier(Lower(file));
}
int ShmUnmap(sqlite3_file* file, int remove) {
  Own(file)->wal_readers = 0;
  return Lower(file)->pMethods->xShmUnmap(Lower(file), remove);
}
int Fetch(sqlite3_file* file, sqlite3_int64 at, int bytes, void** page) {
  return Lower(file)->pMethods->xFetch(Lower(file), at, bytes, page);
}
int Unfetch(sqlite3_file* file, sqlite3_int64 at, void* page) {
  return Lower(file)->pMethods->xUnfetch(Lower(file), at, page);
}

constexpr sqlite3_io_methods MakeMethods(int version, bool has_shm) {
  sqlite3_io_methods m = {};
  m.iVersion = version;
  m.xClose = Close;
  m.xRead = Read;
  m.xWrite = Write;
  m.xTruncate = Truncate;
  m.xSync = Sync;
  m.xFileSize = FileSize;
  m.xLock = Lock;
  m.xUnlock = Unlock;
  m.xCheckReservedLock = CheckReservedLock;
  m.xFileControl = FileControl;
  m.xSectorSize = SectorSize;
  m.xDeviceCharacteristics = DeviceCharacteristics;
  if (has_shm) {
    m.xShmMap = ShmMap;
    m.xShmLock = ShmLock;
    m.xShmBarrier = ShmBarrier;
    m.xShmUnmap = ShmUnmap;
  }
  if (version >= 3) {
    m.xFetch = Fetch;
    m.xUnfetch = Unfetch;
  }
  return m;
}

// What the file below can do and no more: SQLite goes by it.
const sqlite3_io_methods* MethodsLike(const sqlite3_io_methods& lower) {
  static const sqlite3_io_methods methods[3][2] = {
      {MakeMethods(1, false), MakeMethods(1, false)},
      {MakeMethods(2, false), MakeMethods(2, true)},
      {MakeMethods(3, false), MakeMethods(3, true)}};
  const int version = std::clamp(lower.iVersion, 1, 3);
  const bool has_shm = version >= 2 && lower.xShmMap != nullptr;
  return &methods[version - 1][has_shm ? 1 : 0];
}

int Open(sqlite3_vfs*, const char* name, sqlite3_file* base, int flags,
         int* out_flags) {
  if ((flags & SQLITE_OPEN_MAIN_DB) == 0 || name == nullptr) {
    return lower_vfs->xOpen(lower_vfs, name, base, flags, out_flags);
  }
  base->pMethods = nullptr;
  auto* const file = new (base) CopyFile{};
  file->path = name;
  const int rc =
      lower_vfs->xOpen(lower_vfs, name, file->lower(), flags, out_flags);
  if (file->lower()->pMethods != nullptr) {
    file->pMethods = MethodsLike(*file->lower()->pMethods);
  }
  return rc;
}

// The VFS's own functions are those of the VFS below, called with it.
int Delete(sqlite3_vfs*, const char* path, int sync) {
  return lower_vfs->xDelete(lower_vfs, path, sync);
}
int Access(sqlite3_vfs*, const char* path, int flags, int* result) {
  return lower_vfs->xAccess(lower_vfs, path, flags, result);
}
int FullPathname(sqlite3_vfs*, const char* path, int bytes, char* full) {
  return lower_vfs->xFullPathname(lower_vfs, path, bytes, full);
}
void* DlOpen(sqlite3_vfs*, const char* path) {
  return lower_vfs->xDlOpen(lower_vfs, path);
}
void DlError(sqlite3_vfs*, int bytes, char* message) {
  lower_vfs->xDlError(lower_vfs, bytes, message);
}
using Symbol = void (*)();
Symbol DlSym(sqlite3_vfs*, void* library, const char* name) {
  return lower_vfs->xDlSym(lower_vfs, library, name);
}
void DlClose(sqlite3_vfs*, void* library) {
  lower_vfs->xDlClose(lower_vfs, library);
}
int Randomness(sqlite3_vfs*, int bytes, char* to) {
  return lower_vfs->xRandomness(lower_vfs, bytes, to);
}
int Sleep(sqlite3_vfs*, int micros) {
  return lower_vfs->xSleep(lower_vfs, micros);
}
int CurrentTime(sqlite3_vfs*, double* days) {
  return lower_vfs->xCurrentTime(lower_vfs, days);
}
int GetLastError(sqlite3_vfs*, int bytes, char* message) {
  return lower_vfs->xGetLastError(lower_vfs, bytes, message);
}
int CurrentTimeInt64(sqlite3_vfs*, sqlite3_int64* millis) {
  return lower_vfs->xCurrentTimeInt64(lower_vfs, millis);
}
int SetSystemCall(sqlite3_vfs*, const char* name, sqlite3_syscall_ptr call) {
  return lower_vfs->xSetSystemCall(lower_vfs, name, call);
}
sqlite3_syscall_ptr GetSystemCall(sqlite3_vfs*, const char* name) {
  return lower_vfs->xGetSystemCall(lower_vfs, name);
}
const char* NextSystemCall(sqlite3_vfs*, const char* name) {
  return lower_vfs->xNextSystemCall(lower_vfs, name);
}

sqlite3_vfs MakeVfs(const sqlite3_vfs& lower) {
  sqlite3_vfs vfs = {};
  vfs.iVersion = std::min(lower.iVersion, 3);
  vfs.szOsFile = CopyFile::kOwnBytes + lower.szOsFile;
  vfs.mxPathname = lower.mxPathname;
  vfs.zName = kName;
  vfs.xOpen = Open;
  vfs.xDelete = Delete;
  vfs.xAccess = Access;
  vfs.xFullPathname = FullPathname;
  vfs.xDlOpen = lower.xDlOpen == nullptr ? nullptr : DlOpen;
  vfs.xDlError = lower.xDlError == nullptr ? nullptr : DlError;
  vfs.xDlSym = lower.xDlSym == nullptr ? nullptr : DlSym;
  vfs.xDlClose = lower.xDlClose == nullptr ? nullptr : DlClose;
  vfs.xRandomness = Randomness;
  vfs.xSleep = Sleep;
  vfs.xCurrentTime = lower.xCurrentTime == nullptr ? nullptr : CurrentTime;
  vfs.xGetLastError = lower.xGetLastError == nullptr ? nullptr : GetLastError;
  if (vfs.iVersion >= 2 && lower.xCurrentTimeInt64 != nullptr) {
    vfs.xCurrentTimeInt64 = CurrentTimeInt64;
  }
  if (vfs.iVersion >= 3 && lower.xSetSystemCall != nullptr) {
    vfs.xSetSystemCall = SetSystemCall;
    vfs.xGetSystemCall = GetSystemCall;
    vfs.xNextSystemCall = NextSystemCall;
  }
  return vfs;
}

}  // namespace

int RegisterCopyVfs(WatchCopy watch, bool as_default) {
  static sqlite3_vfs vfs;
  if (lower_vfs != nullptr) return SQLITE_OK;
  sqlite3_vfs* const lower = sqlite3_vfs_find(nullptr);
  if (lower == nullptr) return SQLITE_ERROR;
  watch_copy = watch;
  vfs = MakeVfs(*lower);
  lower_vfs = lower;
  return sqlite3_vfs_register(&vfs, as_default ? 1 : 0);
}

sqlite3_vfs* BelowCopyVfs(sqlite3_vfs* vfs) {
  const bool own = vfs != nullptr && vfs->xOpen == Open;
  return own ? lower_vfs : vfs;
}

}  // namespace nori
