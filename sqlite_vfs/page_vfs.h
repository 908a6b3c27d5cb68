// The VFS `nori`: a whole database in an engine.

#ifndef NORI_SQLITE_VFS_PAGE_VFS_H_
#define NORI_SQLITE_VFS_PAGE_VFS_H_

namespace nori {

inline constexpr char kPageVfsName[] = "nori";

// Registers it beside the default one. Files other than databases go to the
// VFS `unix`. Once per process; gives a result code of SQLite's.
int RegisterPageVfs();

}  // namespace nori

#endif  // NORI_SQLITE_VFS_PAGE_VFS_H_
