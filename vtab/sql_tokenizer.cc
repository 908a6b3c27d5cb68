#include "vtab/sql_tokenizer.h"

#include <algorithm>
#include <iterator>

#include "absl/strings/ascii.h"
#include "vtab/text.h"

namespace nori {
namespace {

// Keywords that SQLite never takes as a name. All other keywords fall back to
// identifiers. Sorted.
constexpr std::string_view kReserved[] = {
    "ADD",     "ALL",        "ALTER",
    "AND",     "AS",         "AUTOINCREMENT",
    "BETWEEN", "CASE",       "CHECK",
    "COLLATE", "COMMIT",     "CONSTRAINT",
    "CREATE",  "DEFAULT",    "DEFERRABLE",
    "DELETE",  "DISTINCT",   "DROP",
    "ELSE",    "ESCAPE",     "EXCEPT",
    "EXISTS",  "FOREIGN",    "FROM",
    "GROUP",   "HAVING",     "IN",
    "INDEX",   "INSERT",     "INTERSECT",
    "INTO",    "IS",         "ISNULL",
    "JOIN",    "LIMIT",      "NOT",
    "NOTHING", "NOTNULL",    "NULL",
    "ON",      "OR",         "ORDER",
    "PRIMARY", "REFERENCES", "RETURNING",
    "SELECT",  "SET",        "TABLE",
    "THEN",    "TO",         "TRANSACTION",
    "UNION",   "UNIQUE",     "UPDATE",
    "USING",   "VALUES",     "WHEN",
    "WHERE"};

// Keywords that are names but not words of a type. Sorted.
constexpr std::string_view kNameOnly[] = {
    "CROSS", "FULL", "INDEXED", "INNER", "LEFT", "NATURAL", "OUTER", "RIGHT"};

template <size_t n>
bool Contains(const std::string_view (&sorted)[n], std::string_view word) {
  return std::binary_search(std::begin(sorted), std::end(sorted),
                            ToUpperAscii(word));
}

bool IsNameStart(char c) {
  return absl::ascii_isalpha(static_cast<unsigned char>(c)) || c == '_' ||
         static_cast<unsigned char>(c) >= 0x80;
}

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

bool IsNameChar(char c) { return IsNameStart(c) || IsDigit(c) || c == '$'; }

bool IsSpace(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\f' || c == '\r';
}

char ClosingQuote(char open) {
  switch (open) {
    case '\'':
    case '"':
    case '`':
      return open;
    case '[':
      return ']';
    default:
      return '\0';
  }
}

class Tokenizer {
 public:
  explicit Tokenizer(std::string_view sql) : sql_(sql) {}

  SqlToken Next() {
    SkipBlank();
    const size_t start = pos_;
    const SqlTokenType type = Scan();
    return {type, sql_.substr(start, pos_ - start), start};
  }

 private:
  char Peek(size_t ahead = 0) const {
    return pos_ + ahead < sql_.size() ? sql_[pos_ + ahead] : '\0';
  }

  void SkipBlank() {
    while (pos_ < sql_.size()) {
      if (IsSpace(Peek())) {
        ++pos_;
      } else if (Peek() == '-' && Peek(1) == '-') {
        pos_ = std::min(sql_.find('\n', pos_), sql_.size());
      } else if (Peek() == '/' && Peek(1) == '*') {
        const size_t end = sql_.find("*/", pos_ + 2);
        pos_ = end == std::string_view::npos ? sql_.size() : end + 2;
      } else {
        return;
      }
    }
  }

  SqlTokenType Scan() {
    if (pos_ == sql_.size()) return SqlTokenType::kEnd;
    const char c = Peek();
    if (ClosingQuote(c) != '\0') return ScanQuoted(c);
    if (IsDigit(c) || (c == '.' && IsDigit(Peek(1)))) return ScanNumber();
    if ((c == 'x' || c == 'X') && Peek(1) == '\'') {
      return ScanBlob();
    }
    if (IsNameStart(c)) {
      while (pos_ < sql_.size() && IsNameChar(sql_[pos_])) ++pos_;
      return SqlTokenType::kWord;
    }
    ++pos_;
    return SqlTokenType::kSymbol;
  }

