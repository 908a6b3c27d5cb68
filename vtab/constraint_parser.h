// The constraints of a table that are more than a key: CHECK, DEFAULT,
// REFERENCES.

#ifndef NORI_VTAB_CONSTRAINT_PARSER_H_
#define NORI_VTAB_CONSTRAINT_PARSER_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "vtab/argument_cursor.h"
#include "vtab/schema.h"

namespace nori {

// Each takes what follows the word that its name says; errors are the
// cursor's.

// `constraint_name` is the CONSTRAINT before it, or empty.
absl::StatusOr<Check> ParseCheck(ArgumentCursor* cursor,
                                 const std::string& constraint_name);
// The default as an SQL expression.
absl::StatusOr<std::string> ParseDefault(ArgumentCursor* cursor);
absl::Status ParseReferences(ArgumentCursor* cursor);
// After DEFERRABLE.
absl::Status ParseDeferrable(ArgumentCursor* cursor);
// After FOREIGN, of a table constraint.
absl::Status ParseForeignKey(ArgumentCursor* cursor);

// `sql` without "table." and "schema.table." in front of columns: only the
// table itself can stand there, and it may be renamed.
std::string Unqualified(std::string_view sql);

// Notes which columns the checks name. REQUIRES: all columns are known.
void ResolveChecks(TableSchema* schema);

}  // namespace nori

#endif  // NORI_VTAB_CONSTRAINT_PARSER_H_
