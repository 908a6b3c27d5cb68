// Splits the text of a module argument into tokens as SQLite does.

#ifndef NORI_VTAB_SQL_TOKENIZER_H_
#define NORI_VTAB_SQL_TOKENIZER_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace nori {

enum class SqlTokenType : uint8_t {
  kWord,     // unquoted identifier or keyword
  kQuoted,   // "x", `x`, [x] or 'x', quotes included in the text
  kNumber,   // integer, hexadecimal integer or real, unsigned
  kSymbol,   // one character: ( ) , = + - . and every other operator
  kIllegal,  // unterminated quote or malformed number: ends the token list
  kEnd,      // after the last token, with empty text
  kBlob,     // x'00'
};

struct SqlToken {
  SqlTokenType type = SqlTokenType::kEnd;
  std::string_view text;  // part of the tokenized string
  size_t offset = 0;      // of `text` in that string

  // Whether this is the unquoted word `word`, ASCII case-insensitively.
  bool IsWord(std::string_view word) const;
  bool IsSymbol(char c) const {
    return type == SqlTokenType::kSymbol && text[0] == c;
  }
};

// Returns the tokens of `sql` without white space and comments; the last one is
// of type kEnd. Texts are views into `sql`.
std::vector<SqlToken> TokenizeSql(std::string_view sql);

// Removes the quotes of `text` if it starts with one, halving doubled quotes
// inside; what follows the closing quote is dropped. Other text is returned as
// it is.
std::string DequoteSql(std::string_view text);

// Returns `name` in double quotes, quotes inside doubled.
std::string QuoteSqlName(std::string_view name);

// Whether SQLite's grammar takes the unquoted `word` as a name (of a column, of
// a constraint), or as a word of a type or the name of a collation.
bool IsSqlNameWord(std::string_view word);
bool IsSqlTypeWord(std::string_view word);

}  // namespace nori

#endif  // NORI_VTAB_SQL_TOKENIZER_H_
