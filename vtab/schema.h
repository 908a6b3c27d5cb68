// The arguments of CREATE VIRTUAL TABLE ... USING nori(...), parsed.

#ifndef NORI_VTAB_SCHEMA_H_
#define NORI_VTAB_SCHEMA_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace nori {

enum class Affinity : uint8_t { kBlob, kText, kNumeric, kInteger, kReal };
enum class Collation : uint8_t { kBinary, kNocase, kRtrim };

// SQLite's rules for the affinity of a declared type, given without quotes
// (https://sqlite.org/datatype3.html, section 3.1).
Affinity AffinityOfType(std::string_view declared_type);

// The built-in collation called `name`, ASCII case-insensitively; nullopt for
// any other name.
std::optional<Collation> CollationOfName(std::string_view name);
// Its name in upper case.
std::string_view CollationName(Collation collation);

struct Column {
  std::string name;           // unquoted
  std::string declared_type;  // as written, unquoted; may be empty
  Affinity affinity = Affinity::kBlob;
  Collation collation = Collation::kBinary;
  std::string default_sql;  // an expression; empty: no DEFAULT
  // Whether a NULL must be refused. Always true for the columns of a kKey key,
  // as in a WITHOUT ROWID table; never for a rowid alias, where NULL asks for a
  // new rowid.
  bool not_null = false;
};

struct KeyColumn {
  int column = 0;  // index into TableSchema::columns
  bool descending = false;
  Collation collation = Collation::kBinary;
};

enum class RowIdentity : uint8_t {
  kRowidAlias,  // INTEGER PRIMARY KEY: rowid_column is the rowid
  kAutoRowid,   // no primary key: hidden rowid
  kKey,         // any other key: WITHOUT ROWID, key columns below
};

// A secondary index.
struct IndexSchema {
  // The index id of its engine keys, from 1. Never used again in the table.
  uint32_t id = 0;
  std::string name;  // unquoted; unique in the table
  bool unique = false;
  bool constraint = false;         // made by UNIQUE, not by INDEX
  std::vector<KeyColumn> columns;  // as written: one may come twice
};

// A CHECK constraint of a column or of the table.
struct Check {
  std::string name;        // in "CHECK constraint failed: ..."
  std::string expression;  // columns in it are not qualified
  // Which columns, and whether the rowid, it may depend on.
  std::vector<bool> columns;
  bool rowid = false;
};

struct TableSchema {
  std::vector<Column> columns;
  RowIdentity identity = RowIdentity::kAutoRowid;
  int rowid_column = -1;       // kRowidAlias only
  std::vector<KeyColumn> key;  // kKey: the primary key, in order
  // In the order of their making, which is that of their ids: constraints
  // before INDEX arguments. A constraint that repeats the key or an older one
  // has none, as in SQLite.
  std::vector<IndexSchema> indexes;
  // kKey: how many of the indexes of the definition were made before the key,
  // which is also the highest id among them. SQLite checks unique indexes, this
  // key among them, from the last made to the first.
  size_t indexes_before_key = 0;
  std::vector<Check> checks;                   // in the order of checking
  bool strict = false;                         // types are enforced; ANY is one
  std::map<std::string, std::string> options;  // name=value, names lower-case
  // Holds CHECK, DEFAULT, REFERENCES or STRICT, which SQLite should look at.
  bool needs_check = false;
  // The arguments that an ordinary table's definition has, too, as written.
  std::vector<std::string> definitions;

  // The index called `name`, ASCII case-insensitively; null if none.
  const IndexSchema* FindIndex(std::string_view name) const;

  // CREATE TABLE schema.name with all that an ordinary table of this definition
  // has: for SQLite to find what is wrong with it. Not the INDEX arguments.
  std::string NativeSql(std::string_view schema_name,
                        std::string_view name) const;
  // CREATE TABLE x(...) of the columns with type and collation alone, so that
  // expressions over x find them as over the table.
  std::string RowSql() const;

  // Index of the column called `name`, ASCII case-insensitively; -1 if none.
  int FindColumn(std::string_view name) const;

  // Index of the first hidden column, kSnapshotColumnName: in a condition it
  // says which snapshot to read.
  int snapshot_column() const { return static_cast<int>(columns.size()); }
  // Index of the second one, kKeyColumnName; only kKey tables have it.
  int key_column() const { return snapshot_column() + 1; }

  // The text for sqlite3_declare_vtab. kKey tables get a hidden BLOB column
  // (named by kKeyColumnName) last, the one-column key of a WITHOUT ROWID
  // declaration. PRIMARY KEY and UNIQUE appear nowhere else in it.
  std::string DeclarationSql() const;
};

// The table argument that makes the index: "INDEX name(columns)", "UNIQUE INDEX
// name(columns)" or "CONSTRAINT name UNIQUE(columns)". What ParseIndex reads.
std::string IndexSql(const TableSchema& table, const IndexSchema& index);
// Its "(columns)", as CREATE INDEX takes them, too.
std::string IndexColumnsSql(const TableSchema& table, const IndexSchema& index);

inline constexpr char kKeyColumnName[] = "nori_key";
inline constexpr char kSnapshotColumnName[] = "nori_snapshot";

// Most columns a table can have: SQLite's default limit, less the hidden ones.
inline constexpr size_t kMaxColumns = 1998;

// Parses the module arguments (argv[3..]), each the text between two top-level
// commas. Accepts column definitions and then table constraints as CREATE TABLE
// does, WITHOUT ROWID and STRICT as further arguments, and options, name=value,
// anywhere. Any primary key that is not a rowid alias makes a WITHOUT ROWID
// table, asked for or not. An option's value is kept unquoted if it is one
// quoted token, else as written; which options exist is the caller's to check.
//
// Indexes stand among the table constraints: UNIQUE(...), INDEX [name](...),
// UNIQUE INDEX [name](...), each with COLLATE and ASC or DESC per column. A
// UNIQUE constraint's name is that of its index. Indexes without a name are
// called nori_autoindex_<id>.
//
// Errors name the column, clause or option, worded as SQLite's where it has a
// wording: kInvalidArgument for what SQLite itself refuses in CREATE TABLE,
// kUnimplemented for what it takes and this does not (GENERATED,
// AUTOINCREMENT, conflict
// clauses other than ABORT, collations other than the built-in ones, a column
// called nori_key or nori_snapshot, a type that holds the word HIDDEN).
absl::StatusOr<TableSchema> ParseSchema(
    const std::vector<std::string>& arguments);

// Parses one argument that makes an index of `table`, as ParseSchema does, with
// its errors. The index's id is 0; its name is empty if it has none.
absl::StatusOr<IndexSchema> ParseIndex(const TableSchema& table,
                                       std::string_view definition);

}  // namespace nori

#endif  // NORI_VTAB_SCHEMA_H_
