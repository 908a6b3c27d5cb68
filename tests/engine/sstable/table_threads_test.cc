// Many threads on one reader and one cache.

#include <thread>

#include "table_test_util.h"

namespace nori::testing {
namespace {

TEST(TableThreads, ReadersShareATable) {
  Rng build_rng(8);
  Model model;
  for (int i = 0; i < 5000; ++i) {
    model.Put("k" + std::to_string(i), 1, RandomText(build_rng, 50));
  }
  for (Compression compression : {Compression::kNone, Compression::kLz4}) {
    TableWriterOptions options;
    options.compression = compression;
    const BuiltTable built = Build(model, options);
    auto cache = BlockCache::Create(100000);
    for (bool mapped : {false, true}) {
      auto reader = Open(built.bytes, mapped, cache.get());
      std::vector<std::thread> threads;
      for (uint64_t t = 0; t < 4; ++t) {
        threads.emplace_back([&, t] {
          Rng rng(t);
          auto it = reader->NewIterator();
          for (int i = 0; i < 4000; ++i) {
            const std::string key = "k" + std::to_string(Uniform(rng, 6000));
            PointLookup result;
            ASSERT_TRUE(reader->Get(key, HashKey(key), 1, &result).ok());
            const auto expected = model.Find(key, 1);
            ASSERT_EQ(result.found, expected != model.entries.end());
            if (result.found) {
              ASSERT_EQ(result.value, expected->second);
            }
            it->Seek(key, SeekTrailer(1));
            ASSERT_TRUE(it->status().ok());
            if (result.found) {
              ASSERT_EQ(it->user_key(), key);
            }
          }
        });
      }
      for (std::thread& thread : threads) thread.join();
    }
  }
}

}  // namespace
}  // namespace nori::testing
