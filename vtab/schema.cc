#include "vtab/schema.h"

#include "vtab/sql_tokenizer.h"
#include "vtab/text.h"

namespace nori {
namespace {

// Whether `type` reads back as the same declared type without quotes.
bool IsPlainType(std::string_view type) {
  const std::vector<SqlToken> tokens = TokenizeSql(type);
  // ALWAYS at the end would be dropped (see the parser of types).
  if (tokens.size() >= 2 && tokens[tokens.size() - 2].IsWord("ALWAYS")) {
    return false;
  }
  size_t i = 0;
  while (tokens[i].type == SqlTokenType::kWord &&
         IsSqlTypeWord(tokens[i].text)) {
    ++i;
  }
  if (i == 0 || tokens[0].offset != 0) return false;
  if (tokens[i].IsSymbol('(')) {
    do {
      ++i;
      if (tokens[i].IsSymbol('+') || tokens[i].IsSymbol('-')) ++i;
      if (tokens[i].type != SqlTokenType::kNumber) return false;
      ++i;
    } while (tokens[i].IsSymbol(','));
    if (!tokens[i].IsSymbol(')')) return false;
    ++i;
  }
  // Blanks or a comment at the end would not be part of the type again.
  return tokens[i].type == SqlTokenType::kEnd &&
         tokens[i - 1].offset + tokens[i - 1].text.size() == type.size();
}

// Appends the type of a declaration, with a blank in front.
void AppendType(const Column& column, bool strict, std::string* sql) {
  const std::string& type = column.declared_type;
  if (type.empty()) return;
  // ANY of a STRICT table means no affinity; elsewhere it would mean NUMERIC.
  if (strict && EqualsIgnoreCase(type, "ANY")) {
    sql->append(" BLOB");
  } else {
    sql->append(Concat({" ", IsPlainType(type) ? type : QuoteSqlName(type)}));
  }
}

}  // namespace

Affinity AffinityOfType(std::string_view declared_type) {
  if (declared_type.empty()) return Affinity::kBlob;
  // A rolling window over the last four lower-case characters.
  constexpr auto window_of = [](const char(&word)[5]) {
    return uint32_t{static_cast<uint8_t>(word[0])} << 24 |
           uint32_t{static_cast<uint8_t>(word[1])} << 16 |
           uint32_t{static_cast<uint8_t>(word[2])} << 8 |
           uint32_t{static_cast<uint8_t>(word[3])};
  };
  Affinity affinity = Affinity::kNumeric;
  uint32_t window = 0;
  for (const char c : declared_type) {
    window = window << 8 | static_cast<uint8_t>(ToLowerAscii(c));
    if (window == window_of("char") || window == window_of("clob") ||
        window == window_of("text")) {
      affinity = Affinity::kText;
    } else if (window == window_of("blob")) {
      if (affinity == Affinity::kNumeric || affinity == Affinity::kReal) {
        affinity = Affinity::kBlob;
      }
    } else if (window == window_of("real") || window == window_of("floa") ||
               window == window_of("doub")) {
      if (affinity == Affinity::kNumeric) affinity = Affinity::kReal;
    } else if ((window & 0xffffff) == (window_of("\0int") & 0xffffff)) {
      return Affinity::kInteger;
    }
  }
  return affinity;
}

std::optional<Collation> CollationOfName(std::string_view name) {
  for (const Collation collation :
       {Collation::kBinary, Collation::kNocase, Collation::kRtrim}) {
    if (EqualsIgnoreCase(name, CollationName(collation))) {
      return collation;
    }
  }
  return std::nullopt;
}

std::string_view CollationName(Collation collation) {
  switch (collation) {
    case Collation::kBinary:
      return "BINARY";
    case Collation::kNocase:
      return "NOCASE";
    case Collation::kRtrim:
      return "RTRIM";
  }
  return "";
}

int TableSchema::FindColumn(std::string_view name) const {
  for (size_t i = 0; i < columns.size(); ++i) {
    if (EqualsIgnoreCase(columns[i].name, name)) {
      return static_cast<int>(i);
    }
  }
  return -1;
}

const IndexSchema* TableSchema::FindIndex(std::string_view name) const {
  for (const IndexSchema& index : indexes) {
    if (EqualsIgnoreCase(index.name, name)) return &index;
  }
  return nullptr;
}

std::string IndexSql(const TableSchema& table, const IndexSchema& index) {
  const std::string name = QuoteSqlName(index.name);
  return Concat(
      {index.constraint
           ? Concat({"CONSTRAINT ", name, " UNIQUE"})
           : Concat({index.unique ? "UNIQUE INDEX " : "INDEX ", name}),
       IndexColumnsSql(table, index)});
}

std::string IndexColumnsSql(const TableSchema& table,
                            const IndexSchema& index) {
  std::string sql;
  const char* separator = "(";
  for (const KeyColumn& key : index.columns) {
    const Column& column = table.columns[static_cast<size_t>(key.column)];
    sql.append(Concat({separator, QuoteSqlName(column.name)}));
    if (key.collation != column.collation) {
      sql.append(Concat({" COLLATE ", CollationName(key.collation)}));
    }
    if (key.descending) sql.append(" DESC");
    separator = ", ";
  }
  sql.push_back(')');
  return sql;
}

std::string TableSchema::NativeSql(std::string_view schema_name,
                                   std::string_view name) const {
  std::string sql = Concat({"CREATE TABLE ", QuoteSqlName(schema_name), ".",
                            QuoteSqlName(name), "("});
  const char* separator = "";
  for (const std::string& definition : definitions) {
    sql.append(Concat({separator, definition, "\n"}));
    separator = ",";
  }
  sql.push_back(')');
  if (identity == RowIdentity::kKey) sql.append(" WITHOUT ROWID");
  if (strict) {
    sql.append(identity == RowIdentity::kKey ? ", STRICT" : " STRICT");
  }
  return sql;
}

std::string TableSchema::RowSql() const {
  std::string sql = "CREATE TABLE x";
  const char* separator = "(";
  for (const Column& column : columns) {
    sql.append(Concat({separator, QuoteSqlName(column.name)}));
    AppendType(column, strict, &sql);
    sql.append(Concat({" COLLATE ", CollationName(column.collation)}));
    separator = ", ";
  }
  sql.push_back(')');
  return sql;
}

std::string TableSchema::DeclarationSql() const {
  std::string sql = "CREATE TABLE x(";
  for (size_t i = 0; i < columns.size(); ++i) {
    const Column& column = columns[i];
    sql.append(Concat({i == 0 ? "" : ", ", QuoteSqlName(column.name)}));
    AppendType(column, strict, &sql);
    if (static_cast<int>(i) == rowid_column) {
      sql.append(" PRIMARY KEY");
    }
    if (column.not_null) sql.append(" NOT NULL");
    if (column.collation != Collation::kBinary) {
      sql.append(Concat({" COLLATE ", CollationName(column.collation)}));
    }
  }
  sql.append(Concat({", ", kSnapshotColumnName, " TEXT HIDDEN"}));
  if (identity == RowIdentity::kKey) {
    sql.append(Concat({", ", kKeyColumnName,
                       " BLOB HIDDEN PRIMARY KEY NOT NULL) WITHOUT ROWID"}));
  } else {
    sql.push_back(')');
  }
  return sql;
}

}  // namespace nori
