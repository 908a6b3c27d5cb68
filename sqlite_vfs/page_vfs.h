// The VFS `nori`: a whole database in an engine.

#ifndef NORI_SQLITE_VFS_PAGE_VFS_H_
#define NORI_SQLITE_VFS_PAGE_VFS_H_

#include <string>

struct sqlite3;
struct sqlite3_vfs;

namespace nori {

class PageFile;

class PageStores;

inline constexpr char kPageVfsName[] = "nori";

// Registers it beside the default one. Files other than databases go to the
// VFS `unix`. Once per process; gives a result code of SQLite's.
int RegisterPageVfs();

// What the schema of a connection is stored in, also below another VFS that
// passes file controls on; null if that is no file of this VFS. It lives as
// long as the schema is attached and the connection open.
PageFile* PageFileOf(sqlite3* db, const std::string& schema);

// A VFS of its kind over other files, called `name`, which with `stores` (null:
// the process's) must outlive it. Null where there is no VFS below it. The
// caller registers it, and deletes it once it is not registered and none of its
// files is open.
sqlite3_vfs* NewPageVfs(const char* name, PageStores* stores);
void DeletePageVfs(sqlite3_vfs* vfs);

}  // namespace nori

#endif  // NORI_SQLITE_VFS_PAGE_VFS_H_
