#include "vtab/argument_cursor.h"

#include "absl/strings/ascii.h"
#include "vtab/text.h"

namespace nori {
namespace {

std::string_view Trimmed(std::string_view text) {
  const auto is_space = [](char c) {
    return absl::ascii_isspace(static_cast<unsigned char>(c));
  };
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

}  // namespace

absl::Status InvalidSchema(const std::string& message) {
  return absl::InvalidArgumentError(message);
}

absl::Status UnsupportedSchema(std::string_view what) {
  return absl::UnimplementedError(Concat({"nori: ", what}));
}

absl::Status ArgumentCursor::Start(std::string_view text) {
  text_ = text;
  tokens_ = TokenizeSql(text);
  next_ = 0;
  for (const SqlToken& token : tokens_) {
    if (token.type == SqlTokenType::kIllegal) {
      return InvalidSchema(
          Concat({"unrecognized token: \"", token.text, "\""}));
    }
  }
  return absl::OkStatus();
}

bool ArgumentCursor::TakeWord(std::string_view word) {
  if (!Peek().IsWord(word)) return false;
  ++next_;
  return true;
}

bool ArgumentCursor::TakeSymbol(char c) {
  if (!Peek().IsSymbol(c)) return false;
  ++next_;
  return true;
}

bool ArgumentCursor::AtTypeWord() const {
  return Peek().type == SqlTokenType::kQuoted ||
         (Peek().type == SqlTokenType::kWord && IsSqlTypeWord(Peek().text));
}

absl::Status ArgumentCursor::SyntaxError() const {
  if (AtEnd()) {
    return InvalidSchema(Concat({"incomplete definition: \"", text_, "\""}));
  }
  return InvalidSchema(Concat({"near \"", Peek().text, "\": syntax error"}));
}

absl::StatusOr<std::string> ArgumentCursor::Name() {
  const SqlToken& token = Peek();
  if (token.type != SqlTokenType::kQuoted &&
      !(token.type == SqlTokenType::kWord && IsSqlNameWord(token.text))) {
    return SyntaxError();
  }
  ++next_;
  return DequoteSql(token.text);
}

absl::StatusOr<std::string> ArgumentCursor::Parenthesised() {
  if (!TakeSymbol('(')) return SyntaxError();
  const size_t begin = tokens_[next_ - 1].offset + 1;
  if (Peek().IsSymbol(')')) return SyntaxError();
  for (size_t depth = 1;;) {
    if (AtEnd()) return SyntaxError();
    if (Peek().IsSymbol('(')) ++depth;
    if (Peek().IsSymbol(')') && --depth == 0) break;
    ++next_;
  }
  const size_t end = Peek().offset;
  ++next_;
  return std::string(Trimmed(text_.substr(begin, end - begin)));
}

std::string_view ArgumentCursor::Rest() const {
  const SqlToken& last = tokens_[tokens_.size() - 2];
  return text_.substr(Peek().offset,
                      last.offset + last.text.size() - Peek().offset);
}

}  // namespace nori
