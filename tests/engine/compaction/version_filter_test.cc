#include "engine/compaction/version_filter.h"

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace nori {
namespace {

struct Entry {
  std::string key;
  uint64_t trailer = 0;
  int layer = 0;  // 0: newest; also stands for the value
  friend bool operator==(const Entry&, const Entry&) = default;
};

struct Contents {
  std::vector<Entry> entries;  // in merge order
  std::vector<RangeTombstone> tombstones;
};

constexpr auto kPut = EntryKind::kPut;
constexpr auto kDelete = EntryKind::kDelete;

std::vector<Entry> Sorted(std::vector<Entry> entries) {
  std::sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) {
    if (a.key != b.key) return a.key < b.key;
    if (TrailerSequence(a.trailer) != TrailerSequence(b.trailer)) {
      return a.trailer > b.trailer;
    }
    return a.layer < b.layer;
  });
  return entries;
}

// Runs the filter the way a merge does; with `jump`, takes every HidesUpTo at
// its word.
Contents Filter(const Contents& in,
                const std::vector<SequenceNumber>& snapshots, bool bottommost,
                bool jump = false) {
  VersionFilter filter(snapshots, in.tombstones, bottommost);
  Contents out;
  std::string hidden_end;
  SequenceNumber hidden_below = 0;
  for (const Entry& e : in.entries) {
    if (jump && e.key < hidden_end &&
        TrailerSequence(e.trailer) < hidden_below) {
      continue;
    }
    if (filter.Add(e.key, e.trailer)) {
      for (const uint64_t d : filter.deferred_deletes()) {
        out.entries.push_back({e.key, d, -1});
      }
      out.entries.push_back(e);
    } else {
      std::string_view end;
      SequenceNumber s;
      if (filter.HidesUpTo(&end, &s)) {
        hidden_end = end;
        hidden_below = s;
      }
    }
  }
  for (const auto& f : filter.kept_tombstones().fragments()) {
    for (const auto s : f.sequences) {
      out.tombstones.push_back({f.begin, f.end, s});
    }
  }
  return out;
}

// What a reader at `snapshot` finds of `key`: the trailer of the newest put, 0
// if there is none; an entry below the inputs may be what it finds, then 1.
uint64_t Read(const Contents& c, const Contents& below, const std::string& key,
              SequenceNumber snapshot) {
  const Entry* newest = nullptr;
  bool from_below = false;
  for (const Contents* part : {&c, &below}) {
    if (newest != nullptr) break;
    for (const Entry& e : part->entries) {
      if (e.key == key && TrailerSequence(e.trailer) <= snapshot) {
        newest = &e;
        from_below = part == &below;
        break;
      }
    }
  }
  if (newest == nullptr || TrailerKind(newest->trailer) == kDelete) return 0;
  for (const Contents* part : {&c, &below}) {
    for (const RangeTombstone& t : part->tombstones) {
      if (t.begin <= key && key < t.end && t.sequence <= snapshot &&
          t.sequence > TrailerSequence(newest->trailer)) {
        return 0;
      }
    }
  }
  return from_below ? 1 : newest->trailer;
}

std::string Key(uint64_t n) { return absl::StrCat("key", 10 + n); }

Contents RandomContents(std::mt19937_64* rng, SequenceNumber first,
                        SequenceNumber last, int max_entries) {
  Contents c;
  std::set<std::pair<std::string, SequenceNumber>> taken;
  const auto uniform = [&](uint64_t n) { return (*rng)() % n; };
  for (auto n = uniform(static_cast<uint64_t>(max_entries)); n > 0; --n) {
    const SequenceNumber s = first + uniform(last - first + 1);
    const std::string key = Key(uniform(12));
    if (uniform(8) == 0) {
      c.tombstones.push_back({key, Key(uniform(14)), s});
    } else if (taken.emplace(key, s).second) {
      c.entries.push_back({key, PackTrailer(s, uniform(3) ? kPut : kDelete)});
    }
  }
  c.entries = Sorted(std::move(c.entries));
  return c;
}

TEST(VersionFilterTest, NoReaderSeesADifference) {
  for (uint64_t seed = 0; seed < 1500; ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    std::mt19937_64 rng(seed);
    const bool bottommost = rng() % 2 == 0;
    const Contents below =
        bottommost ? Contents() : RandomContents(&rng, 1, 10, 30);
    const Contents in = RandomContents(&rng, 11, 60, 120);
    std::set<SequenceNumber> snapshot_set;
    for (auto n = rng() % 5; n > 0; --n) snapshot_set.insert(rng() % 65);
    const std::vector<SequenceNumber> snapshots(snapshot_set.begin(),
                                                snapshot_set.end());
    const Contents out = Filter(in, snapshots, bottommost, seed % 3 == 0);
    std::vector<SequenceNumber> readers = snapshots;
    readers.push_back(kMaxSequence);
    for (uint64_t k = 0; k < 14; ++k) {
      for (const SequenceNumber s : readers) {
        ASSERT_EQ(Read(out, below, Key(k), s), Read(in, below, Key(k), s))
            << Key(k) << " at " << s;
      }
    }
    // Order is kept, and one filtering leaves nothing for another.
    ASSERT_TRUE(std::is_sorted(out.entries.begin(), out.entries.end(),
                               [](const Entry& a, const Entry& b) {
                                 return CompareInternal(a.key, a.trailer, b.key,
                                                        b.trailer) < 0;
                               }));
    const Contents again = Filter(out, snapshots, bottommost);
    ASSERT_EQ(again.entries.size(), out.entries.size());
    ASSERT_EQ(again.tombstones, out.tombstones);
  }
}

