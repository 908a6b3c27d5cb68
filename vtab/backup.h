// nori_backup(path [, schema]): a whole copy of a database, made at one
// instant.

#ifndef NORI_VTAB_BACKUP_H_
#define NORI_VTAB_BACKUP_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/engine.h"
#include "vtab/database.h"

namespace nori {

// Copies the ordinary tables and the engine of `database`, whose engine is
// open, to a database file `path` with an engine directory beside it, in the
// place of an earlier backup if there is one. Gives what it did as JSON. On an
// error nothing has changed but that an earlier backup may be replaced whole.
absl::StatusOr<std::string> BackUp(Database* database, const std::string& path,
                                   const GoOn& go_on);

}  // namespace nori

#endif  // NORI_VTAB_BACKUP_H_
