#ifndef NORI_SQLITE_VFS_VERSION_H_
#define NORI_SQLITE_VFS_VERSION_H_

namespace nori {

// As nori_version() gives it: the project's version.
inline constexpr char kVersion[] = "0.1.0";

}  // namespace nori

#endif  // NORI_SQLITE_VFS_VERSION_H_
