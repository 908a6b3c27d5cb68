#include "engine/wal/log.h"

#include <atomic>
#include <mutex>
#include <thread>

#include "engine/wal/log_format.h"
#include "gmock/gmock.h"
#include "tests/engine/wal/log_test_util.h"

namespace nori {
namespace {

using ::testing::UnorderedElementsAre;

class LogTest : public LogTestBase {};

TEST_F(LogTest, NamesRoundTripAndNothingElseParses) {
  for (uint64_t number : {uint64_t{0}, uint64_t{7}, uint64_t{999999},
                          uint64_t{1000000}, ~uint64_t{0}}) {
    uint64_t parsed;
    ASSERT_TRUE(ParseLogSegmentName(LogSegmentName(number), &parsed));
    EXPECT_EQ(parsed, number);
    ASSERT_TRUE(ParseLogSpareName(LogSpareName(number), &parsed));
    EXPECT_EQ(parsed, number);
  }
  EXPECT_EQ(LogSegmentName(7), "000007.log");
  for (const char* name :
       {"", ".log", "7.log", "0000007.log", "000007.sst", "000007.log ",
        "+00007.log", "-00007.log", " 00007.log", "000007", "00000x.log",
        "99999999999999999999.log", "000001.spare"}) {
    uint64_t parsed;
    EXPECT_FALSE(ParseLogSegmentName(name, &parsed)) << name;
  }
}

TEST_F(LogTest, FormatIsAsDocumented) {
  LogSegmentHeader header;
  header.number = 3;
  header.previous_end = {2, 128};
  header.synced = {2, 64};
  const std::string bytes = EncodeLogSegmentHeader(header);
  ASSERT_EQ(bytes.size(), 64u);
  EXPECT_EQ(bytes.substr(0, 12), std::string("nori-wal\1\0\0\0", 12));
  EXPECT_EQ(bytes[16], 3);
  EXPECT_EQ(bytes[24], 2);
  EXPECT_EQ(static_cast<uint8_t>(bytes[32]), 128);
  EXPECT_EQ(bytes[40], 2);
  EXPECT_EQ(bytes[48], 64);
  EXPECT_TRUE(DecodeLogSegmentHeader(bytes, 3).has_value());
  EXPECT_FALSE(DecodeLogSegmentHeader(bytes, 4).has_value());
  EXPECT_FALSE(DecodeLogSegmentHeader(bytes.substr(0, 63), 3).has_value());

  std::string record;
  EncodeLogRecord({3, 64}, {3, 8}, {"ab", "", "c"}, &record);
  ASSERT_EQ(record.size(), 40u);
  EXPECT_EQ(record.substr(8, 8), std::string("\3\0\0\0NWRC", 8));
  EXPECT_EQ(record[16], 3);
  EXPECT_EQ(record[24], 8);
  EXPECT_EQ(record.substr(32), std::string("abc\0\0\0\0\0", 8));
  const std::string segment = bytes + record;
  ASSERT_TRUE(DecodeLogRecord(segment, {3, 64}).has_value());
  EXPECT_EQ(DecodeLogRecord(segment, {3, 64})->payload, "abc");
  // The same bytes in another place, or cut short, are no record.
  EXPECT_FALSE(DecodeLogRecord(segment, {4, 64}).has_value());
  EXPECT_FALSE(DecodeLogRecord(bytes + "01234567" + record, {3, 72}));
  EXPECT_FALSE(DecodeLogRecord(segment.substr(0, 103), {3, 64}).has_value());
}

TEST_F(LogTest, EmptyDirectory) {
  std::vector<TestRecord> read;
  const auto report = Read(Options(), 5, &read);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->end, (LogPosition{5, 0}));
  EXPECT_EQ(report->next_segment, 5u);
  EXPECT_EQ(report->segments, 0u);
}

TEST_F(LogTest, RoundTripOverManySegments) {
  const uint64_t seed = std::random_device()();
  SCOPED_TRACE(seed);
  std::mt19937_64 random(seed);
  std::vector<TestRecord> written;
  auto writer = Create(Options());
  for (int i = 0; i < 500; ++i) {
    // Now and then larger than a segment.
    const size_t n = random() % (i % 50 == 49 ? 20000 : 700);
    Append(writer.get(), RandomBytes(&random, n), &written);
    EXPECT_TRUE(writer->End().offset <= 4096 || n > 4000 - 96);
    if (i % 20 == 0) {
      ASSERT_TRUE(writer->Sync(writer->End()).ok());
    }
  }
  EXPECT_GT(writer->End().segment, 20u);
  std::vector<TestRecord> read;
  const auto report = Read(Options(), 1, &read);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(read, written);
  EXPECT_EQ(report->records, written.size());
  EXPECT_EQ(report->end, writer->End());
  EXPECT_EQ(report->next_segment, writer->End().segment + 1);
  EXPECT_FALSE(report->damaged_tail);
  EXPECT_EQ(report->bytes_dropped, 0u);

  // From a later segment on.
  const auto later = Read(Options(), 9, &read);
  ASSERT_TRUE(later.ok()) << later.status();
  std::erase_if(written, [](const auto& r) { return r.position.segment < 9; });
  EXPECT_EQ(read, written);
}

TEST_F(LogTest, PartsAreConcatenatedAndEmptyRecordsCount) {
  auto writer = Create(Options());
  ASSERT_TRUE(writer->Append({"a", "", "bcd"}).ok());
  ASSERT_TRUE(writer->Append({}).ok());
  ASSERT_TRUE(writer->Append({"e"}).ok());
  std::vector<TestRecord> read;
  ASSERT_TRUE(Read(Options(), 1, &read).ok());
  ASSERT_EQ(read.size(), 3u);
  EXPECT_EQ(read[0].payload, "abcd");
  EXPECT_EQ(read[1].payload, "");
  EXPECT_EQ(read[2].payload, "e");
}

TEST_F(LogTest, VisitorCanStop) {
  auto writer = Create(Options());
  ASSERT_TRUE(writer->Append({"a"}).ok());
  ASSERT_TRUE(writer->Append({"b"}).ok());
  int visited = 0;
  const auto report = ReadLog(Options(), 1, [&](LogPosition, auto) {
    ++visited;
    return absl::CancelledError("enough");
  });
  EXPECT_TRUE(absl::IsCancelled(report.status()));
  EXPECT_EQ(visited, 1);
}

TEST_F(LogTest, HugeRecordGetsASegmentOfItsOwn) {
  std::vector<TestRecord> written;
  auto writer = Create(Options());
  Append(writer.get(), "small", &written);
  Append(writer.get(), std::string(5 << 20, 'h'), &written);
  EXPECT_EQ(writer->End().segment, 2u);
  Append(writer.get(), "small again", &written);
  EXPECT_EQ(writer->End().segment, 3u);
  std::vector<TestRecord> read;
  ASSERT_TRUE(Read(Options(), 1, &read).ok());
  EXPECT_EQ(read, written);
  EXPECT_GT(writer->TotalBytes(), 5u << 20);
  // It is not kept as a spare.
  ASSERT_TRUE(writer->Retire(3).ok());
  EXPECT_THAT(fs_.Names(), UnorderedElementsAre("000003.log"));
  EXPECT_LT(writer->TotalBytes(), 4096u);
}

TEST_F(LogTest, RollOnAnEmptySegmentDoesNothing) {
  auto writer = Create(Options());
  EXPECT_EQ(*writer->Roll(), 1u);
  ASSERT_TRUE(writer->Append({"a"}).ok());
  EXPECT_EQ(*writer->Roll(), 2u);
  EXPECT_EQ(*writer->Roll(), 2u);
  EXPECT_EQ(writer->FirstSegment(), 1u);
}

TEST_F(LogTest, RollWaitsForTheDirectoryOnlyIfNobodySyncedIt) {
  auto writer = Create(Options());
  ASSERT_TRUE(writer->Append({"a"}).ok());
  ASSERT_TRUE(writer->Roll().ok());
  ASSERT_TRUE(writer->SyncDirectory().ok());
  const int before = fs_.DirectorySyncs();
  ASSERT_TRUE(writer->Append({"b"}).ok());
  ASSERT_TRUE(writer->Roll().ok());
  EXPECT_EQ(fs_.DirectorySyncs(), before);
  ASSERT_TRUE(writer->Append({"c"}).ok());
  ASSERT_TRUE(writer->Roll().ok());
  EXPECT_EQ(fs_.DirectorySyncs(), before + 1);
}

TEST_F(LogTest, SyncOfALaterPositionSyncsRolledSegments) {
  std::vector<TestRecord> written;
  auto writer = Create(Options());
  Append(writer.get(), "a", &written);
  ASSERT_TRUE(writer->Roll().ok());
  Append(writer.get(), "b", &written);
  ASSERT_TRUE(writer->Roll().ok());
  Append(writer.get(), "c", &written);
  const LogPosition end = writer->End();
  ASSERT_TRUE(writer->Sync(end).ok());
  EXPECT_EQ(writer->Synced(), end);
  const int syncs = fs_.Syncs();
  ASSERT_TRUE(writer->Sync(end).ok());
  ASSERT_TRUE(writer->Sync({1, 64}).ok());
  EXPECT_EQ(fs_.Syncs(), syncs) << "nothing was left to sync";
  EXPECT_TRUE(
      absl::IsInvalidArgument(writer->Sync({end.segment, end.offset + 8})));
  fs_.LosePower();
  std::vector<TestRecord> read;
  ASSERT_TRUE(Read(Options(), 1, &read).ok());
  EXPECT_EQ(read, written);
}

TEST_F(LogTest, RecycledSegmentIsNotReadAsNew) {
  const LogOptions options = Options();
  std::vector<TestRecord> written;
  auto writer = Create(options);
  while (writer->End().segment < 4) {
    Append(writer.get(), std::string(100, 'x'), &written);
  }
  EXPECT_TRUE(writer->WantsSpare());
  ASSERT_TRUE(writer->Retire(4).ok());
  EXPECT_FALSE(writer->WantsSpare());
  EXPECT_EQ(writer->FirstSegment(), 4u);
  // Two spares are kept, the third segment is gone.
  EXPECT_THAT(fs_.Names(), UnorderedElementsAre("000001.spare", "000002.spare",
                                                "000004.log"));
  ASSERT_TRUE(writer->Roll().ok());
  EXPECT_THAT(fs_.Names(),
              UnorderedElementsAre("000001.spare", "000004.log", "000005.log"));
  // Same sizes, so that old records lie exactly behind the new one.
  Append(writer.get(), std::string(100, 'y'), &written);
  std::erase_if(written, [](const auto& r) { return r.position.segment < 4; });
  std::vector<TestRecord> read;
  const auto report = Read(options, 4, &read);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(read, written);
  EXPECT_EQ(report->end, writer->End());
  EXPECT_TRUE(report->damaged_tail);
  ASSERT_TRUE(writer->Sync(writer->End()).ok());
  fs_.LosePower();
  ASSERT_TRUE(Read(options, 4, &read).ok());
  EXPECT_EQ(read, written) << "the new name was synced";
}

TEST_F(LogTest, PreparedSpareIsZerosAndSynced) {
  auto writer = Create(Options());
  ASSERT_TRUE(writer->WantsSpare());
  ASSERT_TRUE(writer->PrepareSpare().ok());
  EXPECT_FALSE(writer->WantsSpare());
  EXPECT_EQ(fs_.Content("/log/000001.spare"), std::string(4096, '\0'));
  ASSERT_TRUE(writer->PrepareSpare().ok());
  EXPECT_THAT(fs_.Names(), UnorderedElementsAre("000001.log", "000001.spare"));
  ASSERT_TRUE(writer->Append({"a"}).ok());
  ASSERT_TRUE(writer->Roll().ok());
  ASSERT_TRUE(writer->Append({"b"}).ok());
  EXPECT_THAT(fs_.Names(), UnorderedElementsAre("000001.log", "000002.log"));
  EXPECT_EQ(fs_.Content(Path(2)).size(), 4096u);
  EXPECT_TRUE(writer->WantsSpare());
  EXPECT_EQ(writer->TotalBytes(), 4096u + 64 + 40);

  LogOptions none = Options();
  none.max_spare_segments = 0;
  none.directory = "/other";
  TestFileSystem other;
  none.file_system = &other;
  auto spareless = Create(none);
  EXPECT_FALSE(spareless->WantsSpare());
  ASSERT_TRUE(spareless->PrepareSpare().ok());
  EXPECT_EQ(other.Names().size(), 1u);
}

TEST_F(LogTest, FailureToPrepareASpareHarmsNothing) {
  auto writer = Create(Options());
  fs_.inject = [](std::string_view op, const std::string& path) {
    return op == "sync" && path.ends_with(".spare")
               ? absl::InternalError("injected")
               : absl::OkStatus();
  };
  EXPECT_TRUE(absl::IsInternal(writer->PrepareSpare()));
  EXPECT_TRUE(writer->WantsSpare());
  EXPECT_THAT(fs_.Names(), UnorderedElementsAre("000001.log"));
  ASSERT_TRUE(writer->Append({"a"}).ok());
  ASSERT_TRUE(writer->Roll().ok());
  ASSERT_TRUE(writer->Sync(writer->End()).ok());
}

TEST_F(LogTest, SyncFailureIsFinal) {
  auto writer = Create(Options());
  ASSERT_TRUE(writer->Append({"a"}).ok());
  fs_.inject = [](std::string_view op, const std::string&) {
    return op == "sync" ? absl::InternalError("injected") : absl::OkStatus();
  };
  const LogPosition synced = writer->Synced();
  const absl::Status failure = writer->Sync(writer->End());
  EXPECT_TRUE(absl::IsInternal(failure));
  fs_.inject = nullptr;
  EXPECT_EQ(writer->Sync(writer->End()), failure);
  EXPECT_EQ(writer->Append({"b"}).status(), failure);
  EXPECT_EQ(writer->Roll().status(), failure);
  EXPECT_EQ(writer->Synced(), synced);
}

TEST_F(LogTest, DirectorySyncFailureIsFinal) {
  auto writer = Create(Options());
  ASSERT_TRUE(writer->Append({"a"}).ok());
  ASSERT_TRUE(writer->Roll().ok());
  ASSERT_TRUE(writer->Append({"b"}).ok());
  fs_.inject = [](std::string_view op, const std::string&) {
    return op == "syncdir" ? absl::InternalError("injected") : absl::OkStatus();
  };
  EXPECT_FALSE(writer->Sync(writer->End()).ok());
  fs_.inject = nullptr;
  EXPECT_FALSE(writer->Sync(writer->End()).ok());
}

TEST_F(LogTest, WriteFailureIsFinalAndLeavesNoRecord) {
  std::vector<TestRecord> written;
  auto writer = Create(Options());
  Append(writer.get(), "a", &written);
  fs_.inject = [](std::string_view op, const std::string&) {
    return op == "write" ? absl::InternalError("injected") : absl::OkStatus();
  };
  const absl::Status failure = writer->Append({"b"}).status();
  EXPECT_TRUE(absl::IsInternal(failure));
  fs_.inject = nullptr;
  EXPECT_EQ(writer->Append({"c"}).status(), failure);
  EXPECT_EQ(writer->Sync(writer->End()), failure);
  std::vector<TestRecord> read;
  ASSERT_TRUE(Read(Options(), 1, &read).ok());
  EXPECT_EQ(read, written);
}

TEST_F(LogTest, FullDiskDelaysOnly) {
  std::vector<TestRecord> written;
  auto writer = Create(Options());
  Append(writer.get(), std::string(3000, 'a'), &written);
  const auto full = [](std::string_view op, const std::string&) {
    return op == "write" ? absl::ResourceExhaustedError("injected")
                         : absl::OkStatus();
  };
  fs_.inject = full;
  // Inside a segment, then where the next one cannot be started.
  EXPECT_TRUE(absl::IsResourceExhausted(
      writer->Append({std::string(99, 'b')}).status()));
  EXPECT_TRUE(absl::IsResourceExhausted(
      writer->Append({std::string(3000, 'c')}).status()));
  fs_.inject = nullptr;
  // This one would still fit into the old segment, but the header of the next
  // one may be on disk.
  Append(writer.get(), "d", &written);
  EXPECT_EQ(writer->End().segment, 2u);
  Append(writer.get(), "e", &written);
  ASSERT_TRUE(writer->Sync(writer->End()).ok());
  fs_.LosePower();
  std::vector<TestRecord> read;
  const auto report = Read(Options(), 1, &read);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(read, written);
}

// A segment that no spare became: commits that wait for the disk one by one
// must not wait for the file to grow, too.
TEST_F(LogTest, SmallSyncsHaveZerosWrittenAhead) {
  constexpr uint64_t kSegment = 1 << 16;
  std::vector<TestRecord> written;
  auto writer = Create(Options(kSegment));
  Append(writer.get(), "a", &written);
  EXPECT_EQ(fs_.Content(Path(1)).size(), writer->End().offset);
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(writer->Sync(writer->End()).ok());
    Append(writer.get(), std::string(100, 'b'), &written);
    EXPECT_EQ(fs_.Content(Path(1)).size(), kSegment);
  }
  ASSERT_TRUE(writer->Sync(writer->End()).ok());
  fs_.LosePower();
  std::vector<TestRecord> read;
  const auto report = Read(Options(kSegment), 1, &read);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(read, written);
  EXPECT_EQ(report->bytes_dropped, 0u);
}

