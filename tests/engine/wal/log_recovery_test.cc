// Damage, power loss, and logs that go on after them.

#include <map>

#include "engine/wal/log.h"
#include "engine/wal/log_format.h"
#include "gmock/gmock.h"
#include "tests/engine/wal/log_test_util.h"

namespace nori {
namespace {

using ::testing::HasSubstr;

class LogRecoveryTest : public LogTestBase {
 protected:
  // Three segments of a few records with syncs between them.
  void WriteSample(std::vector<TestRecord>* written) {
    auto writer = Create(Options());
    for (int i = 0; i < 12; ++i) {
      Append(writer.get(), std::string(static_cast<size_t>(i * 3), 'a' + i),
             written);
      if (i % 3 == 1) {
        ASSERT_TRUE(writer->Sync(writer->End()).ok());
      }
      if (i % 4 == 3) {
        ASSERT_TRUE(writer->Roll().ok());
      }
    }
    Append(writer.get(), "last", written);
    end_ = writer->End();
  }

  static bool IsPrefix(const std::vector<TestRecord>& prefix,
                       const std::vector<TestRecord>& all) {
    return prefix.size() <= all.size() &&
           std::equal(prefix.begin(), prefix.end(), all.begin());
  }

  // Highest synced position told by a record or header that lies outside of
  // [from, to) of `segment`.
  LogPosition HighestMark(const std::vector<TestRecord>& written,
                          const std::map<std::string, std::string>& files,
                          uint64_t segment, uint64_t from, uint64_t to) {
    LogPosition mark;
    const auto touched = [&](uint64_t number, uint64_t begin, uint64_t end) {
      return number == segment && from < end && begin < to;
    };
    for (const TestRecord& r : written) {
      const auto view =
          DecodeLogRecord(files.at(Path(r.position.segment)), r.position);
      const uint64_t begin = r.position.offset;
      if (!touched(r.position.segment, begin, begin + view->bytes)) {
        mark = std::max(mark, view->synced);
      }
    }
    for (uint64_t n = 1; n <= end_.segment; ++n) {
      if (!touched(n, 0, 64)) {
        mark = std::max(mark,
                        DecodeLogSegmentHeader(files.at(Path(n)), n)->synced);
      }
    }
    return mark;
  }

  // Reads the damaged log: never wrong data, and never an end below the mark.
  void CheckDamaged(const std::vector<TestRecord>& written, LogPosition mark,
                    bool* was_loss) {
    std::vector<TestRecord> read;
    const auto report = Read(Options(), 1, &read);
    ASSERT_TRUE(IsPrefix(read, written));
    *was_loss = !report.ok();
    if (report.ok()) {
      EXPECT_GE(report->end, mark);
      EXPECT_EQ(report->records, read.size());
    } else {
      EXPECT_TRUE(absl::IsDataLoss(report.status())) << report.status();
      EXPECT_THAT(std::string(report.status().message()),
                  HasSubstr("/log/00000"));
      EXPECT_THAT(std::string(report.status().message()), HasSubstr("offset"));
      EXPECT_TRUE(read.empty() || read.back().position < mark);
    }
  }

