#include "sqlite_vfs/page_vfs.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "engine/format/status_macros.h"
#include "sqlite_vfs/page_file.h"
#include "sqlite_vfs/page_pragmas.h"
#include "sqlite_vfs/page_store.h"
#include "sqlite_vfs/sqlite.h"
#include "sqlite_vfs/status_code.h"

namespace nori {
namespace {

// A file control of this VFS's own: the bytes of "nori".
constexpr int kGivePageFile = 0x6e6f7269;

// What SQLite allocates for a database file.
struct PageHandle {
  sqlite3_file base;
  PageFile* file;
  sqlite3** connection;  // SQLite's pointer to the one that uses the file
  bool read_only;
};

PageHandle* HandleOf(sqlite3_file* base) {
  return reinterpret_cast<PageHandle*>(base);
}
PageFile* FileOf(sqlite3_file* base) { return HandleOf(base)->file; }

struct PageVfs : sqlite3_vfs {
  sqlite3_vfs* lower;
  PageStores* stores;  // null: the process's
};

PageStores* StoresOf(sqlite3_vfs* vfs) {
  PageStores* const stores = static_cast<PageVfs*>(vfs)->stores;
  return stores != nullptr ? stores : PageStores::OfProcess();
}

sqlite3_vfs* LowerOf(sqlite3_vfs* vfs) {
  return static_cast<PageVfs*>(vfs)->lower;
}

int CodeOf(const absl::Status& status, int otherwise) {
  return SqliteCodeOf(status.code()).value_or(otherwise);
}

// SQLite has no place for the message of a file: it goes to its log.
int Logged(const absl::Status& status, int code) {
  if (!status.ok() && (code & 0xff) != SQLITE_BUSY) {
    sqlite3_log(code, "nori: %s", std::string(status.message()).c_str());
  }
  return code;
}

// For what must only fail as a disk does: the pager keeps its cache after any
// other code.
int ReportAsDisk(const absl::Status& status, int otherwise) {
  int code = CodeOf(status, otherwise);
  if (code != SQLITE_OK && code != SQLITE_FULL) code = otherwise;
  return Logged(status, code);
}

template <typename Body>
int Guarded(Body&& body) noexcept {
  try {
    return std::forward<Body>(body)();
  } catch (const std::bad_alloc&) {
    return SQLITE_IOERR_NOMEM;
  } catch (...) {
    return SQLITE_IOERR;
  }
}

int Close(sqlite3_file* base) noexcept {
  return Guarded([base] {
    delete FileOf(base);
    base->pMethods = nullptr;
    return SQLITE_OK;
  });
}

int Read(sqlite3_file* base, void* buffer, int size,
         sqlite3_int64 offset) noexcept {
  return Guarded([&] {
    const absl::StatusOr<size_t> inside = FileOf(base)->Read(
        static_cast<uint64_t>(offset), static_cast<size_t>(size),
        static_cast<char*>(buffer));
    if (!inside.ok()) {
      return Logged(inside.status(),
                    CodeOf(inside.status(), SQLITE_IOERR_READ));
    }
    return *inside == static_cast<size_t>(size) ? SQLITE_OK
                                                : SQLITE_IOERR_SHORT_READ;
  });
}

int Write(sqlite3_file* base, const void* data, int size,
          sqlite3_int64 offset) noexcept {
  return Guarded([&] {
    return ReportAsDisk(FileOf(base)->Write(static_cast<uint64_t>(offset),
                                            {static_cast<const char*>(data),
                                             static_cast<size_t>(size)}),
                        SQLITE_IOERR_WRITE);
  });
}

int Truncate(sqlite3_file* base, sqlite3_int64 size) noexcept {
  return Guarded([&] {
    return ReportAsDisk(FileOf(base)->Truncate(static_cast<uint64_t>(size)),
                        SQLITE_IOERR_TRUNCATE);
  });
}

int Sync(sqlite3_file* base, int) noexcept {
  return Guarded([base] {
    return ReportAsDisk(FileOf(base)->Sync(), SQLITE_IOERR_FSYNC);
  });
}

int FileSize(sqlite3_file* base, sqlite3_int64* size) noexcept {
  return Guarded([&] {
    const absl::StatusOr<uint64_t> bytes = FileOf(base)->Size();
    if (!bytes.ok()) {
      return Logged(bytes.status(), CodeOf(bytes.status(), SQLITE_IOERR_FSTAT));
    }
    *size = static_cast<sqlite3_int64>(*bytes);
    return SQLITE_OK;
  });
}

int Lock(sqlite3_file* base, int level) noexcept {
  return Guarded([&] {
    const absl::Status status = FileOf(base)->Lock(level);
    return Logged(status, CodeOf(status, SQLITE_IOERR_LOCK));
  });
}

int Unlock(sqlite3_file* base, int level) noexcept {
  return Guarded([&] {
    FileOf(base)->Unlock(level);
    return SQLITE_OK;
  });
}

int CheckReservedLock(sqlite3_file* base, int* held) noexcept {
  *held = FileOf(base)->level() > SQLITE_LOCK_SHARED ? 1 : 0;
  return SQLITE_OK;
}

char* Copy(std::string_view text) {
  return sqlite3_mprintf("%.*s", static_cast<int>(text.size()), text.data());
}

// SQLite does not tell a VFS how durable a sync has to be; its own WAL mode
// syncs no commit at NORMAL. It refuses a change inside a transaction.
void NoteSynchronous(const PageHandle& handle, const char* argument) {
  if (argument == nullptr || handle.connection == nullptr ||
      sqlite3_get_autocommit(*handle.connection) == 0) {
    return;
  }
  handle.file->set_sync_durability(
      AsksForNormal(argument) ? Durability::kPeriodic : Durability::kSync);
}

int Pragma(PageHandle* handle, char** text) {
  handle->file->EndRollback();
  if (sqlite3_stricmp(text[1], "synchronous") == 0) {
    NoteSynchronous(*handle, text[2]);
  }
  const auto answer =
      AnswerPragma(handle->file->engine(), handle->read_only, text[1], text[2]);
  if (absl::IsPermissionDenied(answer.status())) {
    text[0] = Copy(std::string(answer.status().message()));
    return SQLITE_READONLY;
  }
  if (!answer.ok()) {
    text[0] = Copy(std::string(answer.status().message()));
    return CodeOf(answer.status(), SQLITE_ERROR);
  }
  if (!answer->has_value()) return SQLITE_NOTFOUND;
  text[0] = Copy(**answer);
  return text[0] == nullptr ? SQLITE_NOMEM : SQLITE_OK;
}

int FileControl(sqlite3_file* base, int operation, void* argument) noexcept {
  return Guarded([&] {
    switch (operation) {
      case SQLITE_FCNTL_SYNC:
        return ReportAsDisk(
            FileOf(base)->BeginSync(/*is_part=*/argument != nullptr),
            SQLITE_IOERR_FSYNC);
      case SQLITE_FCNTL_COMMIT_PHASETWO:
        return ReportAsDisk(FileOf(base)->CommitPhaseTwo(), SQLITE_IOERR);
      case SQLITE_FCNTL_PRAGMA:
        return Pragma(HandleOf(base), static_cast<char**>(argument));
      case kGivePageFile:
        *static_cast<PageFile**>(argument) = FileOf(base);
        return SQLITE_OK;
      case SQLITE_FCNTL_PDB:
        HandleOf(base)->connection = static_cast<sqlite3**>(argument);
        return SQLITE_OK;
      case SQLITE_FCNTL_VFSNAME:
        *static_cast<char**>(argument) = Copy(kPageVfsName);
        return SQLITE_OK;
      default:
        return SQLITE_NOTFOUND;
    }
  });
}

int SectorSize(sqlite3_file*) noexcept { return 512; }

int DeviceCharacteristics(sqlite3_file*) noexcept {
  return SQLITE_IOCAP_POWERSAFE_OVERWRITE | SQLITE_IOCAP_SAFE_APPEND |
         SQLITE_IOCAP_SEQUENTIAL;
}

// Version 1: no shared memory, so that there is no WAL mode.
constexpr sqlite3_io_methods kMethods = {
    .iVersion = 1,
    .xClose = Close,
    .xRead = Read,
    .xWrite = Write,
    .xTruncate = Truncate,
    .xSync = Sync,
    .xFileSize = FileSize,
    .xLock = Lock,
    .xUnlock = Unlock,
    .xCheckReservedLock = CheckReservedLock,
    .xFileControl = FileControl,
    .xSectorSize = SectorSize,
    .xDeviceCharacteristics = DeviceCharacteristics,
    .xShmMap = nullptr,
    .xShmLock = nullptr,
    .xShmBarrier = nullptr,
    .xShmUnmap = nullptr,
    .xFetch = nullptr,
    .xUnfetch = nullptr,
};

struct Opened {
  std::unique_ptr<PageFile> file;
  bool read_only = false;
};

absl::StatusOr<Opened> OpenPages(PageStores* stores, const char* name,
                                 int flags) {
  const char* const snapshot = sqlite3_uri_parameter(name, "nori_snapshot");
  const bool immutable = sqlite3_uri_boolean(name, "immutable", 0) != 0;
  const bool read_only =
      (flags & SQLITE_OPEN_READWRITE) == 0 || immutable || snapshot != nullptr;
  if (!read_only && sqlite3_uri_boolean(name, "nolock", 0) != 0) {
    return absl::FailedPreconditionError(
        "nolock=1 is only possible with mode=ro in vfs=nori");
  }
  const bool create = !read_only && (flags & SQLITE_OPEN_CREATE) != 0;
  NORI_ASSIGN_OR_RETURN(PageStoreRef store, stores->Open(name, create));
  SnapshotRef fixed;
  if (snapshot != nullptr) {
    NORI_ASSIGN_OR_RETURN(fixed, store->engine()->NamedSnapshot(snapshot));
  } else if (immutable || sqlite3_uri_boolean(name, "nolock", 0) != 0) {
    // SQLite will take no lock by which to know what it reads together.
    fixed = store->engine()->GetSnapshot();
  }
  return Opened{std::make_unique<PageFile>(std::move(store), std::move(fixed)),
                read_only};
}

int Open(sqlite3_vfs* vfs, const char* name, sqlite3_file* base, int flags,
         int* out_flags) noexcept {
  if ((flags & SQLITE_OPEN_WAL) != 0) {
    base->pMethods = nullptr;
    return SQLITE_CANTOPEN;
  }
  if ((flags & SQLITE_OPEN_MAIN_DB) == 0 || name == nullptr) {
    sqlite3_vfs* const lower = LowerOf(vfs);
    return lower->xOpen(lower, name, base, flags, out_flags);
  }
  base->pMethods = nullptr;
  return Guarded([&] {
    absl::StatusOr<Opened> opened = OpenPages(StoresOf(vfs), name, flags);
    if (!opened.ok()) {
      const int code = CodeOf(opened.status(), SQLITE_CANTOPEN);
      // Also where it is busy: the message names who has it.
      sqlite3_log(code, "nori: %s",
                  std::string(opened.status().message()).c_str());
      return code;
    }
    HandleOf(base)->file = opened->file.release();
    HandleOf(base)->connection = nullptr;
    HandleOf(base)->read_only = opened->read_only;
    base->pMethods = &kMethods;
    if (out_flags != nullptr) {
      // MEMORY: the pager keeps its journal in memory.
      *out_flags =
          SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_MEMORY |
          (opened->read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE);
    }
    return SQLITE_OK;
  });
}

int Delete(sqlite3_vfs* vfs, const char* name, int sync) noexcept {
  return Guarded([&] {
    const absl::StatusOr<bool> removed = StoresOf(vfs)->Remove(name);
    if (!removed.ok()) {
      return Logged(removed.status(),
                    CodeOf(removed.status(), SQLITE_IOERR_DELETE));
    }
    if (*removed) return SQLITE_OK;
    // A journal or another file that is none of this VFS's.
    sqlite3_vfs* const lower = LowerOf(vfs);
    return lower->xDelete(lower, name, sync);
  });
}

int Access(sqlite3_vfs* vfs, const char* name, int flags,
           int* result) noexcept {
  const std::string_view path(name);
  if (path.ends_with("-journal") || path.ends_with("-wal")) {
    *result = 0;
    return SQLITE_OK;
  }
  sqlite3_vfs* const lower = LowerOf(vfs);
  return lower->xAccess(lower, name, flags, result);
}

int FullPathname(sqlite3_vfs* vfs, const char* name, int size,
                 char* path) noexcept {
  sqlite3_vfs* const lower = LowerOf(vfs);
  return lower->xFullPathname(lower, name, size, path);
}

}  // namespace

PageFile* PageFileOf(sqlite3* db, const std::string& schema) {
  PageFile* file = nullptr;
  const int rc = sqlite3_file_control(db, schema.c_str(), kGivePageFile, &file);
  return rc == SQLITE_OK ? file : nullptr;
}

sqlite3_vfs* NewPageVfs(const char* name, PageStores* stores) {
  sqlite3_vfs* lower = sqlite3_vfs_find("unix");
  if (lower == nullptr) lower = sqlite3_vfs_find(nullptr);
  if (lower == nullptr) return nullptr;
  // Everything that is no file is the lower one's; SQLite passes it the VFS
  // that it was called on, which the functions for those do not look at.
  auto* const vfs = new PageVfs{*lower, lower, stores};
  vfs->iVersion = std::min(lower->iVersion, 2);
  vfs->szOsFile =
      std::max(lower->szOsFile, static_cast<int>(sizeof(PageHandle)));
  vfs->pNext = nullptr;
  vfs->zName = name;
  vfs->xOpen = Open;
  vfs->xDelete = Delete;
  vfs->xAccess = Access;
  vfs->xFullPathname = FullPathname;
  return vfs;
}

void DeletePageVfs(sqlite3_vfs* vfs) { delete static_cast<PageVfs*>(vfs); }

int RegisterPageVfs() {
  sqlite3_vfs* const vfs = NewPageVfs(kPageVfsName, nullptr);
  return vfs == nullptr ? SQLITE_ERROR
                        : sqlite3_vfs_register(vfs, /*makeDflt=*/0);
}

}  // namespace nori
