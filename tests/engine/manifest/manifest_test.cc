#include "engine/manifest/manifest.h"

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "engine/format/checksum.h"
#include "engine/format/coding.h"
#include "engine/manifest/edit_log.h"
#include "engine/manifest/replay.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/engine/manifest/test_file_system.h"
#include "tests/engine/slots/fake_table.h"

namespace nori {
namespace {

using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

constexpr char kDir[] = "/db";

std::string PathOf(const std::string& name) {
  return std::string(kDir) + "/" + name;
}

std::string Describe(const ManifestState& state) {
  std::string bytes;
  DescribeState(state).EncodeTo(&bytes);
  return bytes;
}

TEST(FileNameTest, ParsesWhatItMakes) {
  uint64_t number = 99;
  for (const uint64_t n :
       {uint64_t{1}, uint64_t{999999}, uint64_t{1000000}, ~uint64_t{0}}) {
    EXPECT_EQ(ParseFileName(ManifestFileName(n), &number), FileType::kManifest);
    EXPECT_EQ(number, n);
    EXPECT_EQ(ParseFileName(TableFileName(n), &number), FileType::kTable);
    EXPECT_EQ(number, n);
  }
  EXPECT_EQ(ManifestFileName(1), "MANIFEST-000001");
  EXPECT_EQ(TableFileName(1), "000001.sst");
  EXPECT_EQ(ParseFileName("CURRENT", &number), FileType::kCurrent);
  EXPECT_EQ(ParseFileName("LOCK", &number), FileType::kLock);
  EXPECT_EQ(ParseFileName("000012.log", &number), FileType::kLogSegment);
  EXPECT_EQ(number, 12u);
  EXPECT_EQ(ParseFileName("CURRENT.tmp", &number), FileType::kTemporary);
  EXPECT_EQ(ParseFileName("000012.sst.tmp", &number), FileType::kTemporary);
  for (const char* name :
       {"", "MANIFEST-", "MANIFEST-12", "MANIFEST-0000001", "12.sst",
        "0000012.sst", "00001x.sst", "+00001.sst", "000001.sst2", ".sst",
        "99999999999999999999999.sst", "notes.txt", "current"}) {
    EXPECT_EQ(ParseFileName(name, &number), FileType::kUnknown) << name;
    EXPECT_EQ(number, 0u);
  }
}

class ManifestTest : public ::testing::Test {
 protected:
  void SetUp() override { Create(); }

  void Create() {
    ManifestState initial;
    initial.identity = "0123456789abcdef";
    initial.options = {{"compression", "lz4"}};
    auto manifest = Manifest::Create(&fs_, kDir, initial);
    ASSERT_TRUE(manifest.ok()) << manifest.status();
    manifest_ = *std::move(manifest);
  }

  TableOpener Opener() {
    return [this](const TableMeta& meta) -> absl::StatusOr<TableRef> {
      ++opened_[meta.number];
      return tables_.at(meta.number);
    };
  }

  // An edit that adds a table to L0.
  VersionEdit AddTable() {
    const uint64_t number = manifest_->state().next_file_number;
    const SequenceNumber first = manifest_->state().last_sequence + 1;
    tables_[number] = MakeFakeTable(number, {"a", "m", "z"}, first);
    VersionEdit edit;
    edit.new_tables = {tables_[number]->meta};
    edit.l0_added = {number};
    edit.last_sequence = first + 2;
    return edit;
  }
  absl::Status Log(const VersionEdit& edit) {
    return manifest_->Log(edit, Opener());
  }
  void LogTables(int n) {
    for (int i = 0; i < n; ++i) {
      const absl::Status status = Log(AddTable());
      ASSERT_TRUE(status.ok()) << status;
    }
  }
  absl::StatusOr<std::unique_ptr<Manifest>> Recover() {
    return Manifest::Recover(&fs_, kDir, Opener());
  }
  void Reopen() {
    auto manifest = Recover();
    ASSERT_TRUE(manifest.ok()) << manifest.status();
    manifest_ = *std::move(manifest);
  }
  std::vector<std::string> Files() { return *fs_.ListDirectory(kDir); }
  std::string CurrentManifestPath() {
    return PathOf(ManifestFileName(manifest_->file_number()));
  }

