#include "engine/observe/events.h"

#include <algorithm>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace nori {
namespace {

Event Make(uint64_t slot) {
  Event event;
  event.kind = EventKind::kAdoption;
  event.slot_id = slot;
  event.detail = std::to_string(slot);
  return event;
}

TEST(EventRing, KeepsEverythingUntilFull) {
  EventRing ring(4);
  EXPECT_TRUE(ring.Snapshot().empty());
  for (uint64_t i = 1; i <= 4; ++i) {
    ring.Record(Make(10 * i));
    const std::vector<Event> events = ring.Snapshot();
    ASSERT_EQ(events.size(), i);
    for (uint64_t j = 0; j < i; ++j) {
      EXPECT_EQ(events[j].sequence, j + 1);
      EXPECT_EQ(events[j].slot_id, 10 * (j + 1));
    }
  }
}

TEST(EventRing, OverwritesTheOldestAtEveryOffset) {
  for (size_t capacity : {1, 2, 3, 7}) {
    EventRing ring(capacity);
    for (uint64_t i = 1; i <= 50; ++i) {
      ring.Record(Make(i));
      const std::vector<Event> events = ring.Snapshot();
      ASSERT_EQ(events.size(), std::min<size_t>(i, capacity));
      for (size_t j = 0; j < events.size(); ++j) {
        ASSERT_EQ(events[j].sequence, i - events.size() + 1 + j);
        ASSERT_EQ(events[j].slot_id, events[j].sequence);
        ASSERT_EQ(events[j].detail, std::to_string(events[j].sequence));
      }
    }
  }
}

TEST(EventRing, CapacityZeroKeepsOne) {
  EventRing ring(0);
  ring.Record(Make(1));
  ring.Record(Make(2));
  ASSERT_EQ(ring.Snapshot().size(), 1u);
  EXPECT_EQ(ring.Snapshot()[0].slot_id, 2u);
}

TEST(EventRing, ListenerSeesEachEventAndMayReadTheRing) {
  EventRing ring(2);
  std::vector<uint64_t> heard;
  ring.set_listener([&](const Event& event) {
    heard.push_back(event.sequence);
    EXPECT_EQ(ring.Snapshot().back().sequence, event.sequence);
    EXPECT_EQ(event.detail, std::to_string(event.slot_id));
  });
  for (uint64_t i = 1; i <= 5; ++i) ring.Record(Make(i));
  EXPECT_EQ(heard, (std::vector<uint64_t>{1, 2, 3, 4, 5}));
}

TEST(EventRing, ThreadsGetDistinctSequencesWithoutGaps) {
  constexpr int kThreads = 4;
  constexpr int kEach = 2000;
  EventRing ring(64);
  std::mutex mutex;
  std::set<uint64_t> heard;
  ring.set_listener([&](const Event& event) {
    std::lock_guard<std::mutex> lock(mutex);
    EXPECT_TRUE(heard.insert(event.sequence).second);
  });
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&ring, t] {
      for (int i = 0; i < kEach; ++i) {
        ring.Record(Make(static_cast<uint64_t>(t)));
        if (i % 64 == 0) {
          const std::vector<Event> events = ring.Snapshot();
          for (size_t j = 1; j < events.size(); ++j) {
            ASSERT_EQ(events[j].sequence, events[j - 1].sequence + 1);
          }
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(heard.size(), size_t{kThreads} * kEach);
  EXPECT_EQ(*heard.rbegin(), uint64_t{kThreads} * kEach);
  const std::vector<Event> events = ring.Snapshot();
  ASSERT_EQ(events.size(), 64u);
  EXPECT_EQ(events.back().sequence, uint64_t{kThreads} * kEach);
}

TEST(EventKind, NamesAreDistinctWords) {
  std::set<std::string> names;
  for (int k = 0; k <= static_cast<int>(EventKind::kRecovery); ++k) {
    const std::string name = EventKindName(static_cast<EventKind>(k));
    EXPECT_TRUE(names.insert(name).second) << name;
    EXPECT_NE(name, "unknown");
    EXPECT_EQ(name.find_first_not_of("abcdefghijklmnopqrstuvwxyz_"),
              std::string::npos);
  }
}

}  // namespace
}  // namespace nori