  SqlTokenType ScanQuoted(char open) {
    const char close = ClosingQuote(open);
    for (++pos_; pos_ < sql_.size(); ++pos_) {
      if (sql_[pos_] != close) continue;
      // Brackets know no doubling.
      if (close == ']' || Peek(1) != close) {
        ++pos_;
        return SqlTokenType::kQuoted;
      }
      ++pos_;
    }
    return SqlTokenType::kIllegal;
  }

  SqlTokenType ScanBlob() {
    const size_t begin = pos_ + 2;
    for (pos_ = begin;
         absl::ascii_isxdigit(static_cast<unsigned char>(Peek()));) {
      ++pos_;
    }
    const bool is_whole = (pos_ - begin) % 2 == 0 && Peek() == '\'';
    // What is wrong belongs to the token, up to the quote.
    while (pos_ < sql_.size() && Peek() != '\'') ++pos_;
    if (pos_ < sql_.size()) ++pos_;
    return is_whole ? SqlTokenType::kBlob : SqlTokenType::kIllegal;
  }

  SqlTokenType ScanNumber() {
    if (Peek() == '0' && (Peek(1) == 'x' || Peek(1) == 'X') &&
        absl::ascii_isxdigit(static_cast<unsigned char>(Peek(2)))) {
      pos_ += 2;
      while (absl::ascii_isxdigit(static_cast<unsigned char>(Peek()))) ++pos_;
    } else {
      SkipDigits();
      if (Peek() == '.') {
        ++pos_;
        SkipDigits();
      }
      const bool is_signed = Peek(1) == '+' || Peek(1) == '-';
      if ((Peek() == 'e' || Peek() == 'E') &&
          IsDigit(Peek(is_signed ? 2 : 1))) {
        pos_ += is_signed ? 2 : 1;
        SkipDigits();
      }
    }
    if (pos_ == sql_.size() || !IsNameChar(sql_[pos_])) {
      return SqlTokenType::kNumber;
    }
    while (pos_ < sql_.size() && IsNameChar(sql_[pos_])) ++pos_;
    return SqlTokenType::kIllegal;
  }

  void SkipDigits() {
    while (IsDigit(Peek())) ++pos_;
  }

  std::string_view sql_;
  size_t pos_ = 0;
};

}  // namespace

bool SqlToken::IsWord(std::string_view word) const {
  return type == SqlTokenType::kWord && EqualsIgnoreCase(text, word);
}

std::vector<SqlToken> TokenizeSql(std::string_view sql) {
  std::vector<SqlToken> tokens;
  Tokenizer tokenizer(sql);
  do {
    tokens.push_back(tokenizer.Next());
  } while (tokens.back().type != SqlTokenType::kEnd &&
           tokens.back().type != SqlTokenType::kIllegal);
  if (tokens.back().type == SqlTokenType::kIllegal) {
    tokens.push_back({SqlTokenType::kEnd, sql.substr(sql.size()), sql.size()});
  }
  return tokens;
}

std::string DequoteSql(std::string_view text) {
  const char close = text.empty() ? '\0' : ClosingQuote(text[0]);
  if (close == '\0') return std::string(text);
  std::string name;
  for (size_t i = 1; i < text.size(); ++i) {
    if (text[i] == close) {
      if (i + 1 == text.size() || text[i + 1] != close) break;
      ++i;
    }
    name.push_back(text[i]);
  }
  return name;
}

std::string QuoteSqlName(std::string_view name) {
  std::string quoted = "\"";
  for (const char c : name) {
    if (c == '"') quoted.push_back(c);
    quoted.push_back(c);
  }
  quoted.push_back('"');
  return quoted;
}

bool IsSqlNameWord(std::string_view word) { return !Contains(kReserved, word); }

bool IsSqlTypeWord(std::string_view word) {
  return IsSqlNameWord(word) && !Contains(kNameOnly, word);
}

}  // namespace nori
