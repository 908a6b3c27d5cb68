#include "engine/memtable/memtable.h"

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <map>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "absl/container/btree_map.h"
#include "gtest/gtest.h"

namespace nori {
namespace {

struct InternalLess {
  using Key = std::pair<std::string, uint64_t>;
  bool operator()(const Key& a, const Key& b) const {
    return CompareInternal(a.first, a.second, b.first, b.second) < 0;
  }
};
using Model = absl::btree_map<std::pair<std::string, uint64_t>, std::string,
                              InternalLess>;

// Keys that share prefixes, are shorter than 8 bytes, hold zeros and 0xff.
std::string RandomKey(std::mt19937_64* random) {
  static constexpr char kBytes[] = {'\0', '\x01', 'a', 'b', '\x7f', '\xff'};
  std::string key;
  if ((*random)() % 3 == 0) key = std::string(8, kBytes[(*random)() % 6]);
  for (auto n = (*random)() % 5; n > 0; --n) key += kBytes[(*random)() % 6];
  return key;
}

void ExpectAt(const EntryIterator& it, const Model& model,
              Model::const_iterator expected) {
  ASSERT_EQ(it.Valid(), expected != model.end());
  if (!it.Valid()) return;
  EXPECT_EQ(it.user_key(), expected->first.first);
  EXPECT_EQ(it.trailer(), expected->first.second);
  EXPECT_EQ(it.value(), expected->second);
}

void CheckIterator(const Memtable& memtable, const Model& model,
                   std::mt19937_64* random) {
  auto it = memtable.NewIterator();
  EXPECT_FALSE(it->Valid());
  it->SeekToFirst();
  for (auto m = model.begin(); m != model.end(); ++m, it->Next()) {
    ExpectAt(*it, model, m);
  }
  EXPECT_FALSE(it->Valid());
  it->SeekToLast();
  for (auto m = model.rbegin(); m != model.rend(); ++m, it->Prev()) {
    ExpectAt(*it, model, std::prev(m.base()));
  }
  EXPECT_FALSE(it->Valid());
  EXPECT_TRUE(it->status().ok());
  for (int i = 0; i < 300; ++i) {
    const std::string key = RandomKey(random);
    const uint64_t trailer = SeekTrailer((*random)() % 300);
    auto m = model.lower_bound({key, trailer});
    it->Seek(key, trailer);
    ExpectAt(*it, model, m);
    for (int steps = 0; steps < 3 && it->Valid(); ++steps) {
      if ((*random)() % 2 == 0) {
        it->Next();
        ++m;
      } else {
        it->Prev();
        m = m == model.begin() ? model.end() : std::prev(m);
      }
      ExpectAt(*it, model, m);
    }
    it->SeekBefore(key);
    m = model.lower_bound({key, ~uint64_t{0}});
    ExpectAt(*it, model, m == model.begin() ? model.end() : std::prev(m));
  }
}

TEST(MemtableTest, Empty) {
  Memtable memtable;
  EXPECT_TRUE(memtable.empty());
  EXPECT_FALSE(memtable.Get("a", kMaxSequence).found);
  EXPECT_FALSE(memtable.has_range_tombstones());
  EXPECT_TRUE(memtable.range_tombstones()->empty());
  auto it = memtable.NewIterator();
  it->SeekToFirst();
  EXPECT_FALSE(it->Valid());
  it->SeekToLast();
  EXPECT_FALSE(it->Valid());
  it->Seek("", ~uint64_t{0});
  EXPECT_FALSE(it->Valid());
  it->SeekBefore("z");
  EXPECT_FALSE(it->Valid());
}

TEST(MemtableTest, AgainstModelWithAndWithoutHints) {
  const uint64_t seed = std::random_device()();
  SCOPED_TRACE(seed);
  std::mt19937_64 random(seed);
  for (int round = 0; round < 20; ++round) {
    // Without a filter, with one that is too full, and with a good one.
    constexpr size_t kFilterBytes[] = {0, 64, 1 << 14};
    Memtable memtable(kFilterBytes[round % 3]);
    Model model;
    std::vector<Memtable::Hint> hints(2);
    for (SequenceNumber sequence = 1; sequence < 300; ++sequence) {
      // One commit: distinct keys, ascending in two of three.
      std::map<std::string, std::string> batch;
      for (auto n = random() % 8; n > 0; --n) {
        batch[RandomKey(&random)] = std::string(random() % 20, 'v');
      }
      std::vector<std::string> order;
      for (const auto& [key, value] : batch) order.push_back(key);
      if (random() % 3 == 0) std::shuffle(order.begin(), order.end(), random);
      Memtable::Hint fresh;
      // None, a new one, or one of two that are used in turns and so are
      // behind what the other did.
      Memtable::Hint* const choices[] = {nullptr, &fresh, &hints[0], &hints[1]};
      Memtable::Hint* hint = choices[random() % 4];
      for (const std::string& key : order) {
        const auto kind =
            random() % 4 == 0 ? EntryKind::kDelete : EntryKind::kPut;
        memtable.Add(sequence, kind, key, batch[key], hint);
        model[{key, PackTrailer(sequence, kind)}] = batch[key];
      }
    }
    EXPECT_EQ(memtable.entry_count(), model.size());
    CheckIterator(memtable, model, &random);
    for (int i = 0; i < 1000; ++i) {
      const std::string key = RandomKey(&random);
      const SequenceNumber snapshot = random() % 320;
      const auto m = model.lower_bound({key, SeekTrailer(snapshot)});
      const bool found = m != model.end() && m->first.first == key;
      const PointLookup got = memtable.Get(key, snapshot);
      ASSERT_EQ(got.found, found);
      if (!found) continue;
      EXPECT_EQ(got.trailer, m->first.second);
      EXPECT_EQ(got.value, m->second);
    }
  }
}

TEST(MemtableTest, AscendingAndDescendingRunsThroughOneHint) {
  Memtable memtable;
  Memtable::Hint hint;
  Model model;
  const auto add = [&](int i) {
    char key[9];
    std::snprintf(key, sizeof(key), "%08d", i);
    memtable.Add(1, EntryKind::kPut, key, key, &hint);
    model[{key, PackTrailer(1, EntryKind::kPut)}] = key;
  };
  for (int i = 20000; i < 25000; ++i) add(i);
  for (int i = 19999; i > 15000; --i) add(i);
  for (int i = 30000; i < 40000; i += 3) add(i);
  for (int i = 30001; i < 40000; i += 3) add(i);
  std::mt19937_64 random(1);
  CheckIterator(memtable, model, &random);
}

// Large enough that fetching ahead does something.
TEST(MemtableTest, PrefetchChangesNothing) {
  const uint64_t seed = std::random_device()();
  SCOPED_TRACE(seed);
  std::mt19937_64 random(seed);
  Memtable memtable;
  Model model;
  for (SequenceNumber sequence = 1; sequence <= 400; ++sequence) {
    std::map<std::string, std::string> batch;
    for (auto n = random() % 300; n > 0; --n) {
      std::string key = RandomKey(&random);
      if (random() % 8 != 0) key += std::to_string(random());
      if (random() % 2 == 0) std::reverse(key.begin(), key.end());
      batch[key] = std::to_string(sequence);
    }
    std::vector<std::string_view> keys;
    for (const auto& [key, value] : batch) keys.push_back(key);
    memtable.Prefetch(keys);
    Memtable::Hint hint;
    for (const auto& [key, value] : batch) {
      memtable.Add(sequence, EntryKind::kPut, key, value, &hint);
      model[{key, PackTrailer(sequence, EntryKind::kPut)}] = value;
    }
  }
  ASSERT_GT(model.size(), 30000U);
  CheckIterator(memtable, model, &random);
}

TEST(MemtableTest, LargeValuesAndMemoryUsage) {
  Memtable memtable;
  const size_t before = memtable.MemoryUsage();
  const std::string large(3 << 20, 'x');
  memtable.Add(1, EntryKind::kPut, "large", large);
  memtable.Add(2, EntryKind::kPut, std::string(kMaxKeyBytes, 'k'), "");
  EXPECT_GE(memtable.MemoryUsage(), before + large.size() + kMaxKeyBytes);
  EXPECT_LE(memtable.MemoryUsage(), before + large.size() + kMaxKeyBytes + 999);
  EXPECT_EQ(memtable.Get("large", 1).value, large);
  EXPECT_TRUE(memtable.Get(std::string(kMaxKeyBytes, 'k'), 2).found);
  const size_t points = memtable.MemoryUsage();
  memtable.AddRangeDelete(3, "a", large);
  EXPECT_GE(memtable.MemoryUsage(), points + large.size());
  // Small entries around it, through block after block.
  for (int i = 0; i < 100000; ++i) {
    memtable.Add(4, EntryKind::kPut, std::to_string(i), "0123456789");
  }
  for (int i = 0; i < 100000; ++i) {
    ASSERT_TRUE(memtable.Get(std::to_string(i), 4).found);
  }
  EXPECT_EQ(memtable.Get("large", 9).value, large);
}

TEST(MemtableTest, RangeTombstones) {
  Memtable memtable;
  memtable.AddRangeDelete(5, "b", "d");
  EXPECT_TRUE(memtable.has_range_tombstones());
  EXPECT_FALSE(memtable.empty());
  const auto first = memtable.range_tombstones();
  EXPECT_EQ(memtable.range_tombstones(), first) << "cut once, then shared";
  memtable.AddRangeDelete(7, "c", "e");
  EXPECT_EQ(first->Covering("c", 9), 5u) << "immutable once returned";
  const auto second = memtable.range_tombstones();
  EXPECT_EQ(second->Covering("c", 9), 7u);
  EXPECT_EQ(second->Covering("c", 6), 5u);
  EXPECT_EQ(second->Covering("e", 9), 0u);
  EXPECT_EQ(memtable.entry_count(), 2u);
  EXPECT_FALSE(memtable.Get("c", 9).found);
}

// Readers at a published sequence number see exactly what it covers while the
// writer goes on.
TEST(MemtableTest, ConcurrentReaders) {
  const uint64_t seed = std::random_device()();
  SCOPED_TRACE(seed);
  constexpr uint64_t kKeys = 500;
  constexpr SequenceNumber kCommits = 3000;
  const auto key_of = [](uint64_t i) {
    char key[24];
    std::snprintf(key, sizeof(key), "%s%06lu", i % 2 == 0 ? "longprefix" : "",
                  static_cast<unsigned long>(i));
    return std::string(key);
  };
  Memtable memtable;
  std::atomic<SequenceNumber> published{0};
  // Commit s writes key s * 7 % kKeys with value s: at snapshot S each key's
  // newest value follows.
  std::thread writer([&] {
    Memtable::Hint hint;
    for (SequenceNumber s = 1; s <= kCommits; ++s) {
      memtable.Add(s, EntryKind::kPut, key_of(s * 7 % kKeys), std::to_string(s),
                   s % 2 == 0 ? &hint : nullptr);
      if (s % 100 == 0) memtable.AddRangeDelete(s, "x", "y");
      published.store(s, std::memory_order_release);
    }
  });
  std::vector<std::thread> readers;
  for (uint64_t t = 0; t < 3; ++t) {
    readers.emplace_back([&, t] {
      std::mt19937_64 random(seed + t);
      auto it = memtable.NewIterator();
      while (true) {
        const SequenceNumber at = published.load(std::memory_order_acquire);
        std::map<std::string, SequenceNumber> expected;
        for (SequenceNumber s = at; s > 0 && s + kKeys > at; --s) {
          expected.emplace(key_of(s * 7 % kKeys), s);
        }
        for (int i = 0; i < 20; ++i) {
          const std::string key = key_of(random() % kKeys);
          const PointLookup got = memtable.Get(key, at);
          const auto e = expected.find(key);
          ASSERT_EQ(got.found, e != expected.end());
          if (got.found) {
            EXPECT_EQ(got.value, std::to_string(e->second));
          }
        }
        size_t seen = 0;
        std::string last;
        const bool forward = random() % 2 == 0;
        for (forward ? it->SeekToFirst() : it->SeekToLast(); it->Valid();
             forward ? it->Next() : it->Prev()) {
          const std::string key(it->user_key());
          const auto e = expected.find(key);
          if (e != expected.end() &&
              TrailerSequence(it->trailer()) == e->second) {
            EXPECT_EQ(it->value(), std::to_string(e->second));
            ++seen;
          }
          EXPECT_TRUE(last.empty() || (forward ? last <= key : key <= last));
          last = key;
        }
        EXPECT_EQ(seen, expected.size());
        if (at >= 100) {
          EXPECT_TRUE(memtable.has_range_tombstones());
          EXPECT_EQ(memtable.range_tombstones()->Covering("x", at),
                    at / 100 * 100);
        }
        memtable.MemoryUsage();
        if (at == kCommits) break;
      }
    });
  }
  writer.join();
  for (auto& reader : readers) reader.join();
}

TEST(Memtable, SamplesOfARange) {
  Memtable memtable;
  const auto key = [](int i) {
    std::string digits = std::to_string(i);
    return "key" + std::string(6 - digits.size(), '0') + digits;
  };
  for (int i = 0; i < 20000; ++i) {
    memtable.Add(static_cast<SequenceNumber>(i + 1), EntryKind::kPut,
                 key(i * 7 % 20000), "v");
  }
  for (const auto& [first, last] :
       {std::pair{0, 20000}, {500, 17000}, {9000, 10000}, {19000, 20000}}) {
    const Memtable::Sample sample =
        memtable.SampleRange(key(first), key(last), 64);
    EXPECT_NEAR(static_cast<double>(sample.entries), last - first,
                0.4 * (last - first));
    EXPECT_GE(sample.keys.size(), 64u);
    EXPECT_LE(sample.keys.size(), 256u);
    EXPECT_TRUE(std::is_sorted(sample.keys.begin(), sample.keys.end()));
    EXPECT_GE(sample.keys.front(), key(first));
    EXPECT_LT(sample.keys.back(), key(last));
  }
  // Exact where there are few.
  EXPECT_EQ(memtable.SampleRange(key(100), key(150), 64).entries, 50u);
  EXPECT_EQ(memtable.SampleRange(key(19990), "", 64).entries, 10u);
  EXPECT_EQ(memtable.SampleRange("x", "y", 64).entries, 0u);
  EXPECT_EQ(Memtable().SampleRange("", "", 64).entries, 0u);
}

}  // namespace
}  // namespace nori
