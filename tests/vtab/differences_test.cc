// The documented list of differences is true, complete and documented.

#include "tests/vtab/differences.h"

#include <fstream>
#include <iterator>
#include <string>

#include "gtest/gtest.h"
#include "tests/vtab/module_fixture.h"

namespace nori {
namespace {

class DifferencesTest : public ModuleTest {};

TEST_F(DifferencesTest, EachIsReal) {
  size_t next = 0;
  for (const DocumentedDifference& one : DocumentedDifferences()) {
    SCOPED_TRACE(one.what);
    EXPECT_EQ(static_cast<size_t>(one.difference), next++);
    TestConnection ordinary(":memory:", /*load=*/false);
    TestConnection nori(":memory:");
    const SqlResult expected = ordinary.Run(one.ordinary);
    const SqlResult actual = nori.Run(one.nori);
    EXPECT_TRUE(expected.code != actual.code ||
                expected.message != actual.message ||
                expected.rows != actual.rows)
        << expected.message;
  }
  EXPECT_EQ(next, static_cast<size_t>(Difference::kCount));
}

// The text with each run of white space made one space.
std::string OneLine(const std::string& text) {
  std::string line;
  for (const char c : text) {
    const bool space = c == ' ' || c == '\n';
    if (!space || (!line.empty() && line.back() != ' ')) {
      line += space ? ' ' : c;
    }
  }
  return line;
}

TEST_F(DifferencesTest, EachIsInTheReadme) {
  std::ifstream file(NORI_SOURCE_PATH "/README.md");
  std::string text((std::istreambuf_iterator<char>(file)), {});
  const size_t begin = text.find("\n## Differences\n");
  ASSERT_NE(begin, std::string::npos);
  text = OneLine(text.substr(begin, text.find("\n## ", begin + 1) - begin));
  for (const DocumentedDifference& one : DocumentedDifferences()) {
    EXPECT_NE(text.find(one.in_readme), std::string::npos) << one.in_readme;
  }
}

}  // namespace
}  // namespace nori