  TestFileSystem fs_;
  std::map<uint64_t, TableRef> tables_;
  std::map<uint64_t, int> opened_;
  std::unique_ptr<Manifest> manifest_;
};

TEST_F(ManifestTest, CreateMakesOneEmptySlot) {
  fs_.LosePower();
  Reopen();
  const ManifestState& state = manifest_->state();
  EXPECT_EQ(state.identity, "0123456789abcdef");
  EXPECT_EQ(state.options.at("compression"), "lz4");
  EXPECT_EQ(state.next_slot_id, 2u);
  ASSERT_EQ(state.version->slots().size(), 1u);
  EXPECT_EQ(state.version->slots()[0]->id, 1u);
  EXPECT_THAT(Files(), UnorderedElementsAre("CURRENT", "MANIFEST-000001"));
}

TEST_F(ManifestTest, CreateRefusesASecondManifest) {
  ManifestState initial;
  initial.identity = "0123456789abcdef";
  EXPECT_EQ(Manifest::Create(&fs_, kDir, initial).status().code(),
            absl::StatusCode::kFailedPrecondition);
  TestFileSystem empty;
  initial.identity = "short";
  EXPECT_EQ(Manifest::Create(&empty, kDir, initial).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(ManifestTest, RecoverWithoutCurrentIsNotFound) {
  TestFileSystem empty;
  EXPECT_TRUE(
      absl::IsNotFound(Manifest::Recover(&empty, kDir, Opener()).status()));
}

TEST_F(ManifestTest, LoggedEditsSurvivePowerLoss) {
  LogTables(3);
  VersionEdit edit;
  edit.log_number = 17;
  edit.decided_mixed = 5;
  edit.options.emplace()["a"] = "b";
  edit.adoptions = {{{"b", "n"}, 3}};
  ASSERT_TRUE(Log(edit).ok());
  const std::string before = Describe(manifest_->state());
  fs_.LosePower();
  opened_.clear();
  Reopen();
  EXPECT_EQ(Describe(manifest_->state()), before);
  EXPECT_EQ(manifest_->state().log_number, 17u);
  EXPECT_EQ(manifest_->state().next_file_number, 4u);
  EXPECT_EQ(manifest_->state().version->l0().back().remaining.size(), 2u);
  EXPECT_EQ(opened_.size(), 3u);
}

TEST_F(ManifestTest, CreateTakesOverAWholeState) {
  LogTables(2);
  VersionEdit edit;
  edit.adoptions = {{{"b", "n"}, 3}};
  ASSERT_TRUE(Log(edit).ok());
  TestFileSystem copy;
  auto created = Manifest::Create(&copy, kDir, manifest_->state());
  ASSERT_TRUE(created.ok());
  auto recovered = Manifest::Recover(&copy, kDir, Opener());
  ASSERT_TRUE(recovered.ok()) << recovered.status();
  EXPECT_EQ(Describe((*recovered)->state()), Describe(manifest_->state()));
}

TEST_F(ManifestTest, OpensOnlyTablesThatAreLeftWithTheirEstimates) {
  LogTables(2);
  VersionEdit edit;
  SlotRecord left, right;
  left.id = 5;
  left.range = {"", "m"};
  left.runs = {{{{2, {"a", "m"}}}}};
  right.id = 6;
  right.range = {"m", ""};
  edit.adoptions = {{{}, 3}, {{"", "m"}, 6}};
  edit.replacements = {{{}, {left, right}}};
  ASSERT_TRUE(Log(edit).ok());
  opened_.clear();
  Reopen();
  EXPECT_EQ(opened_, (std::map<uint64_t, int>{{2, 1}}));
  const Version& version = *manifest_->state().version;
  EXPECT_EQ(version.slots()[0]->entries(), 1u);
  EXPECT_EQ(version.slots()[0]->bytes(), tables_[2]->meta.file_bytes / 3);
  EXPECT_EQ(version.l0()[0].table, tables_[2]);
  EXPECT_EQ(manifest_->state().next_slot_id, 7u);
}

TEST_F(ManifestTest, NumbersNeverGoBack) {
  VersionEdit edit;
  edit.next_file_number = 100;
  edit.next_slot_id = 50;
  edit.log_number = 7;
  ASSERT_TRUE(Log(edit).ok());
  edit.next_file_number = 90;
  edit.next_slot_id = 40;
  edit.log_number = 6;
  ASSERT_TRUE(Log(edit).ok());
  Reopen();
  EXPECT_EQ(manifest_->state().next_file_number, 100u);
  EXPECT_EQ(manifest_->state().next_slot_id, 50u);
  EXPECT_EQ(manifest_->state().log_number, 7u);
}

TEST_F(ManifestTest, AnEditThatDoesNotFitChangesNothing) {
  LogTables(1);
  const std::string before = Describe(manifest_->state());
  const uint64_t bytes = manifest_->bytes_written();
  VersionEdit bad;
  bad.l0_added = {99};
  EXPECT_EQ(Log(bad).code(), absl::StatusCode::kInternal);
  EXPECT_EQ(Describe(manifest_->state()), before);
  EXPECT_EQ(manifest_->bytes_written(), bytes);
  LogTables(1);
  EXPECT_EQ(manifest_->file_number(), 1u);
}

TEST_F(ManifestTest, TheFirstLogAfterRecoveryStartsANewFile) {
  LogTables(2);
  Reopen();
  EXPECT_EQ(manifest_->file_number(), 1u);
  LogTables(1);
  EXPECT_EQ(manifest_->file_number(), 2u);
  EXPECT_THAT(Files(), UnorderedElementsAre("CURRENT", "MANIFEST-000002"));
  LogTables(1);
  EXPECT_EQ(manifest_->file_number(), 2u);
}

TEST_F(ManifestTest, SwitchesWhenTheLogOutgrowsTheState) {
  VersionEdit edit;
  edit.options.emplace()["filler"] = std::string(5000, 'x');
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(Log(edit).ok());
  EXPECT_GT(manifest_->file_number(), 2u);
  EXPECT_LT(manifest_->file_number(), 12u);
  EXPECT_LT(fs_.Data(CurrentManifestPath()).size(), 90000u);
  EXPECT_EQ(Files().size(), 2u);  // the old ones are gone
  EXPECT_GT(manifest_->bytes_written(), 500000u);
  const std::string before = Describe(manifest_->state());
  fs_.LosePower();
  Reopen();
  EXPECT_EQ(Describe(manifest_->state()), before);
}

// A state larger than the minimum is not rewritten for every few edits.
TEST_F(ManifestTest, ALargeStateIsSwitchedRarely) {
  VersionEdit edit;
  edit.options.emplace()["filler"] = std::string(500000, 'x');
  ASSERT_TRUE(Log(edit).ok());
  Reopen();
  LogTables(1);
  const uint64_t number = manifest_->file_number();
  edit.options.reset();
  for (edit.log_number = 1; edit.log_number < 2000; ++*edit.log_number) {
    ASSERT_TRUE(Log(edit).ok());
  }
  EXPECT_EQ(manifest_->file_number(), number);
}

// --- damage ------------------------------------------------------------------

class DamageTest : public ManifestTest {
 protected:
  // A manifest of one state and three edits, and what stood in it after each.
  void SetUp() override {
    Create();
    Remember();
    for (int i = 0; i < 3; ++i) {
      LogTables(1);
      Remember();
    }
    whole_ = fs_.Data(CurrentManifestPath());
  }
  void Remember() {
    ends_.push_back(fs_.Data(CurrentManifestPath()).size());
    states_.push_back(Describe(manifest_->state()));
  }
  absl::StatusOr<std::unique_ptr<Manifest>> RecoverFrom(
      const std::string& contents) {
    copy_.CopyFrom(fs_);
    copy_.Data(CurrentManifestPath()) = contents;
    return Manifest::Recover(&copy_, kDir, Opener());
  }

  std::vector<uint64_t> ends_;  // of the records
  std::vector<std::string> states_;
  std::string whole_;
  TestFileSystem copy_;
};

TEST_F(DamageTest, TruncationAtEveryByte) {
  for (size_t n = 0; n <= whole_.size(); ++n) {
    auto recovered = RecoverFrom(whole_.substr(0, n));
    if (n < ends_[0]) {
      EXPECT_TRUE(absl::IsDataLoss(recovered.status())) << n;
      continue;
    }
    ASSERT_TRUE(recovered.ok()) << n << " " << recovered.status();
    const auto records = std::upper_bound(ends_.begin(), ends_.end(), n);
    EXPECT_EQ(Describe((*recovered)->state()),
              states_[static_cast<size_t>(records - ends_.begin()) - 1])
        << n;
    // Half a record in the old file does no harm to what is logged next.
    VersionEdit edit;
    edit.log_number = 9;
    ASSERT_TRUE((*recovered)->Log(edit, Opener()).ok());
    const std::string after = Describe((*recovered)->state());
    auto again = Manifest::Recover(&copy_, kDir, Opener());
    ASSERT_TRUE(again.ok()) << n << " " << again.status();
    EXPECT_EQ(Describe((*again)->state()), after) << n;
  }
}

// A torn record can keep its length in the directory and have holes of zeros.
TEST_F(DamageTest, ZerosFromEveryByteOfTheLastRecord) {
  for (size_t n = ends_[2]; n < whole_.size(); ++n) {
    std::string holed = whole_;
    std::fill(holed.begin() + static_cast<ptrdiff_t>(n), holed.end(), '\0');
    const auto recovered = RecoverFrom(holed);
    ASSERT_TRUE(recovered.ok()) << n << " " << recovered.status();
    const std::string got = Describe((*recovered)->state());
    EXPECT_TRUE(got == states_[2] || (holed == whole_ && got == states_[3]))
        << n;
  }
}

TEST_F(DamageTest, FlipsAtEveryByte) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937_64 random(seed);
  for (size_t n = 0; n < whole_.size(); ++n) {
    std::string bad = whole_;
    bad[n] ^= static_cast<char>(1 + random() % 255);
    const auto recovered = RecoverFrom(bad);
    if (n < ends_[2]) {
      ASSERT_TRUE(absl::IsDataLoss(recovered.status()))
          << n << " " << recovered.status();
      EXPECT_THAT(std::string(recovered.status().message()),
                  AllOf(HasSubstr(CurrentManifestPath()), HasSubstr("offset")));
      continue;
    }
    // The last record is indistinguishable from one that was never synced.
    ASSERT_TRUE(recovered.ok()) << n << " " << recovered.status();
    EXPECT_EQ(Describe((*recovered)->state()), states_[2]) << n;
  }
}

TEST_F(DamageTest, BytesAfterADamagedWholeRecordAreDataLoss) {
  std::string bad = whole_.substr(0, ends_[2]);
  bad.back() ^= 1;
  ASSERT_TRUE(RecoverFrom(bad).ok());
  EXPECT_TRUE(absl::IsDataLoss(RecoverFrom(bad + "x").status()));
}

TEST_F(DamageTest, RecordsDoNotVerifyElsewhere) {
  // A record in place of another of the same length.
  const size_t length = ends_[2] - ends_[1];
  ASSERT_EQ(length, ends_[3] - ends_[2]);
  std::string moved = whole_;
  moved.replace(ends_[1], length, whole_, ends_[2], length);
  EXPECT_TRUE(absl::IsDataLoss(RecoverFrom(moved).status()));
  // The whole file under another name.
  std::string current = fs_.Data(PathOf("CURRENT"));
  current = current.substr(0, current.rfind("MANIFEST"));
  current += "MANIFEST-000005 ";
  const uint64_t checksum = Checksum(current);
  char text[20];
  std::snprintf(text, sizeof(text), "%016llx\n",
                static_cast<unsigned long long>(checksum));
  fs_.Data(PathOf("CURRENT")) = current + text;
  EXPECT_TRUE(absl::IsDataLoss(Recover().status()));  // is missing
  std::move(*fs_.CreateWritable(PathOf("MANIFEST-000005")))
      ->Append(whole_)
      .IgnoreError();
  const auto status = Recover().status();
  EXPECT_TRUE(absl::IsDataLoss(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("another name"));
}

TEST_F(DamageTest, FlipsInCurrentAreDataLoss) {
  const std::string current = fs_.Data(PathOf("CURRENT"));
  for (size_t n = 0; n < current.size(); ++n) {
    for (int bit = 0; bit < 8; ++bit) {
      fs_.Data(PathOf("CURRENT")) = current;
      fs_.Data(PathOf("CURRENT"))[n] ^= static_cast<char>(1 << bit);
      EXPECT_TRUE(absl::IsDataLoss(Recover().status())) << n;
    }
    fs_.Data(PathOf("CURRENT")) = current.substr(0, n);
    EXPECT_TRUE(absl::IsDataLoss(Recover().status())) << n;
  }
}

TEST_F(DamageTest, RefusesANewerFormat) {
  std::string newer = whole_;
  EncodeFixed<uint32_t>(newer.data() + 8, kFormatVersion + 1);
  EncodeFixed<uint64_t>(newer.data() + 24,
                        Checksum(std::string_view(newer).substr(0, 24)));
  const absl::Status status = RecoverFrom(newer).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("format version 2"), HasSubstr("newer")));
}

// --- failures of the disk ----------------------------------------------------

absl::Status Broken() { return absl::InternalError("the disk is broken"); }

TEST_F(ManifestTest, AFailedSyncSwitchesToANewFile) {
  LogTables(1);
  for (const char* operation : {"append", "sync"}) {
    const uint64_t number = manifest_->file_number();
    const std::string before = Describe(manifest_->state());
    fs_.fault = [&](const std::string& asked, const std::string&) {
      return asked == operation ? Broken() : absl::OkStatus();
    };
    EXPECT_EQ(Log(AddTable()), Broken());
    EXPECT_EQ(Describe(manifest_->state()), before);
    EXPECT_EQ(Log(AddTable()), Broken());
    fs_.fault = nullptr;
    LogTables(1);
    EXPECT_GT(manifest_->file_number(), number);
    EXPECT_EQ(Files().size(), 2u);
  }
}

// Every operation of a sequence of logs and switches fails once, then the power
// goes: what is found is the last state that was acknowledged, or the one whose
// logging failed, never anything else.
TEST_F(ManifestTest, EveryOperationFailsOnceBeforePowerLoss) {
  for (int failing = 0;; ++failing) {
    fs_ = TestFileSystem();
    tables_.clear();
    Create();
    LogTables(1);
    Reopen();  // so that the next log switches
    int operations = 0;
    bool failed = false;
    fs_.fault = [&](const std::string&, const std::string&) {
      failed = operations++ == failing;
      return failed ? Broken() : absl::OkStatus();
    };
    std::set<std::string> possible = {Describe(manifest_->state())};
    const size_t kept_bytes = static_cast<size_t>(failing) * 7;
    for (int i = 0; i < 4; ++i) {
      VersionEdit edit = AddTable();
      // What the state would be.
      ManifestState next = manifest_->state();
      next.version = *ApplyEdit(*next.version, edit, Opener());
      ApplyScalars(edit, &next);
      const absl::Status status = Log(edit);
      if (status.ok()) {
        possible = {Describe(next)};
        EXPECT_EQ(Describe(manifest_->state()), Describe(next));
      } else {
        EXPECT_EQ(status, Broken());
        EXPECT_NE(Describe(manifest_->state()), Describe(next));
        possible.insert(Describe(next));
        if (failing % 2 == 0) break;
      }
      if (i == 1) manifest_ = *Recover();
    }
    fs_.fault = nullptr;
    fs_.LosePower(kept_bytes);
    Reopen();
    EXPECT_TRUE(possible.count(Describe(manifest_->state()))) << failing;
    LogTables(1);
    const std::string last = Describe(manifest_->state());
    fs_.LosePower();
    Reopen();
    EXPECT_EQ(Describe(manifest_->state()), last);
    if (operations <= failing) break;  // none was left to fail
    ASSERT_LT(failing, 1000);
  }
}

TEST_F(ManifestTest, AReaderFollowsASwitch) {
  LogTables(1);
  bool switched = false;
  fs_.before_read = [&](const std::string& path) {
    if (switched || path != CurrentManifestPath()) return;
    switched = true;  // the owner switches between the two reads
    manifest_ = std::move(*Recover());
    LogTables(1);
  };
  const auto follower = Recover();
  ASSERT_TRUE(follower.ok()) << follower.status();
  EXPECT_TRUE(switched);
  EXPECT_EQ((*follower)->file_number(), 2u);
  EXPECT_EQ(Describe((*follower)->state()), Describe(manifest_->state()));
}

}  // namespace
}  // namespace nori
