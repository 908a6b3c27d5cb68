// The arguments of CREATE VIRTUAL TABLE ... USING nori(...), parsed.

#ifndef NORI_VTAB_SCHEMA_H_
#define NORI_VTAB_SCHEMA_H_

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace nori {

enum class Affinity : uint8_t { kBlob, kText, kNumeric, kInteger, kReal };
enum class Collation : uint8_t { kBinary, kNocase, kRtrim };

// SQLite's rules for the affinity of a declared type (datatype3, section 3.1).
Affinity AffinityOfType(std::string_view declared_type);

struct Column {
  std::string name;           // unquoted
  std::string declared_type;  // as written; may be empty
  Affinity affinity = Affinity::kBlob;
  Collation collation = Collation::kBinary;
  bool not_null = false;
};

struct KeyColumn {
  int column = 0;             // index into TableSchema::columns
  bool descending = false;
  Collation collation = Collation::kBinary;
};

enum class RowIdentity : uint8_t {
  kRowidAlias,   // INTEGER PRIMARY KEY: rowid_column is the rowid
  kAutoRowid,    // no primary key: hidden rowid
  kKey,          // any other key: WITHOUT ROWID, key columns below
};

struct TableSchema {
  std::vector<Column> columns;
  RowIdentity identity = RowIdentity::kAutoRowid;
  int rowid_column = -1;             // kRowidAlias only
  bool rowid_descending = false;     // INTEGER PRIMARY KEY DESC is no alias in SQLite: then kKey
  std::vector<KeyColumn> key;        // kKey: the primary key, in order
  std::map<std::string, std::string> options;  // name=value, names lower-case

  int FindColumn(std::string_view name) const;  // ASCII case-insensitive; -1

  // The text for sqlite3_declare_vtab. kKey tables get a hidden BLOB column
  // (named by kKeyColumnName) last, the one-column key of a WITHOUT ROWID
  // declaration. PRIMARY KEY and UNIQUE appear nowhere else in it.
  std::string DeclarationSql() const;
};

inline constexpr char kKeyColumnName[] = "nori_key";

// Parses the module arguments (argv[3..]). kInvalidArgument with a message that
// names the column, clause or option for whatever SQLite itself would refuse in
// CREATE TABLE, and for what is not supported (kUnimplemented, named).
absl::StatusOr<TableSchema> ParseSchema(const std::vector<std::string>& arguments);

}  // namespace nori

#endif  // NORI_VTAB_SCHEMA_H_
