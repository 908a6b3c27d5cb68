// nori_export and nori_import: into and out of plain SQLite databases.

#ifndef NORI_VTAB_PLAIN_COPY_H_
#define NORI_VTAB_PLAIN_COPY_H_

#include <string>

#include "absl/status/statusor.h"
#include "engine/engine.h"
#include "vtab/connection.h"

namespace nori {

// Copies `schema` of the connection, which may be any kind of database, to a
// new plain file `path` in which nori tables are ordinary ones, with their
// indexes and constraints, and nothing needs nori. All of it is of one state.
// Gives what it did as JSON. On an error there is no file.
absl::StatusOr<std::string> ExportPlain(Connection* connection,
                                        const std::string& schema,
                                        const std::string& path,
                                        const GoOn& go_on);

// Fills `schema` of the connection, an empty database of vfs=nori, with all
// that is in the database `path`, a file or a URI. Gives what it did as JSON.
// On an error the schema is as empty as before.
absl::StatusOr<std::string> ImportPlain(Connection* connection,
                                        const std::string& schema,
                                        const std::string& path,
                                        const GoOn& go_on);

}  // namespace nori

#endif  // NORI_VTAB_PLAIN_COPY_H_
