#include "engine/memtable/block_pool.h"

#include <cstdint>
#include <cstring>
#include <memory>
#include <set>
#include <vector>

#include "engine/memtable/arena.h"
#include "gtest/gtest.h"

namespace nori {
namespace {

TEST(BlockPool, GivesBackWhatItGot) {
  BlockPool pool(BlockPool::kBlockBytes);
  char* const block = pool.Take();
  EXPECT_EQ(reinterpret_cast<uintptr_t>(block) % BlockPool::kBlockBytes, 0u);
  std::memset(block, 1, BlockPool::kBlockBytes);
  EXPECT_EQ(pool.idle_bytes(), 0u);
  pool.Give(block);
  EXPECT_EQ(pool.idle_bytes(), BlockPool::kBlockBytes);
  EXPECT_EQ(pool.Take(), block);
  pool.Give(block);
}

TEST(BlockPool, KeepsNoMoreThanItMay) {
  BlockPool pool(2 * BlockPool::kBlockBytes + 1);
  std::set<char*> blocks;
  for (int i = 0; i < 4; ++i) blocks.insert(pool.Take());
  EXPECT_EQ(blocks.size(), 4u);
  for (char* block : blocks) pool.Give(block);
  EXPECT_EQ(pool.idle_bytes(), 2 * BlockPool::kBlockBytes);
}

TEST(BlockPool, ArenasHandBlocksOn) {
  auto pool = std::make_shared<BlockPool>(size_t{16} << 20);
  size_t idle = 0;
  for (int round = 0; round < 3; ++round) {
    {
      Arena arena(pool);
      // Larger than a quarter of a block, so that some have a block of their
      // own, which is not the pool's.
      for (int i = 0; i < 10000; ++i) {
        const size_t bytes = i % 1000 == 0 ? 600000 : 1000;
        std::memset(arena.Allocate(bytes), i, bytes);
      }
    }
    if (round > 0) {
      EXPECT_EQ(pool->idle_bytes(), idle);
    }
    idle = pool->idle_bytes();
    EXPECT_GT(idle, 0u);
  }
}

}  // namespace
}  // namespace nori
