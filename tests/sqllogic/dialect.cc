#include "tests/sqllogic/dialect.h"

#include <optional>
#include <utility>
#include <vector>

#include "vtab/sql_tokenizer.h"
#include "vtab/text.h"

namespace nori::sqllogic {
namespace {

// The tokens of a statement, taken one after the other.
class Tokens {
 public:
  explicit Tokens(std::string_view sql)
      : sql_(sql), tokens_(TokenizeSql(sql)) {}

  const SqlToken& Peek() const { return tokens_[next_]; }
  bool TakeWord(std::string_view word) {
    if (!Peek().IsWord(word)) return false;
    ++next_;
    return true;
  }
  bool TakeSymbol(char c) {
    if (!Peek().IsSymbol(c)) return false;
    ++next_;
    return true;
  }
  bool TakeIfNotExists() {
    return TakeWord("IF") && TakeWord("NOT") && TakeWord("EXISTS");
  }
  bool AtEnd() const { return Peek().type == SqlTokenType::kEnd; }
  struct Name {
    std::string schema, name;  // without quotes; no schema: ""
    std::string_view written;  // both
  };
  Name TakeName() {
    Name taken;
    const size_t begin = Peek().offset;
    taken.name = DequoteSql(Peek().text);
    Take();
    if (TakeSymbol('.')) {
      taken.schema = std::move(taken.name);
      taken.name = DequoteSql(Peek().text);
      Take();
    }
    const SqlToken& last = tokens_[next_ - 1];
    taken.written = sql_.substr(begin, last.offset + last.text.size() - begin);
    return taken;
  }
  // After '(' has been taken: what is before its ')', which is taken.
  std::optional<std::string_view> TakeToClosing() {
    const size_t begin = Peek().offset;
    int depth = 1;
    while (!AtEnd()) {
      if (Peek().IsSymbol('(')) ++depth;
      if (Peek().IsSymbol(')')) --depth;
      const size_t end = Peek().offset;
      Take();
      if (depth == 0) return sql_.substr(begin, end - begin);
    }
    return std::nullopt;
  }

 private:
  void Take() {
    if (!AtEnd()) ++next_;
  }

  const std::string_view sql_;
  const std::vector<SqlToken> tokens_;
  size_t next_ = 0;
};

// As a string of SQL.
std::string Literal(std::string_view text) {
  std::string literal = "'";
  for (const char c : text) literal.append(c == '\'' ? 2 : 1, c);
  return literal + "'";
}

std::optional<std::string> NoriTable(std::string_view sql,
                                     std::string_view more_arguments) {
  Tokens tokens(sql);
  if (!tokens.TakeWord("CREATE")) return std::nullopt;
  const bool temporary =
      tokens.TakeWord("TEMP") || tokens.TakeWord("TEMPORARY");
  if (!tokens.TakeWord("TABLE")) return std::nullopt;
  std::string create = "CREATE VIRTUAL TABLE ";
  if (tokens.TakeIfNotExists()) create += "IF NOT EXISTS ";
  const Tokens::Name name = tokens.TakeName();
  if (!tokens.TakeSymbol('(')) return std::nullopt;
  const std::optional<std::string_view> definitions = tokens.TakeToClosing();
  if (!definitions) return std::nullopt;
  create += Concat({temporary && name.schema.empty() ? "temp." : "",
                    name.written, " USING nori(", *definitions});
  do {
    if (tokens.TakeWord("STRICT")) {
      create += ", STRICT";
    } else if (tokens.TakeWord("WITHOUT")) {
      if (!tokens.TakeWord("ROWID")) return std::nullopt;
      create += ", WITHOUT ROWID";
    } else {
      break;
    }
  } while (tokens.TakeSymbol(','));
  if (!tokens.AtEnd() && !tokens.TakeSymbol(';')) return std::nullopt;
  return Concat({create, more_arguments, ")"});
}

// The text in the first column of a query's first row, if there is one.
std::optional<std::string> First(sqlite3* db, const std::string& query) {
  sqlite3_stmt* statement = nullptr;
  std::optional<std::string> text;
  if (sqlite3_prepare_v2(db, query.c_str(), -1, &statement, nullptr) ==
          SQLITE_OK &&
      sqlite3_step(statement) == SQLITE_ROW) {
    const unsigned char* bytes = sqlite3_column_text(statement, 0);
    text = bytes == nullptr ? "" : reinterpret_cast<const char*>(bytes);
  }
  sqlite3_finalize(statement);
  return text;
}

bool IsNori(sqlite3* db, const Tokens::Name& table) {
  const std::string schema = table.schema.empty() ? "main" : table.schema;
  return First(db, Concat({"SELECT 1 FROM ", QuoteSqlName(schema),
                           ".sqlite_schema WHERE sql LIKE 'CREATE VIRTUAL "
                           "TABLE%' AND name = ",
                           Literal(table.name), " COLLATE NOCASE"}))
      .has_value();
}

std::optional<std::string> NoriIndex(sqlite3* db, std::string_view sql) {
  Tokens tokens(sql);
  if (!tokens.TakeWord("CREATE")) return std::nullopt;
  const bool unique = tokens.TakeWord("UNIQUE");
  if (!tokens.TakeWord("INDEX")) return std::nullopt;
  tokens.TakeIfNotExists();
  const Tokens::Name index = tokens.TakeName();
  if (!tokens.TakeWord("ON")) return std::nullopt;
  Tokens::Name table = tokens.TakeName();
  table.schema = index.schema;
  if (!tokens.TakeSymbol('(')) return std::nullopt;
  const std::optional<std::string_view> columns = tokens.TakeToClosing();
  if (!columns || !tokens.AtEnd() || !IsNori(db, table)) return std::nullopt;
  return Concat(
      {"SELECT nori_create_index(",
       Literal(table.schema.empty() ? table.name
                                    : Concat({table.schema, ".", table.name})),
       ", ", Literal(index.name), ", ", Literal(*columns),
       unique ? ", 'unique')" : ")"});
}

std::optional<std::string> DropNoriIndex(sqlite3* db, std::string_view sql) {
  Tokens tokens(sql);
  if (!tokens.TakeWord("DROP") || !tokens.TakeWord("INDEX")) {
    return std::nullopt;
  }
  if (tokens.TakeWord("IF")) tokens.TakeWord("EXISTS");
  const Tokens::Name index = tokens.TakeName();
  const std::optional<std::string> table =
      First(db, Concat({"SELECT tbl FROM nori_indexes WHERE name = ",
                        Literal(index.name), " COLLATE NOCASE"}));
  if (!table) return std::nullopt;
  return Concat({"SELECT nori_drop_index(", Literal(*table), ", ",
                 Literal(index.name), ")"});
}

}  // namespace

std::string ToNori(sqlite3* db, std::string_view sql,
                   std::string_view more_arguments) {
  std::optional<std::string> nori = NoriTable(sql, more_arguments);
  if (!nori) nori = NoriIndex(db, sql);
  if (!nori) nori = DropNoriIndex(db, sql);
  return nori.value_or(std::string(sql));
}

}  // namespace nori::sqllogic
