#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "engine/format/status_macros.h"
#include "vtab/argument_cursor.h"
#include "vtab/constraint_parser.h"
#include "vtab/schema.h"
#include "vtab/schema_indexes.h"
#include "vtab/sql_tokenizer.h"
#include "vtab/text.h"

namespace nori {
namespace {

// SQLite's reading of a type: ALWAYS and GENERATED ALWAYS at the end are taken
// for the beginning of a generated column, also where none follows.
std::string_view WithoutGeneratedAlways(std::string_view type) {
  constexpr std::string_view kGenerated = "generated";
  constexpr std::string_view kAlways = "always";
  const auto drop = [&type](std::string_view word) {
    if (type.size() < word.size() ||
        !EqualsIgnoreCase(type.substr(type.size() - word.size()), word)) {
      return false;
    }
    type.remove_suffix(word.size());
    while (!type.empty() &&
           absl::ascii_isspace(static_cast<unsigned char>(type.back()))) {
      type.remove_suffix(1);
    }
    return true;
  };
  if (type.size() >= 16 && drop(kAlways)) drop(kGenerated);
  return type;
}

// SQLite's first step in unquoting a type: without looking further, the first
// and the last character of what begins with a quote and holds none inside.
std::string_view StripOuterQuotes(std::string_view type) {
  constexpr std::string_view kQuotes = "'\"`[";
  if (type.size() < 3 || kQuotes.find(type[0]) == std::string_view::npos) {
    return type;
  }
  const std::string_view inside = type.substr(1, type.size() - 2);
  return inside.find_first_of(kQuotes) == std::string_view::npos ? inside
                                                                 : type;
}

// SQLite removes the word HIDDEN from the types of virtual tables and hides the
// column.
bool HoldsHidden(std::string_view type) {
  constexpr std::string_view kHidden = "hidden";
  const auto is_edge = [&](size_t i) {
    return i >= type.size() ||
           !absl::ascii_isalnum(static_cast<unsigned char>(type[i]));
  };
  for (size_t i = 0; i + kHidden.size() <= type.size(); ++i) {
    if (EqualsIgnoreCase(type.substr(i, kHidden.size()), kHidden) &&
        (i == 0 || is_edge(i - 1)) && is_edge(i + kHidden.size())) {
      return true;
    }
  }
  return false;
}

class SchemaParser : private ArgumentCursor {
 public:
  SchemaParser() = default;
  // For more arguments of a table that is there.
  explicit SchemaParser(const TableSchema& table) : schema_(table) {}

  absl::StatusOr<IndexSchema> OneIndex(std::string_view definition) {
    NORI_RETURN_IF_ERROR(Argument(definition));
    if (indexes_.size() != 1 || has_key_) {
      return InvalidSchema(Concat({"no index: \"", definition, "\""}));
    }
    IndexSchema index = ResolveIndex(schema_, indexes_[0]);
    index.name = indexes_[0].name;
    return index;
  }

  absl::Status Argument(std::string_view text) {
    NORI_RETURN_IF_ERROR(Start(text));
    text_ = text;
    is_index_ = false;
    constraint_name_.clear();
    if (AtEnd()) return absl::OkStatus();
    if (Peek(1).IsSymbol('=')) return Option();
    if (!schema_.columns.empty()) {
      if (Peek().IsWord("WITHOUT") && Peek(1).IsWord("ROWID") &&
          Peek(2).type == SqlTokenType::kEnd) {
        without_rowid_ = true;
        return absl::OkStatus();
      }
      if (Peek().IsWord("STRICT") && Peek(1).type == SqlTokenType::kEnd) {
        schema_.strict = schema_.needs_check = true;
        return absl::OkStatus();
      }
    }
    NORI_RETURN_IF_ERROR(AtTableConstraint() ? TableConstraints()
                                             : ColumnDefinition());
    if (!is_index_) schema_.definitions.emplace_back(text);
    return absl::OkStatus();
  }

