#include "sqlite_vfs/page_patch.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>

namespace nori {
namespace {

std::string Patched(const std::string& base, const std::string& patch) {
  std::string page = base;
  EXPECT_TRUE(ApplyPatch(patch, 0, page.size(), page.data()));
  return page;
}

TEST(PagePatchTest, EqualPagesNeedNoPieces) {
  const std::string base(4096, 'x');
  const auto patch = MakePatch(base, base, 0, 16);
  ASSERT_TRUE(patch.has_value());
  EXPECT_LE(patch->size(), 2U);
  EXPECT_EQ(Patched(base, *patch), base);
}

TEST(PagePatchTest, FirstAndLastByte) {
  const std::string base(512, 'x');
  std::string page = base;
  page.front() = 'a';
  page.back() = 'z';
  const auto patch = MakePatch(base, page, 0, 16);
  ASSERT_TRUE(patch.has_value());
  EXPECT_EQ(Patched(base, *patch), page);
}

TEST(PagePatchTest, RefusesMoreThanTheLimit) {
  const std::string base(4096, 'x');
  std::string page = base;
  page.replace(1000, 300, 300, 'y');
  EXPECT_FALSE(MakePatch(base, page, 0, 299).has_value());
  EXPECT_TRUE(MakePatch(base, page, 0, 320).has_value());
}

TEST(PagePatchTest, SumsUpWhatWasSpent) {
  const std::string base(4096, 'x');
  std::string page = base;
  uint64_t spent = 0;
  for (int i = 0; i < 100; ++i) {
    page[static_cast<size_t>(i) * 40] = 'y';
    const auto patch = MakePatch(base, page, spent, 4096);
    ASSERT_TRUE(patch.has_value());
    EXPECT_EQ(PatchBytesSpent(*patch), spent + patch->size());
    spent = PatchBytesSpent(*patch);
    EXPECT_EQ(Patched(base, *patch), page);
  }
}

TEST(PagePatchTest, EveryPartOfThePage) {
  constexpr uint64_t kSeed = 20261125;
  std::mt19937_64 random(kSeed);
  for (int round = 0; round < 300; ++round) {
    SCOPED_TRACE("seed " + std::to_string(kSeed) + ", round " +
                 std::to_string(round));
    std::string base(512 << random() % 4, '\0');
    for (char& c : base) c = static_cast<char>(random() % 3);
    std::string page = base;
    for (auto pieces = random() % 20; pieces > 0; --pieces) {
      const size_t at = random() % page.size();
      const size_t length = std::min(page.size() - at, random() % 60);
      for (size_t i = at; i < at + length; ++i) {
        page[i] = static_cast<char>(random() % 3);
      }
    }
    const auto patch = MakePatch(base, page, random(), 2 * page.size());
    ASSERT_TRUE(patch.has_value());
    EXPECT_EQ(Patched(base, *patch), page);
    const size_t at = random() % page.size();
    const size_t size = random() % (page.size() - at + 1);
    std::string part = base.substr(at, size);
    ASSERT_TRUE(ApplyPatch(*patch, at, size, part.data()));
    EXPECT_EQ(part, page.substr(at, size));
  }
}

TEST(PagePatchTest, DamageIsSeen) {
  const std::string base(512, 'x');
  std::string page = base;
  page.replace(100, 20, 20, 'y');
  const auto patch = MakePatch(base, page, 0, 512);
  ASSERT_TRUE(patch.has_value());
  std::string buffer = base;
  const std::string cut = patch->substr(0, patch->size() - 1);
  EXPECT_FALSE(ApplyPatch(cut, 0, buffer.size(), buffer.data()));
  EXPECT_FALSE(ApplyPatch("", 0, buffer.size(), buffer.data()));
}

}  // namespace
}  // namespace nori
