#include "engine/core/write_controller.h"

#include <algorithm>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "engine/io/fake_clock.h"
#include "engine/io/memory_file_system.h"
#include "tests/engine/core/engine_fixture.h"

namespace nori {
namespace {

// Without threads and on a fake clock: time passes only while writers sleep.
class WriteControllerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    Options options = TinyOptions(&fs_, &clock_);
    options.background = BackgroundMode::kManual;
    options.memtable_bytes = 1 << 20;
    auto opened = Engine::Open(options, "/db");
    ASSERT_TRUE(opened.ok()) << opened.status();
    engine_ = *std::move(opened);
  }

  // Milliseconds that a commit of `bytes` took.
  double Write(size_t bytes) {
    WriteBatch batch;
    batch.Put(absl::StrCat("key", ++keys_), std::string(bytes, 'v'));
    const uint64_t start = clock_.NowMicros();
    NORI_EXPECT_OK(engine_->Write({}, batch));
    return static_cast<double>(clock_.NowMicros() - start) / 1e3;
  }

  MemoryFileSystem fs_;
  FakeClock clock_;
  std::unique_ptr<Engine> engine_;
  int keys_ = 0;
};

TEST_F(WriteControllerTest, FloodIsSlowedInSmallSteps) {
  double longest = 0;
  double sum = 0;
  for (int i = 0; i < 4000; ++i) {
    const double ms = Write(4096);
    longest = std::max(longest, ms);
    sum += ms;
  }
  EXPECT_GT(sum, 0);
  EXPECT_LE(longest, 80);
}

TEST_F(WriteControllerTest, LongDelayIsSharedWithTheWritesThatFollow) {
  // Until writers are slowed: immutable memtables wait for a flush.
  while (Write(4096) == 0) ASSERT_LT(keys_, 4000);
  while (Write(4096) < 5) ASSERT_LT(keys_, 4000);
  EXPECT_DOUBLE_EQ(Write(2 << 20), 80);
  // A write of this size alone would be gathered with others.
  EXPECT_GT(Write(100), 0);
}

}  // namespace
}  // namespace nori
