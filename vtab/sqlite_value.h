// Values on their way from and to SQLite.

#ifndef NORI_VTAB_SQLITE_VALUE_H_
#define NORI_VTAB_SQLITE_VALUE_H_

#include "vtab/sqlite.h"
#include "vtab/value.h"

namespace nori {

// The value of an argument from SQLite; views live as long as the argument is
// not converted.
Value ValueOfSqlite(sqlite3_value* argument);
// Makes `value` the result of a callback, copying it.
void ResultOfValue(sqlite3_context* context, const Value& value);

}  // namespace nori

#endif  // NORI_VTAB_SQLITE_VALUE_H_
