#include "engine/iterators/dead_ranges.h"

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/iterators/visible_iterator.h"
#include "tests/engine/iterators/iterator_test_util.h"

namespace nori {
namespace {

using testing::Delete;
using testing::Entry;
using testing::IteratorCounts;
using testing::Put;
using testing::VectorIterator;

class DeadRangesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ranges_.Start(&visible_);
    ranges_.SetActive(&memtable_);
  }

  void Tell(const std::string& key) {
    if (!ranges_.MustTell()) return;
    DeadRanges::Puts puts(&ranges_);
    puts.Add(key);
  }
  void Learn(const std::string& from, const std::string& to,
             SequenceNumber visible) {
    visible_ = visible;
    const uint64_t watch =
        ranges_.StartWatch(from, /*forward=*/true, &memtable_);
    ASSERT_NE(watch, 0u);
    ranges_.EndWatch(watch, to);
  }
  // "begin..end" of the range that holds the key, or "".
  std::string Found(const std::string& key, SequenceNumber complete_to = 100) {
    std::string begin, end;
    if (!ranges_.Find(key, complete_to, &begin, &end)) return "";
    return absl::StrCat(begin, "..", end);
  }

  int memtable_ = 0, newer_memtable_ = 0;
  std::atomic<SequenceNumber> visible_{10};
  Counter found_;
  DeadRanges ranges_{1, &found_};
};

TEST_F(DeadRangesTest, KnowsWhatWasLearnt) {
  EXPECT_FALSE(ranges_.any());
  Learn("b", "f", 10);
  EXPECT_TRUE(ranges_.any());
  EXPECT_EQ(Found("b"), "b..f");
  EXPECT_EQ(Found("e"), "b..f");
  EXPECT_EQ(Found("a"), "");
  EXPECT_EQ(Found("f"), "");
  EXPECT_EQ(Found("c", 9), "") << "an older reader may see what was deleted";
  EXPECT_EQ(Found("c", 10), "b..f");
}

TEST_F(DeadRangesTest, NeighboursJoinAndKeepTheNewestNumber) {
  Learn("b", "d", 10);
  Learn("f", "h", 20);
  Learn("d", "f", 15);
  EXPECT_EQ(ranges_.size(), 1u);
  EXPECT_EQ(Found("c", 20), "b..h");
  EXPECT_EQ(Found("c", 19), "");
}

TEST_F(DeadRangesTest, AReaderThatIsALittleOlderKeepsMostOfAQueue) {
  constexpr int kTakes = 1000;
  const auto place = [](int i) { return absl::StrCat(10000 + i); };
  for (int i = 0; i < kTakes; ++i) {
    Learn(place(i), place(i + 1), 10 + static_cast<SequenceNumber>(i));
  }
  EXPECT_LE(ranges_.size(), 10u);
  const std::string all = absl::StrCat(place(0), "..", place(kTakes));
  EXPECT_EQ(Found(place(0), 10 + kTakes - 1), all);
  EXPECT_EQ(Found(place(500), 10 + kTakes - 1), all);
  EXPECT_EQ(Found(place(kTakes - 1), 10 + kTakes - 1), all);
  EXPECT_EQ(Found(place(0), 10 + kTakes / 2 + 12),
            absl::StrCat(place(0), "..", place(512)));
  EXPECT_EQ(Found(place(kTakes - 1), 10 + kTakes - 2), "");
}

TEST_F(DeadRangesTest, APutCutsItsKeyOut) {
  Learn("b", "f", 10);
  Tell("d");
  EXPECT_EQ(Found("c"), "b..d");
  EXPECT_EQ(Found("d"), "");
  EXPECT_EQ(Found("e"), absl::StrCat("d", std::string(1, '\0'), "..f"));
  Tell("b");
  EXPECT_EQ(Found("b"), "");
  EXPECT_EQ(Found("c"), absl::StrCat("b", std::string(1, '\0'), "..d"));
}

TEST_F(DeadRangesTest, APutWhileTheReaderWalksCutsTheStretchShort) {
  uint64_t watch = ranges_.StartWatch("b", true, &memtable_);
  Tell("e");
  Tell("x");
  Tell("d");
  ranges_.EndWatch(watch, "g");
  EXPECT_EQ(Found("c"), "b..d");
  EXPECT_EQ(Found("d"), "");
  EXPECT_EQ(Found("f"), "");

  watch = ranges_.StartWatch("t", false, &memtable_);
  Tell("p");
  Tell("q");
  ranges_.EndWatch(watch, "m");
  EXPECT_EQ(Found("p"), "");
  EXPECT_EQ(Found("q"), "");
  EXPECT_EQ(Found("r"), absl::StrCat("q", std::string(1, '\0'), "..t"));
}

