// Which process this is.

#ifndef NORI_SQLITE_VFS_PROCESS_H_
#define NORI_SQLITE_VFS_PROCESS_H_

#include <sys/types.h>

namespace nori {

// What getpid() gives, also in a child that fork() made, without a system call:
// the C library makes one each time, which a lookup by key would spend a tenth
// of its time on. Thread-safe.
pid_t CurrentProcess();

}  // namespace nori

#endif  // NORI_SQLITE_VFS_PROCESS_H_