TEST_F(LogTest, LargeSyncsHaveNone) {
  std::vector<TestRecord> written;
  auto writer = Create(Options(1 << 20));
  for (int i = 0; i < 3; ++i) {
    Append(writer.get(), std::string(100'000, 'a'), &written);
    ASSERT_TRUE(writer->Sync(writer->End()).ok());
    EXPECT_EQ(fs_.Content(Path(1)).size(), writer->End().offset);
  }
}

TEST_F(LogTest, ZerosAheadMayFail) {
  std::vector<TestRecord> written;
  auto writer = Create(Options(1 << 16));
  Append(writer.get(), "a", &written);
  ASSERT_TRUE(writer->Sync(writer->End()).ok());
  int writes = 0;
  fs_.inject = [&](std::string_view op, const std::string&) {
    return op == "write" && ++writes == 1
               ? absl::ResourceExhaustedError("injected")
               : absl::OkStatus();
  };
  Append(writer.get(), "b", &written);
  EXPECT_EQ(writes, 2);
  Append(writer.get(), "c", &written);
  EXPECT_EQ(writes, 3);
  std::vector<TestRecord> read;
  const auto report = Read(Options(1 << 16), 1, &read);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(read, written);
}

TEST_F(LogTest, RetireCanBeRepeatedAfterAFailure) {
  auto writer = Create(Options());
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(writer->Append({"a"}).ok());
    ASSERT_TRUE(writer->Roll().ok());
  }
  fs_.inject = [](std::string_view op, const std::string&) {
    return op == "remove" ? absl::InternalError("injected") : absl::OkStatus();
  };
  EXPECT_FALSE(writer->Retire(3).ok());
  EXPECT_EQ(writer->FirstSegment(), 1u);
  fs_.inject = nullptr;
  ASSERT_TRUE(writer->Retire(3).ok());
  EXPECT_EQ(writer->FirstSegment(), 3u);
  ASSERT_TRUE(writer->Retire(100).ok());
  EXPECT_EQ(writer->FirstSegment(), 4u) << "the current segment stays";
}

TEST_F(LogTest, ConcurrentSyncsShareTheWork) {
  const LogOptions options = Options(1 << 14);
  auto writer = Create(options);
  std::vector<TestRecord> written;
  std::mutex append_mutex;
  std::atomic<bool> done{false};
  std::thread background([&] {
    while (!done) {
      EXPECT_TRUE(writer->PrepareSpare().ok());
      writer->TotalBytes();
    }
  });
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 300; ++i) {
        LogPosition end;
        {
          std::lock_guard<std::mutex> lock(append_mutex);
          Append(writer.get(), std::string(static_cast<size_t>(t * 40), 'r'),
                 &written);
          end = writer->End();
          if (i % 100 == 99) {
            ASSERT_TRUE(writer->Roll().ok());
          }
        }
        ASSERT_TRUE(writer->Sync(end).ok());
        EXPECT_GE(writer->Synced(), end);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  done = true;
  background.join();
  fs_.LosePower();
  std::vector<TestRecord> read;
  const auto report = Read(options, 1, &read);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(read, written);
}

TEST_F(LogTest, WaitingSyncsAreServedByOneSync) {
  auto writer = Create(Options());
  ASSERT_TRUE(writer->Append({"first"}).ok());
  const LogPosition first = writer->End();
  absl::Mutex mutex;
  bool started = false, go = false;
  fs_.inject = [&](std::string_view op, const std::string&) {
    if (op == "sync") {
      absl::MutexLock lock(&mutex);
      started = true;
      mutex.Await(absl::Condition(&go));
    }
    return absl::OkStatus();
  };
  const int before = fs_.Syncs();
  std::thread leader([&] { EXPECT_TRUE(writer->Sync(first).ok()); });
  {
    absl::MutexLock lock(&mutex);
    mutex.Await(absl::Condition(&started));
  }
  // These all come too late for the sync that is running.
  std::vector<std::thread> followers;
  for (int i = 0; i < 8; ++i) ASSERT_TRUE(writer->Append({"later"}).ok());
  const LogPosition end = writer->End();
  for (int i = 0; i < 8; ++i) {
    followers.emplace_back([&] { EXPECT_TRUE(writer->Sync(end).ok()); });
  }
  {
    absl::MutexLock lock(&mutex);
    go = true;
  }
  leader.join();
  for (auto& thread : followers) thread.join();
  EXPECT_EQ(fs_.Syncs() - before, 2);
}

}  // namespace
}  // namespace nori