  LogPosition end_;
};

TEST_F(LogRecoveryTest, FlipOfEveryByte) {
  std::vector<TestRecord> written;
  WriteSample(&written);
  const auto files = fs_.Save();
  int losses = 0, cuts = 0;
  for (const auto& [path, bytes] : files) {
    uint64_t number;
    ASSERT_TRUE(ParseLogSegmentName(path.substr(5), &number));
    for (size_t i = 0; i < bytes.size(); ++i) {
      SCOPED_TRACE(path + " " + std::to_string(i));
      fs_.Content(path)[i] ^= static_cast<char>(1 << (i % 8));
      bool was_loss = false;
      CheckDamaged(written, HighestMark(written, files, number, i, i + 1),
                   &was_loss);
      (was_loss ? losses : cuts) += 1;
      fs_.Content(path)[i] = bytes[i];
    }
  }
  EXPECT_GT(losses, 0);
  EXPECT_GT(cuts, 0);
}

TEST_F(LogRecoveryTest, TailTornAtEveryByte) {
  std::vector<TestRecord> written;
  WriteSample(&written);
  const auto files = fs_.Save();
  for (const auto& [path, bytes] : files) {
    uint64_t number;
    ASSERT_TRUE(ParseLogSegmentName(path.substr(5), &number));
    for (size_t n = 0; n < bytes.size(); ++n) {
      for (bool zeros : {false, true}) {
        SCOPED_TRACE(path + " " + std::to_string(n));
        fs_.Content(path) = bytes.substr(0, n);
        if (zeros) fs_.Content(path).resize(bytes.size(), '\0');
        bool was_loss = false;
        CheckDamaged(written,
                     HighestMark(written, files, number, n, bytes.size()),
                     &was_loss);
        // What is torn is the end of the log: nothing tells that it was synced.
        if (number == end_.segment && n >= 64) {
          EXPECT_FALSE(was_loss);
        }
      }
    }
    fs_.Content(path) = bytes;
  }
}

TEST_F(LogRecoveryTest, DamageBelowTheSyncedPositionNamesItsPlace) {
  std::vector<TestRecord> written;
  auto writer = Create(Options());
  for (int i = 0; i < 3; ++i) Append(writer.get(), "payload", &written);
  ASSERT_TRUE(writer->Sync(writer->End()).ok());
  ASSERT_TRUE(writer->Roll().ok());
  Append(writer.get(), "carries the mark", &written);
  fs_.Content(Path(1))[64 + 40 + 35] ^= 1;
  std::vector<TestRecord> read;
  const auto report = Read(Options(), 1, &read);
  ASSERT_TRUE(absl::IsDataLoss(report.status()));
  EXPECT_THAT(std::string(report.status().message()),
              HasSubstr("/log/000001.log: damaged log record at offset 104"));
  EXPECT_EQ(read.size(), 1u);
}

TEST_F(LogRecoveryTest, MarkIsFoundInARecordBehindDamagedOnes) {
  std::vector<TestRecord> written;
  auto writer = Create(Options());
  for (int i = 0; i < 4; ++i) {
    Append(writer.get(), std::string(50, 'p'), &written);
    if (i == 1) {
      ASSERT_TRUE(writer->Sync(writer->End()).ok());
    }
  }
  ASSERT_EQ(writer->Synced(), written[2].position);
  const std::string intact = fs_.Content(Path(1));
  std::vector<TestRecord> read;
  // The length of the second record, which was synced: the scan has to find the
  // third again by itself. Where that one is gone too, the fourth tells.
  fs_.Content(Path(1))[written[1].position.offset + 8] ^= 1;
  EXPECT_TRUE(absl::IsDataLoss(Read(Options(), 1, &read).status()));
  fs_.Content(Path(1))[written[2].position.offset + 8] ^= 1;
  EXPECT_TRUE(absl::IsDataLoss(Read(Options(), 1, &read).status()));
  EXPECT_EQ(read.size(), 1u);
  // The third alone was not synced: the log ends before it.
  fs_.Content(Path(1)) = intact;
  fs_.Content(Path(1))[written[2].position.offset + 8] ^= 1;
  ASSERT_TRUE(Read(Options(), 1, &read).ok());
  EXPECT_EQ(read.size(), 2u);
}

TEST_F(LogRecoveryTest, WholeRecordsBehindUnsyncedDamageAreDropped) {
  std::vector<TestRecord> written;
  auto writer = Create(Options());
  for (int i = 0; i < 3; ++i) Append(writer.get(), "payload", &written);
  ASSERT_TRUE(writer->Roll().ok());
  Append(writer.get(), "next segment", &written);
  fs_.Content(Path(1))[64 + 40 + 35] ^= 1;
  std::vector<TestRecord> read;
  const auto report = Read(Options(), 1, &read);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(read.size(), 1u);
  EXPECT_TRUE(report->damaged_tail);
  EXPECT_EQ(report->end, (LogPosition{1, 104}));
  EXPECT_EQ(report->next_segment, 3u);
  EXPECT_GT(report->bytes_dropped, 80u);

  // The log goes on behind the cut; what was dropped never comes back, and is
  // not taken for damage although much later records are synced.
  writer = Create(Options(), report->next_segment, report->end);
  read.clear();
  written.resize(1);
  Append(writer.get(), "goes on", &written);
  ASSERT_TRUE(writer->Sync(writer->End()).ok());
  Append(writer.get(), "and on", &written);
  EXPECT_EQ(writer->FirstSegment(), 1u);
  const auto again = Read(Options(), 1, &read);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(read, written);
  EXPECT_THAT(fs_.Names(),
              ::testing::UnorderedElementsAre("000001.log", "000003.log"));
}

TEST_F(LogRecoveryTest, RemovalOfDroppedSegmentsNeedNotSucceed) {
  std::vector<TestRecord> written;
  auto writer = Create(Options());
  Append(writer.get(), "kept", &written);
  Append(writer.get(), "damaged", &written);
  ASSERT_TRUE(writer->Roll().ok());
  Append(writer.get(), "dropped", &written);
  fs_.Content(Path(1))[64 + 40 + 35] ^= 1;
  std::vector<TestRecord> read;
  auto report = Read(Options(), 1, &read);
  ASSERT_TRUE(report.ok());
  fs_.inject = [](std::string_view op, const std::string&) {
    return op == "remove" ? absl::InternalError("injected") : absl::OkStatus();
  };
  EXPECT_FALSE(
      LogWriter::Create(Options(), report->next_segment, report->end).ok());
  fs_.inject = nullptr;
  // Segment 2 is still there, but segment 3 continues segment 1.
  report = Read(Options(), 1, &read);
  ASSERT_TRUE(report.ok()) << report.status();
  ASSERT_EQ(read.size(), 1u);
  EXPECT_EQ(report->end, (LogPosition{3, 64}));
  EXPECT_EQ(report->next_segment, 4u);
}

TEST_F(LogRecoveryTest, MissingSegments) {
  std::vector<TestRecord> written;
  WriteSample(&written);
  const auto files = fs_.Save();
  for (uint64_t missing = 1; missing < end_.segment; ++missing) {
    ASSERT_TRUE(fs_.RemoveFile(Path(missing)).ok());
    std::vector<TestRecord> read;
    const auto report = Read(Options(), 1, &read);
    EXPECT_TRUE(absl::IsDataLoss(report.status()));
    EXPECT_THAT(std::string(report.status().message()),
                HasSubstr(Path(missing)));
    fs_.Restore(files);
  }
  // Those below the first that is needed are not missed.
  ASSERT_TRUE(fs_.RemoveFile(Path(1)).ok());
  std::vector<TestRecord> read;
  EXPECT_TRUE(Read(Options(), 2, &read).ok());
}

TEST_F(LogRecoveryTest, UnknownFormatVersionIsRefused) {
  auto writer = Create(Options());
  LogSegmentHeader header;
  header.version = kLogFormatVersion + 1;
  header.number = 1;
  fs_.Content(Path(1)) = EncodeLogSegmentHeader(header);
  std::vector<TestRecord> read;
  EXPECT_TRUE(absl::IsFailedPrecondition(Read(Options(), 1, &read).status()));
}

TEST_F(LogRecoveryTest, CreateRefusesWhatDoesNotContinueTheLog) {
  std::vector<TestRecord> written;
  WriteSample(&written);
  for (const auto& [next, end] : std::vector<std::pair<uint64_t, LogPosition>>{
           {end_.segment, end_},
           {end_.segment + 1, {0, 0}},
           {end_.segment + 1, {end_.segment + 1, 64}},
           {end_.segment + 1, {end_.segment + 2, 0}}}) {
    EXPECT_TRUE(absl::IsInvalidArgument(
        LogWriter::Create(Options(), next, end).status()));
  }
  std::vector<TestRecord> read;
  ASSERT_TRUE(Read(Options(), 1, &read).ok());
  EXPECT_EQ(read, written) << "nothing was touched";
}

TEST_F(LogRecoveryTest, CreateSyncsWhatWasRecovered) {
  std::vector<TestRecord> written;
  auto writer = Create(Options());
  Append(writer.get(), "never synced by its writer", &written);
  std::vector<TestRecord> read;
  const auto report = Read(Options(), 1, &read);
  ASSERT_TRUE(report.ok());
  writer = Create(Options(), report->next_segment, report->end);
  fs_.LosePower();
  ASSERT_TRUE(Read(Options(), 1, &read).ok());
  EXPECT_EQ(read, written);
}

TEST_F(LogRecoveryTest, LogStartsAnewAfterAFailedOne) {
  std::vector<TestRecord> written;
  auto failed = Create(Options());
  Append(failed.get(), "flushed to a table meanwhile", &written);
  // The old files cannot be synced any more.
  fs_.inject = [](std::string_view op, const std::string& path) {
    return op == "sync" && path.ends_with("000001.log")
               ? absl::InternalError("injected")
               : absl::OkStatus();
  };
  ASSERT_FALSE(failed->Sync(failed->End()).ok());
  auto writer = Create(Options(), 2, {2, 0});
  ASSERT_NE(writer, nullptr);
  written.clear();
  Append(writer.get(), "new", &written);
  ASSERT_TRUE(writer->Sync(writer->End()).ok());
  EXPECT_EQ(writer->FirstSegment(), 1u);
  ASSERT_TRUE(writer->Retire(2).ok());
  EXPECT_EQ(writer->FirstSegment(), 2u);
  fs_.LosePower();
  std::vector<TestRecord> read;
  ASSERT_TRUE(Read(Options(), 2, &read).ok());
  EXPECT_EQ(read, written);
}

TEST_F(LogRecoveryTest, CreateRemovesOldSpares) {
  auto writer = Create(Options());
  ASSERT_TRUE(writer->PrepareSpare().ok());
  std::vector<TestRecord> read;
  const auto report = Read(Options(), 1, &read);
  writer = Create(Options(), report->next_segment, report->end);
  EXPECT_THAT(fs_.Names(),
              ::testing::UnorderedElementsAre("000001.log", "000002.log"));
}

// Lives of a log: random work, then the process or the power goes. What is read
// must be a prefix of what was written, at least all that was synced.
TEST_F(LogRecoveryTest, RandomLives) {
  const uint64_t seed = std::random_device()();
  SCOPED_TRACE(seed);
  std::mt19937_64 random(seed);
  for (int log = 0; log < 40; ++log) {
    fs_.Restore({});
    std::vector<TestRecord> model;
    size_t must = 0;  // records of the model that may not be lost
    uint64_t first_needed = 1;
    for (int life = 0; life < 8; ++life) {
      std::vector<TestRecord> read;
      const auto report = Read(Options(), first_needed, &read);
      ASSERT_TRUE(report.ok()) << report.status() << " life " << life;
      ASSERT_TRUE(IsPrefix(read, model));
      ASSERT_GE(read.size(), must);
      model.resize(read.size());
      const LogPosition end = fs_.Names().empty() ? LogPosition{} : report->end;
      auto writer = Create(Options(), report->next_segment, end);
      ASSERT_NE(writer, nullptr);
      must = model.size();
      for (uint64_t ops = random() % 200; ops > 0; --ops) {
        switch (random() % 20) {
          case 0:
            ASSERT_TRUE(writer->Sync(writer->End()).ok());
            must = model.size();
            break;
          case 1:
            ASSERT_TRUE(writer->Roll().ok());
            break;
          case 2: {
            const uint64_t last = writer->End().segment;
            first_needed += random() % (last - first_needed + 1);
            ASSERT_TRUE(writer->Retire(first_needed).ok());
            const auto gone = std::erase_if(model, [&](const auto& r) {
              return r.position.segment < first_needed;
            });
            must -= std::min<size_t>(must, gone);
            break;
          }
          case 3:
            ASSERT_TRUE(writer->PrepareSpare().ok());
            break;
          default:
            Append(writer.get(), RandomBytes(&random, random() % 600), &model);
        }
      }
      writer.reset();
      if (random() % 4 != 0) fs_.LosePowerAtRandom(&random);
    }
  }
}

}  // namespace
}  // namespace nori