  absl::StatusOr<TableSchema> Finish() {
    if (schema_.columns.empty()) {
      return InvalidSchema("table must have at least one column");
    }
    if (!has_key_) {
      if (without_rowid_) return InvalidSchema("PRIMARY KEY missing on table");
      return FinishIndexes();
    }
    Column& first = schema_.columns[static_cast<size_t>(key_[0].column)];
    const bool is_integer = key_.size() == 1 && !descending_column_key_ &&
                            is_integer_[static_cast<size_t>(key_[0].column)];
    if (is_integer && !without_rowid_) {
      schema_.identity = RowIdentity::kRowidAlias;
      schema_.rowid_column = key_[0].column;
      first.not_null = false;
      return FinishIndexes();
    }
    // An alias made an ordinary key by WITHOUT ROWID has lost its COLLATE: in
    // SQLite the key is rebuilt from the column, after all else.
    if (is_integer) {
      key_[0].collation.reset();
      constraints_before_key_ = UniqueConstraints();
    }
    schema_.identity = RowIdentity::kKey;
    for (const KeyTerm& term : key_) AddKeyColumn(term);
    return FinishIndexes();
  }

 private:
  absl::StatusOr<TableSchema> FinishIndexes() {
    ResolveChecks(&schema_);
    for (Column& column : schema_.columns) {
      // Elsewhere it would be NUMERIC.
      if (schema_.strict && EqualsIgnoreCase(column.declared_type, "ANY")) {
        column.affinity = Affinity::kBlob;
      }
    }
    schema_.indexes_before_key = constraints_before_key_;
    NORI_RETURN_IF_ERROR(AddIndexes(std::move(indexes_), &schema_));
    return std::move(schema_);
  }

  absl::Status Option() {
    NORI_ASSIGN_OR_RETURN(std::string name, Name());
    absl::AsciiStrToLower(&name);
    Skip(1);
    if (AtEnd()) {
      return InvalidSchema(Concat({"option \"", name, "\" has no value"}));
    }
    const bool is_quoted = Peek().type == SqlTokenType::kQuoted &&
                           Peek(1).type == SqlTokenType::kEnd;
    const std::string_view raw = Rest();
    std::string value = is_quoted ? DequoteSql(raw) : std::string(raw);
    if (!schema_.options.emplace(name, std::move(value)).second) {
      return InvalidSchema(Concat({"duplicate option: ", name}));
    }
    return absl::OkStatus();
  }

  // --- Columns ---

  absl::Status ColumnDefinition() {
    if (without_rowid_ || seen_constraint_) return SyntaxError();
    Column column;
    NORI_ASSIGN_OR_RETURN(column.name, Name());
    if (schema_.FindColumn(column.name) >= 0) {
      return InvalidSchema(Concat({"duplicate column name: ", column.name}));
    }
    if (EqualsIgnoreCase(column.name, kKeyColumnName) ||
        EqualsIgnoreCase(column.name, kSnapshotColumnName)) {
      return UnsupportedSchema(
          Concat({"the column name ", column.name, " is reserved"}));
    }
    if (schema_.columns.size() == kMaxColumns) {
      return InvalidSchema("too many columns");
    }
    NORI_ASSIGN_OR_RETURN(const std::string_view type, Type());
    const std::string_view stripped = StripOuterQuotes(type);
    // Not so if only a part of it is in quotes.
    is_integer_.push_back(EqualsIgnoreCase(stripped, "INTEGER"));
    column.declared_type = DequoteSql(stripped);
    column.affinity = AffinityOfType(column.declared_type);
    if (HoldsHidden(column.declared_type)) {
      return UnsupportedSchema(Concat(
          {"column ", column.name, ": HIDDEN in a type is not supported"}));
    }
    schema_.columns.push_back(std::move(column));
    while (!AtEnd()) NORI_RETURN_IF_ERROR(ColumnConstraint());
    return absl::OkStatus();
  }

