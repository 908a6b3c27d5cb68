// What the text that is given to an SQL function names.

#ifndef NORI_VTAB_FUNCTION_TARGET_H_
#define NORI_VTAB_FUNCTION_TARGET_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "vtab/connection.h"
#include "vtab/database.h"

namespace nori {

struct VirtualTable;

enum class TargetKind { kSchema, kTable, kEither };

// A schema, or a nori table in it.
struct FunctionTarget {
  std::shared_ptr<Database> database;  // open
  std::string table;                   // empty: the schema
};

// Finds what `text` names: a schema ('aux'), a table ('t', looked for as SQLite
// looks for it: in temp, main, then the attached ones) or a table of a schema
// ('aux.t'), as far as `kind` admits. An error if it is none of them, or more
// than one.
absl::StatusOr<FunctionTarget> FindTarget(Connection* connection,
                                          const std::string& text,
                                          TargetKind kind);

// The target's table, connected. Valid until the schema changes.
// REQUIRES: the target has a table.
absl::StatusOr<VirtualTable*> ConnectTable(const FunctionTarget& target);

}  // namespace nori

#endif  // NORI_VTAB_FUNCTION_TARGET_H_
