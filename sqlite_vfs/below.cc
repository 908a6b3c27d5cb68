// The VFS through which OpenBelow's connections see a file that is open
// already.

#include <algorithm>
#include <utility>

#include "sqlite_vfs/copy_vfs.h"

SQLITE_EXTENSION_INIT3

namespace nori {
namespace {

constexpr char kName[] = "nori_below";
// Where page 1 says whether there is a write-ahead log: 1 without, 2 with.
constexpr sqlite3_int64 kModeOffset = 18;
constexpr int kModeBytes = 2;
constexpr char kNoLog = 1;

// Of the next open by this thread.
thread_local sqlite3_file* next_file = nullptr;

struct BelowFile : sqlite3_file {
  sqlite3_file* file;
};
sqlite3_file* FileOf(sqlite3_file* base) {
  return static_cast<BelowFile*>(base)->file;
}

// The part of [at, at + bytes) that lies in the two bytes, from and to.
std::pair<sqlite3_int64, sqlite3_int64> ModePart(sqlite3_int64 at, int bytes) {
  return {std::max(at, kModeOffset),
          std::min(at + bytes, kModeOffset + kModeBytes)};
}

int Close(sqlite3_file*) { return SQLITE_OK; }

int Read(sqlite3_file* base, void* to, int bytes, sqlite3_int64 at) {
  sqlite3_file* const file = FileOf(base);
  const int rc = file->pMethods->xRead(file, to, bytes, at);
  const auto [first, end] = ModePart(at, bytes);
  for (sqlite3_int64 i = first; i < end; ++i) {
    static_cast<char*>(to)[i - at] = kNoLog;
  }
  return rc;
}

int Write(sqlite3_file* base, const void* from, int bytes, sqlite3_int64 at) {
  sqlite3_file* const file = FileOf(base);
  char mode[kModeBytes];
  const auto [first, end] = ModePart(at, bytes);
  if (first >= end) return file->pMethods->xWrite(file, from, bytes, at);
  int rc = file->pMethods->xRead(file, mode, kModeBytes, kModeOffset);
  if (rc != SQLITE_OK) return rc;
  rc = file->pMethods->xWrite(file, from, bytes, at);
  if (rc != SQLITE_OK) return rc;
  return file->pMethods->xWrite(file, mode, kModeBytes, kModeOffset);
}

int Truncate(sqlite3_file*, sqlite3_int64) { return SQLITE_OK; }
int Sync(sqlite3_file*, int) { return SQLITE_OK; }
int FileSize(sqlite3_file* base, sqlite3_int64* size) {
  return FileOf(base)->pMethods->xFileSize(FileOf(base), size);
}
int Lock(sqlite3_file*, int) { return SQLITE_OK; }
int CheckReservedLock(sqlite3_file*, int* result) {
  *result = 0;
  return SQLITE_OK;
}
int FileControl(sqlite3_file*, int, void*) { return SQLITE_NOTFOUND; }
int SectorSize(sqlite3_file*) { return 512; }
int DeviceCharacteristics(sqlite3_file*) {
  return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

int Open(sqlite3_vfs*, const char*, sqlite3_file* base, int flags,
         int* out_flags) {
  static const sqlite3_io_methods methods = {1,
                                             Close,
                                             Read,
                                             Write,
                                             Truncate,
                                             Sync,
                                             FileSize,
                                             Lock,
                                             Lock,
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
  base->pMethods = nullptr;
  // Its journal is in memory and nothing else is needed.
  if ((flags & SQLITE_OPEN_MAIN_DB) == 0 || next_file == nullptr) {
    return SQLITE_CANTOPEN;
  }
  static_cast<BelowFile*>(base)->file = next_file;
  base->pMethods = &methods;
  // SQLITE_OPEN_MEMORY makes SQLite keep the journal in memory.
  if (out_flags != nullptr) *out_flags = flags | SQLITE_OPEN_MEMORY;
  return SQLITE_OK;
}

int Access(sqlite3_vfs*, const char*, int, int* result) {
  *result = 0;
  return SQLITE_OK;
}

int FullPathname(sqlite3_vfs*, const char* path, int bytes, char* full) {
  sqlite3_snprintf(bytes, full, "%s", path);
  return SQLITE_OK;
}

int Register() {
  static sqlite3_vfs vfs = [] {
    sqlite3_vfs made = *BelowCopyVfs(sqlite3_vfs_find(nullptr));
    made.pNext = nullptr;
    made.zName = kName;
    made.szOsFile = static_cast<int>(sizeof(BelowFile));
    made.xOpen = Open;
    made.xAccess = Access;
    made.xFullPathname = FullPathname;
    return made;
  }();
  static const int rc = sqlite3_vfs_register(&vfs, /*makeDflt=*/0);
  return rc;
}

}  // namespace

int OpenBelow(sqlite3_file* file, sqlite3** db) {
  int rc = Register();
  if (rc != SQLITE_OK) return rc;
  next_file = file;
  rc = sqlite3_open_v2(
      "below", db,
      SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE,
      kName);
  // SQLite opens the file with the connection.
  next_file = nullptr;
  return rc;
}

}  // namespace nori