  // The text of the type, quotes included; empty if there is none.
  absl::StatusOr<std::string_view> Type() {
    const size_t begin = Peek().offset;
    size_t end = begin;
    while (AtTypeWord()) {
      end = Peek().offset + Peek().text.size();
      Skip(1);
    }
    if (end != begin && TakeSymbol('(')) {
      NORI_RETURN_IF_ERROR(SignedNumber());
      if (TakeSymbol(',')) NORI_RETURN_IF_ERROR(SignedNumber());
      if (!Peek().IsSymbol(')')) return SyntaxError();
      end = Peek().offset + 1;
      Skip(1);
    }
    return WithoutGeneratedAlways(text_.substr(begin, end - begin));
  }

  absl::Status SignedNumber() {
    if (!TakeSymbol('+')) TakeSymbol('-');
    if (Peek().type != SqlTokenType::kNumber) return SyntaxError();
    Skip(1);
    return absl::OkStatus();
  }

  absl::Status ColumnConstraint() {
    Column& column = schema_.columns.back();
    if (TakeWord("CONSTRAINT")) {
      NORI_ASSIGN_OR_RETURN(constraint_name_, Name());
      return absl::OkStatus();
    }
    if (TakeWord("COLLATE")) {
      NORI_ASSIGN_OR_RETURN(column.collation, CollationClause());
      return absl::OkStatus();
    }
    if (TakeWord("NULL")) return ConflictClause();
    if (Peek().IsWord("NOT") && Peek(1).IsWord("NULL")) {
      Skip(2);
      column.not_null = true;
      return ConflictClause();
    }
    if (TakeWord("PRIMARY")) {
      if (!TakeWord("KEY")) return SyntaxError();
      return ColumnPrimaryKey();
    }
    if (TakeWord("UNIQUE")) {
      IndexTerms index;
      index.name = constraint_name_;
      index.unique = index.constraint = true;
      index.terms.push_back(
          {static_cast<int>(schema_.columns.size()) - 1, std::nullopt, false});
      indexes_.push_back(std::move(index));
      return ConflictClause();
    }
    if (TakeWord("CHECK")) return AddCheck();
    if (TakeWord("DEFAULT")) {
      schema_.needs_check = true;
      NORI_ASSIGN_OR_RETURN(column.default_sql, ParseDefault(this));
      return absl::OkStatus();
    }
    if (TakeWord("REFERENCES")) {
      schema_.needs_check = true;
      return ParseReferences(this);
    }
    if (Peek().IsWord("NOT") && Peek(1).IsWord("DEFERRABLE")) Skip(1);
    if (TakeWord("DEFERRABLE")) return ParseDeferrable(this);
    if (Peek().IsWord("AS")) {
      return UnsupportedSchema(Concat(
          {"column ", column.name, ": GENERATED ALWAYS AS is not supported"}));
    }
    TakeWord("NOT");
    return SyntaxError();
  }

  absl::Status AddCheck() {
    NORI_ASSIGN_OR_RETURN(Check check, ParseCheck(this, constraint_name_));
    schema_.checks.push_back(std::move(check));
    schema_.needs_check = true;
    return absl::OkStatus();
  }

  absl::StatusOr<Collation> CollationClause() {
    if (!AtTypeWord()) return SyntaxError();
    const std::string name = DequoteSql(Peek().text);
    Skip(1);
    const std::optional<Collation> collation = CollationOfName(name);
    if (!collation.has_value()) {
      return UnsupportedSchema(Concat({"no such collation sequence: ", name,
                                       " (BINARY, NOCASE and RTRIM only)"}));
    }
    return *collation;
  }

  absl::Status ConflictClause() {
    if (!TakeWord("ON")) return absl::OkStatus();
    if (!TakeWord("CONFLICT")) return SyntaxError();
    if (TakeWord("ABORT")) return absl::OkStatus();
    for (const std::string_view action :
         {"IGNORE", "REPLACE", "ROLLBACK", "FAIL"}) {
      if (Peek().IsWord(action)) {
        return UnsupportedSchema(
            Concat({"ON CONFLICT ", action,
                    " in a table definition is not supported; use "
                    "INSERT OR ",
                    action}));
      }
    }
    return SyntaxError();
  }

