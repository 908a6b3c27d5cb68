// The marker file of a database in the VFS `nori`.

#include "engine/io/memory_file_system.h"
#include "sqlite_vfs/marker_file.h"
#include "tests/fuzz/fuzz.h"

using namespace nori;  // NOLINT(google-build-using-namespace)

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  MemoryFileSystem files;
  PutFile(&files, "/a.db", {reinterpret_cast<const char*>(data), size});
  const auto identity = ReadMarker(&files, "/a.db");
  if (identity.ok() && identity->has_value()) {
    FuzzRequire((*identity)->size() == 16, "an identity has 16 bytes");
    FuzzRequire(WriteMarker(&files, "/b.db", **identity).ok() &&
                    *ReadMarker(&files, "/b.db") == *identity,
                "what was parsed can be written and parsed again");
  }
  return 0;
}
