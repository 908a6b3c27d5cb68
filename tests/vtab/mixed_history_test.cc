#include "vtab/mixed_history.h"

#include <memory>
#include <string>

#include "engine/engine.h"
#include "engine/io/fake_clock.h"
#include "engine/io/memory_file_system.h"
#include "gtest/gtest.h"

namespace nori {
namespace {

class MixedHistoryTest : public ::testing::Test {
 protected:
  MixedHistoryTest() {
    Options options;
    options.file_system = &files_;
    engine_ = *Engine::Open(options, "/nori");
  }

  // The engine as a transaction finds it that then commits.
  SnapshotRef Commit() {
    SnapshotRef before = engine_->GetSnapshot();
    EXPECT_TRUE(engine_->Put({}, "k", "v").ok());
    return before;
  }
  SequenceNumber StateFor(uint64_t host) {
    const auto state = history_.StateFor(host, engine_.get());
    EXPECT_TRUE(state.ok()) << state.status();
    return state.ok() ? (*state)->sequence() : 0;
  }

  MemoryFileSystem files_;
  std::unique_ptr<Engine> engine_;
  FakeClock clock_;
  MixedHistory history_{0, &clock_};
};

TEST_F(MixedHistoryTest, ReaderGetsTheStateOfItsHost) {
  for (uint64_t number : {1, 2, 3}) {
    history_.Prepared(number, Commit(), 0);
    history_.Published(number);
  }
  for (uint64_t host : {0, 1, 2, 3}) EXPECT_EQ(StateFor(host), host);
}

TEST_F(MixedHistoryTest, NextMayPrepareBeforeTheLastIsPublished) {
  history_.Prepared(1, Commit(), 0);
  history_.Prepared(2, Commit(), 0);
  history_.Published(1);
  EXPECT_EQ(StateFor(0), 0u);
  EXPECT_EQ(StateFor(1), 1u);
  history_.Published(2);
  for (uint64_t host : {0, 1, 2}) EXPECT_EQ(StateFor(host), host);
}

TEST_F(MixedHistoryTest, PreparedAgainOrAborted) {
  history_.Prepared(1, engine_->GetSnapshot(), 0);
  history_.Prepared(2, engine_->GetSnapshot(), 1);
  history_.Aborted(2);
  EXPECT_EQ(StateFor(0), 0u);
  history_.Prepared(1, Commit(), 0);
  history_.Published(1);
  EXPECT_EQ(StateFor(0), 0u);
  EXPECT_EQ(StateFor(1), 1u);
}

TEST_F(MixedHistoryTest, KeepsWhatIsYoungOrAmongTheLast) {
  const auto commit = [this](uint64_t number) {
    history_.Prepared(number, Commit(), 0);
    history_.Published(number);
  };
  for (uint64_t number = 1; number <= 500; ++number) commit(number);
  EXPECT_EQ(StateFor(0), 0u);  // many, but young
  EXPECT_EQ(StateFor(123), 123u);
  clock_.Advance(absl::Seconds(11));
  commit(501);
  // Of the old ones only the last 64.
  EXPECT_TRUE(absl::IsAborted(history_.StateFor(436, engine_.get()).status()));
  EXPECT_EQ(StateFor(437), 437u);
  EXPECT_EQ(StateFor(501), 501u);
  clock_.Advance(absl::Hours(1));
  EXPECT_EQ(StateFor(437), 437u);  // old, but among the last
  commit(502);
  EXPECT_TRUE(absl::IsAborted(history_.StateFor(437, engine_.get()).status()));
}

TEST_F(MixedHistoryTest, QuietAfterTenSeconds) {
  EXPECT_TRUE(history_.Quiet());
  history_.Prepared(1, Commit(), 0);
  history_.Published(1);
  EXPECT_FALSE(history_.Quiet());
  clock_.Advance(absl::Seconds(11));
  EXPECT_TRUE(history_.Quiet());
}

}  // namespace
}  // namespace nori