  absl::Status ColumnPrimaryKey() {
    KeyTerm term;
    term.column = static_cast<int>(schema_.columns.size()) - 1;
    term.descending = SortOrder();
    NORI_RETURN_IF_ERROR(ConflictClause());
    NORI_RETURN_IF_ERROR(RefuseAutoincrement());
    NORI_RETURN_IF_ERROR(StartKey());
    descending_column_key_ = term.descending;
    key_.push_back(term);
    return absl::OkStatus();
  }

  // --- Keys ---

  bool SortOrder() {
    if (TakeWord("ASC")) return false;
    return TakeWord("DESC");
  }

  absl::Status RefuseAutoincrement() const {
    if (!Peek().IsWord("AUTOINCREMENT")) return absl::OkStatus();
    return UnsupportedSchema("AUTOINCREMENT is not supported");
  }

  absl::Status StartKey() {
    if (has_key_) return InvalidSchema("table has more than one primary key");
    has_key_ = true;
    constraints_before_key_ = UniqueConstraints();
    return absl::OkStatus();
  }

  size_t UniqueConstraints() const {
    return static_cast<size_t>(
        std::count_if(indexes_.begin(), indexes_.end(),
                      [](const IndexTerms& made) { return made.constraint; }));
  }

  bool AtTableConstraint() const {
    return Peek().IsWord("CONSTRAINT") || Peek().IsWord("PRIMARY") ||
           Peek().IsWord("UNIQUE") || Peek().IsWord("CHECK") ||
           Peek().IsWord("FOREIGN") || Peek().IsWord("INDEX");
  }

  absl::Status TableConstraints() {
    if (schema_.columns.empty() || without_rowid_) return SyntaxError();
    seen_constraint_ = true;
    while (!AtEnd()) {
      if (TakeWord("CONSTRAINT")) {
        NORI_ASSIGN_OR_RETURN(constraint_name_, Name());
      } else if (TakeWord("PRIMARY")) {
        if (!TakeWord("KEY")) return SyntaxError();
        NORI_RETURN_IF_ERROR(TablePrimaryKey());
      } else if (Peek().IsWord("UNIQUE") || Peek().IsWord("INDEX")) {
        NORI_RETURN_IF_ERROR(Index());
      } else if (TakeWord("CHECK")) {
        NORI_RETURN_IF_ERROR(AddCheck());
        NORI_RETURN_IF_ERROR(ConflictClause());
      } else if (TakeWord("FOREIGN")) {
        schema_.needs_check = true;
        NORI_RETURN_IF_ERROR(ParseForeignKey(this));
      } else {
        return SyntaxError();
      }
    }
    return absl::OkStatus();
  }

  absl::Status TablePrimaryKey() {
    NORI_ASSIGN_OR_RETURN(std::vector<KeyTerm> terms, KeyTerms());
    NORI_RETURN_IF_ERROR(ConflictClause());
    NORI_RETURN_IF_ERROR(StartKey());
    key_ = std::move(terms);
    return absl::OkStatus();
  }

  // UNIQUE(...), INDEX [name](...) or UNIQUE INDEX [name](...).
  absl::Status Index() {
    IndexTerms index;
    index.unique = TakeWord("UNIQUE");
    index.constraint = !TakeWord("INDEX");
    is_index_ = is_index_ || !index.constraint;
    if (index.constraint) {
      index.name = constraint_name_;
    } else if (!Peek().IsSymbol('(')) {
      NORI_ASSIGN_OR_RETURN(index.name, Name());
    }
    NORI_ASSIGN_OR_RETURN(index.terms, KeyTerms());
    if (index.constraint) {
      NORI_RETURN_IF_ERROR(ConflictClause());
    } else if (Peek().IsWord("WHERE")) {
      return UnsupportedSchema("WHERE of an INDEX is not supported");
    }
    indexes_.push_back(std::move(index));
    return absl::OkStatus();
  }

