#include "vtab/constraint_parser.h"

#include <algorithm>
#include <string_view>
#include <vector>

#include "engine/format/status_macros.h"
#include "vtab/sql_tokenizer.h"
#include "vtab/text.h"

namespace nori {
namespace {

bool IsName(const SqlToken& token) {
  return token.type == SqlTokenType::kWord ||
         token.type == SqlTokenType::kQuoted;
}

// An SQL string literal.
std::string QuoteText(std::string_view text) {
  std::string quoted = "'";
  for (const char c : text) {
    if (c == '\'') quoted.push_back(c);
    quoted.push_back(c);
  }
  quoted.push_back('\'');
  return quoted;
}

// ON DELETE and the like.
absl::Status ParseAction(ArgumentCursor* cursor) {
  if (!cursor->TakeWord("DELETE") && !cursor->TakeWord("UPDATE") &&
      !cursor->TakeWord("INSERT")) {
    return cursor->SyntaxError();
  }
  if (cursor->TakeWord("CASCADE") || cursor->TakeWord("RESTRICT")) {
    return absl::OkStatus();
  }
  if (cursor->TakeWord("NO")) {
    return cursor->TakeWord("ACTION") ? absl::OkStatus()
                                      : cursor->SyntaxError();
  }
  if (cursor->TakeWord("SET") &&
      (cursor->TakeWord("NULL") || cursor->TakeWord("DEFAULT"))) {
    return absl::OkStatus();
  }
  return cursor->SyntaxError();
}

// Names in parentheses.
absl::Status ParseNames(ArgumentCursor* cursor) {
  if (!cursor->TakeSymbol('(')) return cursor->SyntaxError();
  do {
    NORI_RETURN_IF_ERROR(cursor->Name().status());
  } while (cursor->TakeSymbol(','));
  return cursor->TakeSymbol(')') ? absl::OkStatus() : cursor->SyntaxError();
}

}  // namespace

std::string Unqualified(std::string_view expression) {
  const std::vector<SqlToken> tokens = TokenizeSql(expression);
  std::string result;
  size_t copied = 0;
  for (size_t i = 0; i + 1 < tokens.size(); ++i) {
    if (!IsName(tokens[i]) || !tokens[i + 1].IsSymbol('.')) continue;
    result.append(expression.substr(copied, tokens[i].offset - copied));
    copied = tokens[i + 1].offset + 1;
  }
  result.append(expression.substr(copied));
  return result;
}

absl::StatusOr<Check> ParseCheck(ArgumentCursor* cursor,
                                 const std::string& constraint_name) {
  Check check;
  NORI_ASSIGN_OR_RETURN(const std::string text, cursor->Parenthesised());
  check.expression = Unqualified(text);
  // As SQLite does: an expression that begins with a quote loses it, and all
  // that follows the closing one.
  check.name = constraint_name.empty() ? DequoteSql(text) : constraint_name;
  return check;
}

absl::StatusOr<std::string> ParseDefault(ArgumentCursor* cursor) {
  if (cursor->Peek().IsSymbol('(')) {
    NORI_ASSIGN_OR_RETURN(const std::string inside, cursor->Parenthesised());
    return Concat({"(", inside, "\n)"});
  }
  std::string sign;
  if (cursor->Peek().IsSymbol('+') || cursor->Peek().IsSymbol('-')) {
    sign = cursor->Peek().text;
    cursor->Skip(1);
  }
  const SqlToken token = cursor->Peek();
  if (token.type == SqlTokenType::kNumber ||
      token.type == SqlTokenType::kBlob ||
      (token.type == SqlTokenType::kQuoted && token.text[0] == '\'')) {
    cursor->Skip(1);
    return Concat({sign, token.text});
  }
  for (const std::string_view word :
       {"NULL", "CURRENT_TIME", "CURRENT_DATE", "CURRENT_TIMESTAMP"}) {
    if (cursor->TakeWord(word)) return Concat({sign, word});
  }
  if (!sign.empty()) return cursor->SyntaxError();
  if (cursor->TakeWord("TRUE")) return std::string("TRUE");
  if (cursor->TakeWord("FALSE")) return std::string("FALSE");
  // A name stands for its own text.
  if (!cursor->AtTypeWord() && !cursor->Peek().IsWord("INDEXED")) {
    return cursor->SyntaxError();
  }
  const std::string name = DequoteSql(cursor->Peek().text);
  cursor->Skip(1);
  return QuoteText(name);
}

absl::Status ParseDeferrable(ArgumentCursor* cursor) {
  if (!cursor->TakeWord("INITIALLY")) return absl::OkStatus();
  if (cursor->TakeWord("DEFERRED") || cursor->TakeWord("IMMEDIATE")) {
    return absl::OkStatus();
  }
  return cursor->SyntaxError();
}

absl::Status ParseReferences(ArgumentCursor* cursor) {
  NORI_RETURN_IF_ERROR(cursor->Name().status());
  if (cursor->Peek().IsSymbol('(')) NORI_RETURN_IF_ERROR(ParseNames(cursor));
  for (;;) {
    if (cursor->TakeWord("ON")) {
      NORI_RETURN_IF_ERROR(ParseAction(cursor));
    } else if (cursor->TakeWord("MATCH")) {
      NORI_RETURN_IF_ERROR(cursor->Name().status());
    } else {
      return absl::OkStatus();
    }
  }
}

absl::Status ParseForeignKey(ArgumentCursor* cursor) {
  if (!cursor->TakeWord("KEY")) return cursor->SyntaxError();
  NORI_RETURN_IF_ERROR(ParseNames(cursor));
  if (!cursor->TakeWord("REFERENCES")) return cursor->SyntaxError();
  NORI_RETURN_IF_ERROR(ParseReferences(cursor));
  if (cursor->Peek().IsWord("NOT") && cursor->Peek(1).IsWord("DEFERRABLE")) {
    cursor->Skip(1);
  }
  return cursor->TakeWord("DEFERRABLE") ? ParseDeferrable(cursor)
                                        : absl::OkStatus();
}

void ResolveChecks(TableSchema* schema) {
  for (Check& check : schema->checks) {
    check.columns.assign(schema->columns.size(), false);
    for (const SqlToken& token : TokenizeSql(check.expression)) {
      if (!IsName(token)) continue;
      const std::string name = DequoteSql(token.text);
      const int column = schema->FindColumn(name);
      if (column >= 0) {
        check.columns[static_cast<size_t>(column)] = true;
      } else if (EqualsIgnoreCase(name, "rowid") ||
                 EqualsIgnoreCase(name, "oid") ||
                 EqualsIgnoreCase(name, "_rowid_")) {
        check.rowid = true;
      }
    }
  }
}

}  // namespace nori