// The newest versions of a key are jumped over where they are many, and with
// them a put that readers between the reader's snapshot and now see.
TEST_F(DeadRangesTest, APutAmongManyNewerVersionsCutsTheStretchShort) {
  for (const bool forward : {true, false}) {
    ranges_.Restart(&memtable_);
    std::vector<Entry> entries = {Put("a", 1, "v"), Delete("b", 50),
                                  Delete("d", 60), Put("e", 1, "v")};
    entries.push_back(Put("c", 101, "v"));
    for (SequenceNumber s = 102; s < 120; ++s) {
      entries.push_back(Delete("c", s));
    }
    visible_ = 101;
    const auto it = NewVisibleIterator(
        std::make_unique<VectorIterator>(entries), {}, 100, KeyRange(), nullptr,
        {.dead = &ranges_, .newest_memtable = &memtable_, .complete_to = 100});
    if (forward) {
      it->Seek("b");
      EXPECT_EQ(it->key(), "e");
    } else {
      it->SeekForPrev("d");
      EXPECT_EQ(it->key(), "a");
    }
    EXPECT_EQ(Found("c", 101), "") << forward;
  }
}

TEST_F(DeadRangesTest, AReaderOfAnOlderMemtableLearnsNothing) {
  ranges_.SetActive(&newer_memtable_);
  EXPECT_EQ(ranges_.StartWatch("a", true, &memtable_), 0u);
  const uint64_t watch = ranges_.StartWatch("a", true, &newer_memtable_);
  EXPECT_NE(watch, 0u);
  ranges_.Restart(&memtable_);
  ranges_.EndWatch(watch, "c");
  EXPECT_EQ(ranges_.size(), 0u);
  EXPECT_FALSE(ranges_.any());
}

TEST_F(DeadRangesTest, TheLeastUsedGoWhereThereAreTooMany) {
  for (int i = 1000; i < 3000; i += 2) {
    Learn(absl::StrCat(i), absl::StrCat(i + 1), 10);
    EXPECT_NE(Found("1000"), "");
  }
  EXPECT_LE(ranges_.size(), 256u);
  EXPECT_NE(Found("2998"), "");
  EXPECT_EQ(Found("1002"), "");
}

// A queue: everything before `live` is deleted.
std::vector<Entry> QueueEntries(int live, int end) {
  std::vector<Entry> entries;
  for (int i = 0; i < end; ++i) {
    const std::string key = absl::StrCat("key", 10000 + i);
    if (i < live) entries.push_back(Delete(key, 5000 + i));
    entries.push_back(Put(key, i + 1, "v"));
  }
  return entries;
}

TEST_F(DeadRangesTest, NoScanStepsOverTheSameKeysTwice) {
  visible_ = 9000;
  for (const bool forward : {true, false}) {
    ranges_.Restart(&memtable_);
    int total = 0;
    for (int live = 1000; live < 2000; live += 10) {
      std::vector<Entry> entries = QueueEntries(live, 2100);
      entries.insert(entries.begin(), Put("a", 1, "first"));
      IteratorCounts counts;
      const auto it = NewVisibleIterator(
          std::make_unique<VectorIterator>(entries, std::nullopt, &counts), {},
          9000, forward ? KeyRange{"key", ""} : KeyRange{"", "key12000"},
          nullptr,
          {.dead = &ranges_,
           .newest_memtable = &memtable_,
           .complete_to = 9000});
      if (forward) {
        it->SeekToFirst();
        ASSERT_TRUE(it->Valid());
        EXPECT_EQ(it->key(), absl::StrCat("key", 10000 + live));
      } else {
        it->SeekForPrev(absl::StrCat("key", 10000 + live - 1));
        ASSERT_TRUE(it->Valid());
        EXPECT_EQ(it->key(), "a");
      }
      total += counts.moves;
    }
    // Each deleted key takes two moves, its delete and its put.
    EXPECT_LT(total, 2 * 2000 + 100 * 60) << forward;
  }
}

}  // namespace
}  // namespace nori
