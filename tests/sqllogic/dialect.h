// Turns statements about ordinary tables into ones about nori tables.

#ifndef NORI_TESTS_SQLLOGIC_DIALECT_H_
#define NORI_TESTS_SQLLOGIC_DIALECT_H_

#include <sqlite3.h>

#include <string>
#include <string_view>

namespace nori::sqllogic {

// `CREATE TABLE name(...)` as a statement that makes a nori table with the same
// columns, constraints and WITHOUT ROWID or STRICT, and with `more_arguments`
// (", name = value"...) besides; CREATE INDEX and DROP INDEX on a nori table of
// `db` as calls of nori_create_index and nori_drop_index. Any other statement,
// CREATE TABLE ... AS too, comes back as it is, and so does one whose syntax is
// not understood, for SQLite to complain of.
std::string ToNori(sqlite3* db, std::string_view sql,
                   std::string_view more_arguments);

}  // namespace nori::sqllogic

#endif  // NORI_TESTS_SQLLOGIC_DIALECT_H_
