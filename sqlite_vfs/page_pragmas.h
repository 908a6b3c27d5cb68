// The PRAGMAs of a database in the VFS `nori`.

#ifndef NORI_SQLITE_VFS_PAGE_PRAGMAS_H_
#define NORI_SQLITE_VFS_PAGE_PRAGMAS_H_

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "engine/engine.h"

namespace nori {

// Answers `PRAGMA name = argument` (null: without one); nullopt where SQLite
// goes on with it. journal_mode is always "memory": commits are the engine's,
// the journal only serves a rollback. kPermissionDenied: it would change what
// is open for reading only (`read_only`).
absl::StatusOr<std::optional<std::string>> AnswerPragma(Engine* engine,
                                                        bool read_only,
                                                        std::string_view name,
                                                        const char* argument);

// Whether `PRAGMA synchronous = argument` asks SQLite for NORMAL.
bool AsksForNormal(const char* argument);

}  // namespace nori

#endif  // NORI_SQLITE_VFS_PAGE_PRAGMAS_H_