// Every kept put is what some reader finds; nothing is kept for nobody.
TEST(VersionFilterTest, KeepsNoPutThatNobodyReads) {
  for (uint64_t seed = 0; seed < 400; ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    std::mt19937_64 rng(seed);
    const Contents in = RandomContents(&rng, 1, 60, 120);
    std::vector<SequenceNumber> snapshots = {rng() % 20, 20 + rng() % 20};
    const Contents out = Filter(in, snapshots, rng() % 2 == 0);
    snapshots.push_back(kMaxSequence);
    for (const Entry& e : out.entries) {
      if (TrailerKind(e.trailer) != kPut) continue;
      ASSERT_TRUE(std::any_of(snapshots.begin(), snapshots.end(),
                              [&](SequenceNumber s) {
                                return Read(in, {}, e.key, s) == e.trailer;
                              }))
          << e.key << " " << TrailerSequence(e.trailer);
    }
  }
}

TEST(VersionFilterTest, NewestPerStripe) {
  const Contents in = {Sorted({{"a", PackTrailer(9, kPut)},
                               {"a", PackTrailer(7, kPut)},
                               {"a", PackTrailer(5, kPut)},
                               {"a", PackTrailer(4, kPut)}}),
                       {}};
  EXPECT_EQ(Filter(in, {}, false).entries.size(), 1);
  EXPECT_EQ(Filter(in, {5}, false).entries.size(), 2);
  EXPECT_EQ(Filter(in, {4, 5, 7, 9}, false).entries.size(), 4);
  EXPECT_EQ(Filter(in, {6, 8}, false).entries.size(), 3);
}

TEST(VersionFilterTest, NewerLayerWinsEqualSequence) {
  const Contents in = {Sorted({{"a", PackTrailer(5, kDelete), 0},
                               {"a", PackTrailer(5, kPut), 1}}),
                       {}};
  const Contents out = Filter(in, {}, false);
  ASSERT_EQ(out.entries.size(), 1);
  EXPECT_EQ(out.entries[0], in.entries[0]);
  EXPECT_TRUE(Filter(in, {}, true).entries.empty());
}

TEST(VersionFilterTest, DeletesGoAtTheBottomUnlessTheyHide) {
  const Contents in = {
      Sorted({{"a", PackTrailer(9, kDelete)}, {"a", PackTrailer(5, kPut)}}),
      {}};
  EXPECT_TRUE(Filter(in, {}, true).entries.empty());
  EXPECT_EQ(Filter(in, {}, false).entries.size(), 1);
  EXPECT_EQ(Filter(in, {6}, true).entries.size(), 2);
  EXPECT_EQ(Filter(in, {6}, false).entries.size(), 2);
  // Nothing below, though a snapshot lies before it.
  const Contents alone = {{{"a", PackTrailer(9, kDelete)}}, {}};
  EXPECT_TRUE(Filter(alone, {6}, true).entries.empty());
  EXPECT_EQ(Filter(alone, {6}, false).entries.size(), 1);
}

TEST(VersionFilterTest, RangeTombstonesGoWithWhatTheyHide) {
  const Contents in = {{{"a", PackTrailer(5, kPut)}}, {{"a", "c", 8}}};
  const Contents bottom = Filter(in, {}, true);
  EXPECT_TRUE(bottom.entries.empty());
  EXPECT_TRUE(bottom.tombstones.empty());
  const Contents middle = Filter(in, {}, false);
  EXPECT_TRUE(middle.entries.empty());
  EXPECT_EQ(middle.tombstones, in.tombstones);
  const Contents seen = Filter(in, {6}, true);
  EXPECT_EQ(seen.entries, in.entries);
  EXPECT_EQ(seen.tombstones, in.tombstones);
  // A tombstone does not hide an entry of its own commit.
  const Contents same = {{{"a", PackTrailer(8, kPut)}}, {{"a", "c", 8}}};
  EXPECT_EQ(Filter(same, {}, true).entries, same.entries);
}

TEST(VersionFilterTest, OneTombstonePerStripe) {
  const Contents in = {{}, {{"a", "m", 4}, {"a", "m", 6}, {"f", "z", 9}}};
  const std::vector<RangeTombstone> all = {{"a", "f", 6}, {"f", "z", 9}};
  EXPECT_EQ(Filter(in, {}, false).tombstones, all);
  const std::vector<RangeTombstone> two = {{"a", "f", 6}, {"a", "f", 4},
                                           {"f", "m", 9}, {"f", "m", 6},
                                           {"f", "m", 4}, {"m", "z", 9}};
  EXPECT_EQ(Filter(in, {5, 7}, false).tombstones, two);
}

}  // namespace
}  // namespace nori
