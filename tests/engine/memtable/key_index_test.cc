#include "engine/memtable/key_index.h"

#include <atomic>
#include <iostream>
#include <map>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "engine/format/checksum.h"
#include "engine/memtable/memtable.h"
#include "gtest/gtest.h"

namespace nori {
namespace {

uint64_t Seed() {
  const char* text = std::getenv("NORI_TEST_SEED");
  const uint64_t seed =
      text != nullptr ? std::stoull(text) : std::random_device{}();
  std::cout << "NORI_TEST_SEED=" << seed << std::endl;
  return seed;
}

TEST(KeyIndex, FindsTheNewestAndKnowsWhatIsMissing) {
  Arena arena;
  SkipList list(&arena);
  KeyIndex index(8000);
  ASSERT_TRUE(index.enabled());
  std::vector<std::string> keys;
  for (int i = 0; i < 600; ++i) keys.push_back("key" + std::to_string(i));
  for (uint64_t version : {1, 3, 2}) {
    for (const std::string& key : keys) {
      index.Add(HashKey(key), list.Insert(key, version, "", nullptr));
    }
  }
  ASSERT_TRUE(index.complete());
  for (const std::string& key : keys) {
    const SkipList::Node* node = index.Find(HashKey(key), key);
    ASSERT_NE(node, nullptr) << key;
    EXPECT_EQ(node->user_key(), key);
    EXPECT_EQ(node->trailer(), 3u);
  }
  EXPECT_EQ(index.Find(HashKey("other"), "other"), nullptr);
}

TEST(KeyIndex, SaysWhenItIsFull) {
  Arena arena;
  SkipList list(&arena);
  KeyIndex index(64 * 8);
  std::map<std::string, const SkipList::Node*> nodes;
  for (int i = 0; i < 200; ++i) {
    const std::string key = std::to_string(i);
    nodes[key] = list.Insert(key, 1, "", nullptr);
    index.Add(HashKey(key), nodes[key]);
  }
  EXPECT_FALSE(index.complete());
  for (const auto& [key, node] : nodes) {
    const SkipList::Node* found = index.Find(HashKey(key), key);
    EXPECT_TRUE(found == nullptr || found == node) << key;
  }
}

TEST(KeyIndex, TooSmallIsNone) {
  EXPECT_FALSE(KeyIndex(0).enabled());
  EXPECT_FALSE(KeyIndex(7).enabled());
}

// A memtable with an index of any size and any shared prefix against a map,
// every version asked for.
TEST(KeyIndex, MemtableAgreesWithAMap) {
  std::mt19937_64 random(Seed());
  for (size_t index_bytes :
       {size_t{0}, size_t{100}, size_t{3000}, size_t{1} << 20}) {
    for (const char* shared : {"", "t/", "t/1", "zz", "a", "t/100000"}) {
      Memtable memtable(index_bytes);
      memtable.SetSharedPrefix(shared);
      std::map<std::string, std::map<uint64_t, std::string>> model;
      const auto key = [&] {
        static constexpr const char* kPrefixes[] = {"t/", "t/1", "",
                                                    "a",  "zz",  "u"};
        return kPrefixes[random() % 6] + std::to_string(random() % 60);
      };
      for (uint64_t sequence = 1; sequence <= 2000; ++sequence) {
        const std::string k = key(), v = std::to_string(random());
        memtable.Add(sequence, EntryKind::kPut, k, v);
        model[k][sequence] = v;
      }
      for (int i = 0; i < 3000; ++i) {
        const std::string k = key();
        const uint64_t snapshot = random() % 2100;
        const PointLookup found = memtable.Get(k, snapshot);
        const auto versions = model.find(k);
        const bool there = versions != model.end() &&
                           versions->second.begin()->first <= snapshot;
        ASSERT_EQ(found.found, there) << k;
        if (there) {
          ASSERT_EQ(found.value,
                    std::prev(versions->second.upper_bound(snapshot))->second);
        }
      }
      const auto it = memtable.NewIterator();
      it->SeekToFirst();
      for (const auto& [k, versions] : model) {
        for (auto v = versions.rbegin(); v != versions.rend();
             ++v, it->Next()) {
          ASSERT_TRUE(it->Valid());
          ASSERT_EQ(it->user_key(), k);
          ASSERT_EQ(it->value(), v->second);
        }
        it->Seek(k, SeekTrailer(kMaxSequence));
        ASSERT_EQ(it->user_key(), k);
        for (size_t n = versions.size(); n > 0; --n) it->Next();
      }
      EXPECT_FALSE(it->Valid());
    }
  }
}

TEST(KeyIndex, ReadersBesideTheWriterMissNothing) {
  const uint64_t seed = Seed();
  Memtable memtable(1 << 14);
  memtable.SetSharedPrefix("k");
  constexpr uint64_t kWrites = 20000;
  const auto key = [](uint64_t n) { return "k" + std::to_string(n % 977); };
  std::atomic<uint64_t> published{0};
  std::vector<std::thread> readers;
  for (uint64_t r = 0; r < 2; ++r) {
    readers.emplace_back([&, r] {
      std::mt19937_64 random(seed + r);
      for (uint64_t last = 0; last < kWrites;) {
        last = published.load(std::memory_order_acquire);
        if (last == 0) continue;
        const uint64_t wanted = 1 + random() % last;
        const PointLookup found = memtable.Get(key(wanted), last);
        ASSERT_TRUE(found.found);
        ASSERT_GE(TrailerSequence(found.trailer), wanted);
        ASSERT_LE(TrailerSequence(found.trailer), last);
      }
    });
  }
  for (uint64_t n = 1; n <= kWrites; ++n) {
    memtable.Add(n, EntryKind::kPut, key(n), "value");
    published.store(n, std::memory_order_release);
  }
  for (std::thread& reader : readers) reader.join();
}

}  // namespace
}  // namespace nori
