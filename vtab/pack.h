// nori_pack and nori_unpack: nori tables as rows of an ordinary table, for
// tools that know one file only, and back.
//
//   SELECT nori_pack('t');                   -- makes the table t_pack
//   SELECT nori_pack('main', 'everything');  -- all nori tables of the schema
//   SELECT nori_unpack('t_pack');            -- all tables in it
//   SELECT nori_unpack('everything', 't', 'other_name');
//
// Both are part of the transaction that they run in and undone with it. A pack
// is a table pack(part INTEGER PRIMARY KEY, name TEXT, definition TEXT, content
// BLOB): for each packed table a row with its definition and a header, then one
// for each part (see pack_format.h).

#ifndef NORI_VTAB_PACK_H_
#define NORI_VTAB_PACK_H_

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "engine/engine.h"
#include "vtab/connection.h"
#include "vtab/function_target.h"

namespace nori {

// Packs `source`, a table or all those of a schema, into a new table `pack` of
// the same schema. Gives what it did as JSON. An error undoes everything.
absl::StatusOr<std::string> Pack(const FunctionTarget& source,
                                 const std::string& pack, const GoOn& go_on);

struct UnpackRequest {
  std::string pack;                     // 'pack' or 'schema.pack'
  std::optional<std::string> table;     // only this one
  std::optional<std::string> new_name;  // under this name; needs `table`
};
// Makes the packed tables anew, in the schema of the pack, and checks them.
// Gives what it did as JSON. An error undoes everything.
absl::StatusOr<std::string> Unpack(Connection* connection,
                                   const UnpackRequest& request,
                                   const GoOn& go_on);

}  // namespace nori

#endif  // NORI_VTAB_PACK_H_
