#include "vtab/sql_tokenizer.h"

#include <gtest/gtest.h>

namespace nori {
namespace {

TEST(TokenizerTest, Kinds) {
  std::string kinds;
  for (const SqlToken& token :
       TokenizeSql("a$1 \"x\"\"y\" [z]] 12 0x1F .5 1.e3 1e-7 -- no\n(/*,*/="
                   "x'' X'0aF1'")) {
    kinds += std::to_string(static_cast<int>(token.type)) + ":" +
             std::string(token.text) + "|";
  }
  EXPECT_EQ(kinds,
            "0:a$1|1:\"x\"\"y\"|1:[z]|3:]|2:12|2:0x1F|2:.5|2:1.e3|2:1e-7|3:(|"
            "3:=|6:x''|6:X'0aF1'|5:|");
}

TEST(TokenizerTest, EndsAtWhatIsNoToken) {
  for (const char* text : {"'x", "\"", "`a``", "[a", "1a", "0x1G", "x'a'",
                           "x'ag'", "x'ab", "x'ab 'c"}) {
    const auto tokens = TokenizeSql(text);
    ASSERT_EQ(tokens.size(), 2u) << text;
    EXPECT_EQ(tokens[0].type, SqlTokenType::kIllegal) << text;
    EXPECT_EQ(tokens[1].type, SqlTokenType::kEnd) << text;
  }
}

}  // namespace
}  // namespace nori
