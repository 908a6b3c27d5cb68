// Files of the operating system with chosen permissions.

#ifndef NORI_ENGINE_IO_POSIX_FILE_SYSTEM_H_
#define NORI_ENGINE_IO_POSIX_FILE_SYSTEM_H_

#include <cstdint>
#include <memory>
#include <optional>

#include "engine/io/file_system.h"

namespace nori {

struct PosixFileOptions {
  // Permission bits of every file that is created, exactly, whatever the umask
  // says (so that an engine's files can have those of the database beside
  // them). Directories get them too, and may be searched by whom they may be
  // read. nullopt: 0644 and 0755, minus the umask. Files that exist keep
  // theirs.
  std::optional<uint32_t> file_mode;
};

// A file system with options of its own; it must outlive what it opens.
// PosixFileSystem() is the one with default options. Locks exclude each other
// whichever instance took them.
//
// Files are written and created, never read, without following a symbolic link
// in the last component of the path: a link planted in an engine's directory
// cannot turn a write against another file. Every descriptor is close-on-exec
// and above 2.
//
// Nobody in the process may open and close the lock file of LockDirectory by
// other means while it is held (ReadFile included): POSIX drops a process's
// locks when it closes any descriptor of the file.
std::unique_ptr<FileSystem> NewPosixFileSystem(const PosixFileOptions& options);

}  // namespace nori

#endif  // NORI_ENGINE_IO_POSIX_FILE_SYSTEM_H_
