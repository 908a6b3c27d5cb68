// Walks the tokens of one argument of CREATE VIRTUAL TABLE.

#ifndef NORI_VTAB_ARGUMENT_CURSOR_H_
#define NORI_VTAB_ARGUMENT_CURSOR_H_

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "vtab/sql_tokenizer.h"

namespace nori {

// What SQLite itself refuses: kInvalidArgument.
absl::Status InvalidSchema(const std::string& message);
// What SQLite takes and nori does not: kUnimplemented, "nori: " in front.
absl::Status UnsupportedSchema(std::string_view what);

// Not thread-safe. Views are into the text, which must outlive it.
class ArgumentCursor {
 public:
  // Goes to the start of `text`. Fails if it holds what is no token.
  absl::Status Start(std::string_view text);

  const SqlToken& Peek(size_t ahead = 0) const {
    return tokens_[std::min(next_ + ahead, tokens_.size() - 1)];
  }
  bool AtEnd() const { return Peek().type == SqlTokenType::kEnd; }
  void Skip(size_t count) { next_ += count; }
  bool TakeWord(std::string_view word);
  bool TakeSymbol(char c);
  // Whether a word of a type, or the name of a collation, is next.
  bool AtTypeWord() const;

  // SQLite's words for a token that may not stand here.
  absl::Status SyntaxError() const;
  absl::StatusOr<std::string> Name();
  // Takes "(...)" with all that is inside, parentheses balanced. The text
  // between the outer ones, without white space at the ends.
  absl::StatusOr<std::string> Parenthesised();
  // The text from the next token to the end, without what follows the last one.
  std::string_view Rest() const;

 private:
  std::string_view text_;
  std::vector<SqlToken> tokens_;
  size_t next_ = 0;
};

}  // namespace nori

#endif  // NORI_VTAB_ARGUMENT_CURSOR_H_
