#include "engine/sstable/block_cache.h"

#include <thread>

#include "table_test_util.h"

namespace nori::testing {
namespace {

class FakeBlock : public CachedBlock {
 public:
  FakeBlock(uint64_t block_id, size_t bytes, int* alive = nullptr)
      : id(block_id), bytes_(bytes), alive_(alive) {
    if (alive_ != nullptr) ++*alive_;
  }
  ~FakeBlock() override {
    if (alive_ != nullptr) --*alive_;
  }
  size_t MemoryUsage() const override { return bytes_; }
  const uint64_t id;

 private:
  size_t bytes_;
  int* alive_;
};

uint64_t IdOf(const std::shared_ptr<const CachedBlock>& block) {
  return static_cast<const FakeBlock&>(*block).id;
}

TEST(BlockCacheTest, FirstInsertionWins) {
  auto cache = BlockCache::Create(1 << 20);
  EXPECT_EQ(cache->Lookup(1, 2), nullptr);
  EXPECT_EQ(IdOf(cache->Insert(1, 2, std::make_shared<FakeBlock>(1, 100))), 1u);
  EXPECT_EQ(IdOf(cache->Insert(1, 2, std::make_shared<FakeBlock>(2, 100))), 1u);
  EXPECT_EQ(IdOf(cache->Lookup(1, 2)), 1u);
  EXPECT_EQ(cache->Lookup(2, 1), nullptr);
  EXPECT_EQ(IdOf(cache->Peek(1, 2)), 1u);
  EXPECT_EQ(cache->Peek(2, 1), nullptr);
  EXPECT_EQ(cache->hits(), 1u);
  EXPECT_EQ(cache->misses(), 2u);
  EXPECT_EQ(cache->usage(), 100u);
  EXPECT_EQ(cache->capacity(), size_t{1} << 20);
}

TEST(BlockCacheTest, NeverAboveCapacityAndNothingLeaks) {
  int alive = 0;
  {
    auto cache = BlockCache::Create(10000, 0);
    Rng rng(4);
    for (uint64_t i = 0; i < 20000; ++i) {
      const uint64_t file = Uniform(rng, 5);
      const uint64_t offset = Uniform(rng, 300);
      auto block = cache->Lookup(file, offset);
      if (block == nullptr) {
        cache->Insert(file, offset,
                      std::make_shared<FakeBlock>(
                          file * 1000 + offset, 1 + Uniform(rng, 400), &alive));
      } else {
        ASSERT_EQ(IdOf(block), file * 1000 + offset);
      }
      ASSERT_LE(cache->usage(), 10000u);
      if (i % 1000 == 0) cache->EraseFile(Uniform(rng, 5));
    }
    EXPECT_GT(cache->usage(), 9000u);
    EXPECT_GT(alive, 20);
    for (uint64_t file = 0; file < 5; ++file) cache->EraseFile(file);
    EXPECT_EQ(cache->usage(), 0u);
    EXPECT_EQ(alive, 0);
    cache->Insert(1, 1, std::make_shared<FakeBlock>(1, 10, &alive));
  }
  EXPECT_EQ(alive, 0);
}

TEST(BlockCacheTest, TooLargeIsGivenBackUncached) {
  auto cache = BlockCache::Create(1000, 0);
  auto block = cache->Insert(1, 1, std::make_shared<FakeBlock>(5, 1001));
  EXPECT_EQ(IdOf(block), 5u);
  EXPECT_EQ(cache->Lookup(1, 1), nullptr);
  EXPECT_EQ(cache->usage(), 0u);
  cache->Insert(1, 1, std::make_shared<FakeBlock>(6, 1000));
  EXPECT_EQ(IdOf(cache->Lookup(1, 1)), 6u);
  auto none = BlockCache::Create(0);
  EXPECT_EQ(IdOf(none->Insert(1, 1, std::make_shared<FakeBlock>(7, 1))), 7u);
  EXPECT_EQ(none->Lookup(1, 1), nullptr);
}

TEST(BlockCacheTest, ScanDoesNotEvictWhatWasHit) {
  auto cache = BlockCache::Create(100 * 100, 0);
  for (uint64_t i = 0; i < 50; ++i) {
    cache->Insert(1, i, std::make_shared<FakeBlock>(i, 100));
    EXPECT_NE(cache->Lookup(1, i), nullptr);
  }
  for (uint64_t i = 0; i < 10000; ++i) {
    cache->Insert(2, i, std::make_shared<FakeBlock>(i, 100));
    cache->Peek(2, i);
  }
  for (uint64_t i = 0; i < 50; ++i) {
    EXPECT_NE(cache->Lookup(1, i), nullptr) << i;
  }
}

TEST(BlockCacheTest, ProtectedBlocksAgeToo) {
  auto cache = BlockCache::Create(100 * 100, 0);
  const auto use_twice = [&](uint64_t file, uint64_t i) {
    cache->Insert(file, i, std::make_shared<FakeBlock>(i, 100));
    cache->Lookup(file, i);
  };
  for (uint64_t i = 0; i < 80; ++i) use_twice(1, i);
  for (int round = 0; round < 3; ++round) cache->Lookup(1, 0);
  // As many newly hit blocks push the old ones out, last the one hit again.
  for (uint64_t i = 0; i < 60; ++i) use_twice(2, i);
  EXPECT_NE(cache->Lookup(1, 0), nullptr);
  for (uint64_t i = 60; i < 400; ++i) use_twice(2, i);
  int left = 0;
  for (uint64_t i = 1; i < 80; ++i) left += cache->Lookup(1, i) != nullptr;
  EXPECT_EQ(left, 0);
  EXPECT_LE(cache->usage(), cache->capacity());
}

TEST(BlockCacheTest, SmallCachesHaveFewShards) {
  // Sixteen shards of 4 KiB could not hold one block of 5 KiB.
  auto cache = BlockCache::Create(64 << 10, 4);
  cache->Insert(1, 1, std::make_shared<FakeBlock>(1, 5000));
  EXPECT_NE(cache->Lookup(1, 1), nullptr);
}

TEST(BlockCacheTest, Threads) {
  auto cache = BlockCache::Create(BlockCache::kMinShardBytes * 4, 2);
  std::vector<std::thread> threads;
  for (uint64_t t = 0; t < 4; ++t) {
    threads.emplace_back([&cache, t] {
      Rng rng(t);
      for (int i = 0; i < 20000; ++i) {
        const uint64_t file = Uniform(rng, 4);
        const uint64_t offset = Uniform(rng, 1000);
        auto block = cache->Lookup(file, offset);
        if (block == nullptr) {
          block = cache->Insert(
              file, offset,
              std::make_shared<FakeBlock>(file * 1000 + offset, 4096));
        }
        ASSERT_EQ(IdOf(block), file * 1000 + offset);
        if (i % 5000 == 0) cache->EraseFile(file);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_LE(cache->usage(), cache->capacity());
  EXPECT_EQ(cache->hits() + cache->misses(), 80000u);
}

}  // namespace
}  // namespace nori::testing