  // The columns of a key, in parentheses.
  absl::StatusOr<std::vector<KeyTerm>> KeyTerms() {
    if (!TakeSymbol('(')) return SyntaxError();
    std::vector<KeyTerm> terms;
    do {
      KeyTerm term;
      NORI_RETURN_IF_ERROR(KeyExpression(&term));
      term.descending = SortOrder();
      if (Peek().IsWord("NULLS") &&
          (Peek(1).IsWord("FIRST") || Peek(1).IsWord("LAST"))) {
        return InvalidSchema(
            Concat({"unsupported use of NULLS ", ToUpperAscii(Peek(1).text)}));
      }
      terms.push_back(term);
    } while (TakeSymbol(','));
    NORI_RETURN_IF_ERROR(RefuseAutoincrement());
    if (!TakeSymbol(')')) return SyntaxError();
    return terms;
  }

  // A column name in any number of parentheses, with COLLATE anywhere after it;
  // the outermost COLLATE counts.
  absl::Status KeyExpression(KeyTerm* term) {
    size_t depth = 0;
    while (TakeSymbol('(')) ++depth;
    const SqlToken& token = Peek();
    const bool is_name =
        token.type == SqlTokenType::kQuoted ||
        (token.type == SqlTokenType::kWord && IsSqlNameWord(token.text));
    if (!is_name) {
      const bool is_expression = token.type == SqlTokenType::kNumber ||
                                 token.IsSymbol('+') || token.IsSymbol('-') ||
                                 token.IsWord("NULL") || token.IsWord("NOT") ||
                                 token.IsWord("CASE");
      return is_expression ? ExpressionError() : SyntaxError();
    }
    const std::string name = DequoteSql(token.text);
    Skip(1);
    for (;;) {
      if (TakeWord("COLLATE")) {
        NORI_ASSIGN_OR_RETURN(term->collation, CollationClause());
      } else if (depth > 0 && TakeSymbol(')')) {
        --depth;
      } else {
        break;
      }
    }
    if (depth > 0) return SyntaxError();
    if (Peek().type == SqlTokenType::kSymbol && !Peek().IsSymbol(',') &&
        !Peek().IsSymbol(')')) {
      return ExpressionError();
    }
    term->column = schema_.FindColumn(name);
    if (term->column >= 0) return absl::OkStatus();
    return InvalidSchema(Concat({"no such column: ", name}));
  }

  static absl::Status ExpressionError() {
    return InvalidSchema(
        "expressions prohibited in PRIMARY KEY and UNIQUE constraints");
  }

  void AddKeyColumn(const KeyTerm& term) {
    Column& column = schema_.columns[static_cast<size_t>(term.column)];
    column.not_null = true;
    const Collation collation = term.collation.value_or(column.collation);
    for (const KeyColumn& other : schema_.key) {
      if (other.column == term.column && other.collation == collation) return;
    }
    schema_.key.push_back({term.column, term.descending, collation});
  }

  TableSchema schema_;
  std::vector<bool> is_integer_;  // per column: declared INTEGER, exactly
  std::vector<KeyTerm> key_;
  std::vector<IndexTerms> indexes_;
  size_t constraints_before_key_ = 0;
  bool has_key_ = false;
  bool descending_column_key_ = false;  // DESC of a column's own PRIMARY KEY
  bool seen_constraint_ = false;
  bool without_rowid_ = false;

  std::string_view text_;  // the argument at hand
  bool is_index_ = false;  // it makes an INDEX
  // The last CONSTRAINT of the argument: SQLite gives it to all that follow.
  std::string constraint_name_;
};

}  // namespace

absl::StatusOr<TableSchema> ParseSchema(
    const std::vector<std::string>& arguments) {
  SchemaParser parser;
  for (const std::string& argument : arguments) {
    NORI_RETURN_IF_ERROR(parser.Argument(argument));
  }
  return parser.Finish();
}

absl::StatusOr<IndexSchema> ParseIndex(const TableSchema& table,
                                       std::string_view definition) {
  return SchemaParser(table).OneIndex(definition);
}

}  // namespace nori
