#include "sqlite_vfs/copy_vfs.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <string_view>

#include "sqlite_vfs/copy_log.h"

SQLITE_EXTENSION_INIT3

namespace nori {
namespace {

constexpr char kName[] = "nori_copy";
// The lock slots of a write-ahead log's index.
constexpr int kWalWriteLock = 0;
constexpr int kWalCheckpointLock = 1;
constexpr int kWalFirstReadLock = 3;
// What the file of a database of vfs=nori begins with.
constexpr std::string_view kMarker = "nori database";

WatchCopy watch_copy = nullptr;
sqlite3_vfs* lower_vfs = nullptr;

// A main database file or a write-ahead log; the file below follows it in
// memory.
struct CopyFile : sqlite3_file {
  sqlite3_file* lower() {
    return reinterpret_cast<sqlite3_file*>(reinterpret_cast<char*>(this) +
                                           kOwnBytes);
  }
  static const int kOwnBytes;

  const char* path;    // SQLite keeps it as long as the file is open
  sqlite3** db;        // where SQLite keeps the file's connection, or null
  CopyFile* database;  // of a log
  CopyFile* log;       // of a database, while it is open
  int lock;
  int wal_readers;   // lock slots of the log's index that are held
  bool checkpoints;  // it has the log's locks for these
  bool writes;
  bool looked;    // whether this transaction is a copy is known
  bool restores;  // it has its lock to play back a hot journal
  // What PRAGMA locking_mode said last; -1: nothing.
  int exclusive;
  PendingCopy* pending;
  CopyLog* frames;  // of the pending copy, if it is written to the log
  bool logged;      // it is complete in the log
};
const int CopyFile::kOwnBytes = (static_cast<int>(sizeof(CopyFile)) + 15) & ~15;

CopyFile* Own(sqlite3_file* file) { return static_cast<CopyFile*>(file); }
sqlite3_file* Lower(sqlite3_file* file) { return Own(file)->lower(); }

void Discard(CopyFile* file) {
  delete file->pending;
  file->pending = nullptr;
  delete file->frames;
  file->frames = nullptr;
  file->logged = false;
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

// Looks once in a transaction whether it is a copy.
void Look(CopyFile* file) {
  if (file->looked) return;
  file->looked = true;
  if (file->pending == nullptr && IsCopied(*file)) {
    file->pending = watch_copy(file->path).release();
  }
}

int Close(sqlite3_file* base) {
  CopyFile* const file = Own(base);
  Discard(file);
  if (file->database != nullptr) file->database->log = nullptr;
  return file->lower()->pMethods->xClose(file->lower());
}

int Read(sqlite3_file* file, void* to, int bytes, sqlite3_int64 at) {
  const int rc = Lower(file)->pMethods->xRead(Lower(file), to, bytes, at);
  // SQLite will say that this is not a database, and not why.
  if (at == 0 && bytes >= static_cast<int>(kMarker.size()) &&
      std::memcmp(to, kMarker.data(), kMarker.size()) == 0) {
    sqlite3_log(SQLITE_NOTADB,
                "nori: %s is a database of vfs=nori: open it as "
                "'file:%s?vfs=nori'",
                Own(file)->path, Own(file)->path);
  }
  return rc;
}

bool IsExclusive(const CopyFile& file);

// A write to the log of a database. The copy must be complete before the write
// that commits it.
int LogWrite(CopyFile* log, const void* from, int bytes, sqlite3_int64 at) {
  CopyFile* const file = log->database;
  // An exclusive lock instead of those of the log's index.
  if (file->lock >= SQLITE_LOCK_RESERVED) Look(file);
  if (file->pending == nullptr || file->logged) return SQLITE_OK;
  try {
    if (file->frames == nullptr) file->frames = new CopyLog;
    switch (file->frames->Next(from, bytes, at)) {
      case CopyLog::Write::kOther:
        return SQLITE_OK;
      case CopyLog::Write::kUnknown:
        return SQLITE_READONLY;
      case CopyLog::Write::kCommits:
        break;
    }
  } catch (const std::bad_alloc&) {
    return SQLITE_IOERR_NOMEM;
  }
  CopyLog::View view = file->frames->Show(log->lower(), from);
  const int rc = file->pending->Complete(&view, IsExclusive(*file)
                                                    ? PendingCopy::Place::kCache
                                                    : PendingCopy::Place::kLog);
  file->logged = rc == SQLITE_OK;
  return rc;
}

int Write(sqlite3_file* base, const void* from, int bytes, sqlite3_int64 at) {
  CopyFile* const file = Own(base);
  if (file->database != nullptr) {
    const int rc = LogWrite(file, from, bytes, at);
    if (rc != SQLITE_OK) return rc;
  } else if (file->lock >= SQLITE_LOCK_RESERVED && !file->restores) {
    Look(file);
  }
  return file->lower()->pMethods->xWrite(file->lower(), from, bytes, at);
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
  if (lock >= SQLITE_LOCK_RESERVED && file->lock < SQLITE_LOCK_RESERVED) {
    file->looked = false;
    // Who writes begins with RESERVED.
    file->restores = lock > SQLITE_LOCK_RESERVED;
    if (!file->restores) Look(file);
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

// Whether the connection keeps its lock, and with it its cache, between
// transactions.
bool IsExclusive(const CopyFile& file) {
  if (file.exclusive >= 0) return file.exclusive != 0;
  if (file.db == nullptr || *file.db == nullptr) return false;
  // The pragma without a schema is shown to the main database and counts for
  // all.
  sqlite3_file* main = nullptr;
  sqlite3_file_control(*file.db, "main", SQLITE_FCNTL_FILE_POINTER, &main);
  return main != nullptr && main->pMethods != nullptr &&
         main->pMethods->xClose == Close && Own(main)->exclusive > 0;
}

void NotePragma(CopyFile* file, char** pragma) {
  if (pragma[2] == nullptr || sqlite3_stricmp(pragma[1], "locking_mode") != 0) {
    return;
  }
  file->exclusive = sqlite3_stricmp(pragma[2], "exclusive") == 0 ? 1 : 0;
}

// SQLite has committed.
int CommitCopy(CopyFile* file) {
  file->looked = false;
  if (file->pending == nullptr) return SQLITE_OK;
  int rc = SQLITE_OK;
  // What the copy replaces must not go before it is durable.
  if (file->logged && file->log != nullptr) {
    sqlite3_file* const log = file->log->lower();
    rc = log->pMethods->xSync(log, SQLITE_SYNC_NORMAL);
  }
  if (rc == SQLITE_OK) rc = file->pending->Commit();
  Discard(file);
  return rc;
}

int FileControl(sqlite3_file* base, int operation, void* argument) {
  CopyFile* const file = Own(base);
  if (operation == SQLITE_FCNTL_PDB) {
    file->db = static_cast<sqlite3**>(argument);
  } else if (operation == SQLITE_FCNTL_PRAGMA) {
    NotePragma(file, static_cast<char**>(argument));
  } else if (operation == SQLITE_FCNTL_SYNC && file->pending != nullptr) {
    // Also when SQLite has undone the copy, or tries to commit it once more.
    const int rc = file->pending->Complete(
        file->lower(), IsExclusive(*file) ? PendingCopy::Place::kCache
                                          : PendingCopy::Place::kFile);
    if (rc != SQLITE_OK) return rc;
  }
  int rc =
      file->lower()->pMethods->xFileControl(file->lower(), operation, argument);
  if (operation == SQLITE_FCNTL_VFSNAME && rc == SQLITE_OK) {
    auto** const name = static_cast<char**>(argument);
    *name = sqlite3_mprintf("%s/%z", kName, *name);
  }
  if (operation == SQLITE_FCNTL_COMMIT_PHASETWO) {
    const int committed = CommitCopy(file);
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

int ShmLock(sqlite3_file* base, int first, int n, int flags) {
  CopyFile* const file = Own(base);
  const bool locks = (flags & SQLITE_SHM_LOCK) != 0;
  const int rc =
      file->lower()->pMethods->xShmLock(file->lower(), first, n, flags);
  if (rc != SQLITE_OK) return rc;
  if (first == kWalCheckpointLock) file->checkpoints = locks;
  if (first >= kWalFirstReadLock && (flags & SQLITE_SHM_SHARED) != 0) {
    file->wal_readers += locks ? 1 : -1;
    // The transaction is over, unless a writer changes its lock when it begins
    // the log anew, or has an exclusive one instead from here on.
    const bool ends = !file->writes && file->lock < SQLITE_LOCK_RESERVED;
    if (file->wal_readers == 0 && ends) Discard(file);
  }
  if (first == kWalWriteLock) file->writes = locks;
  // A transaction reads before it writes; a recovery of the log does not.
  if (first == kWalWriteLock && locks && file->wal_readers > 0 &&
      !file->checkpoints) {
    Discard(file);
    file->looked = false;
    Look(file);
  }
  return rc;
}

void ShmBarrier(sqlite3_file* file) {
  Lower(file)->pMethods->xShmBarrier(Lower(file));
}
int ShmUnmap(sqlite3_file* file, int remove) {
  Own(file)->wal_readers = 0;
  Own(file)->writes = false;
  Discard(Own(file));
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

// Null: it was opened through another VFS, of which this one is a part.
CopyFile* DatabaseOfLog(const char* name) {
  sqlite3_file* const file = sqlite3_database_file_object(name);
  const bool own = file != nullptr && file->pMethods != nullptr &&
                   file->pMethods->xClose == Close;
  return own ? Own(file) : nullptr;
}

int Open(sqlite3_vfs*, const char* name, sqlite3_file* base, int flags,
         int* out_flags) {
  const bool is_log = (flags & SQLITE_OPEN_WAL) != 0;
  if ((!is_log && (flags & SQLITE_OPEN_MAIN_DB) == 0) || name == nullptr) {
    return lower_vfs->xOpen(lower_vfs, name, base, flags, out_flags);
  }
  CopyFile* const database = is_log ? DatabaseOfLog(name) : nullptr;
  if (is_log && database == nullptr) {
    return lower_vfs->xOpen(lower_vfs, name, base, flags, out_flags);
  }
  base->pMethods = nullptr;
  auto* const file = new (base) CopyFile{};
  file->path = name;
  file->exclusive = -1;
  file->database = database;
  const int rc =
      lower_vfs->xOpen(lower_vfs, name, file->lower(), flags, out_flags);
  if (file->lower()->pMethods != nullptr) {
    file->pMethods = MethodsLike(*file->lower()->pMethods);
    if (database != nullptr) database->log = file;
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
