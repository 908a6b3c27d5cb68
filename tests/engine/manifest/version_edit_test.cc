#include "engine/manifest/version_edit.h"

#include <random>
#include <string>
#include <vector>

#include "engine/format/coding.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/engine/slots/fake_table.h"

namespace nori {
namespace {

using ::testing::HasSubstr;

std::string Encoded(const VersionEdit& edit) {
  std::string bytes;
  edit.EncodeTo(&bytes);
  return bytes;
}

VersionEdit FullEdit() {
  VersionEdit edit;
  edit.identity = std::string("\0identity 16 by\xff", 16);
  edit.next_file_number = 300;
  edit.next_slot_id = 77;
  edit.last_sequence = kMaxSequence;
  edit.log_number = 12;
  edit.decided_mixed = uint64_t{1} << 63;
  edit.snapshots_taken = {{"before import", kMaxSequence, 123},
                          {std::string("\0\xff", 2), 0, 0}};
  edit.snapshots_released = {"old", std::string(255, 'n')};
  edit.options = {{"", "empty name"}, {"compression", "zstd"}, {"k", ""}};
  TableMeta meta = MakeFakeTable(9, {"", "a", "\xff"}, 5)->meta;
  meta.compression = Compression::kZstd;
  meta.sequence_base = 3;
  meta.raw_bytes = 1 << 20;
  meta.deletions = 4;
  edit.new_tables.push_back(meta);
  edit.new_tables.push_back(
      MakeFakeTable(10, {}, {{"b", "d", 40}, {"c", "e", 41}})->meta);
  edit.adoptions.push_back({{"a", ""}, 17});
  SlotRecord slot;
  slot.id = 4;
  slot.range = {"b", "q"};
  slot.runs = {{{{9, {"b", "c"}}, {10, {"c", "d"}}}}, {{{9, {"d", "e"}}}}};
  slot.max_runs = 2;
  slot.heat = 0.3;
  slot.last_compaction_micros = 1234567;
  slot.fixed_guard = true;
  SlotRecord other;
  other.id = 5;
  other.range = {"q", ""};
  edit.replacements.push_back({{"b", ""}, {slot, other}});
  edit.l0_restored = {{9, {{"a", "b"}, {"c", "d"}}}, {10, {{"b", "e"}}}};
  edit.l0_added = {9, 10};
  return edit;
}

TEST(VersionEditTest, RoundTrips) {
  EXPECT_TRUE(VersionEdit::Decode(Encoded(VersionEdit())).ok());
  const VersionEdit edit = FullEdit();
  const auto decoded = VersionEdit::Decode(Encoded(edit));
  ASSERT_TRUE(decoded.ok());
  EXPECT_EQ(Encoded(*decoded), Encoded(edit));
  EXPECT_EQ(decoded->identity, edit.identity);
  EXPECT_EQ(decoded->next_file_number, 300u);
  EXPECT_EQ(decoded->next_slot_id, 77u);
  EXPECT_EQ(decoded->last_sequence, kMaxSequence);
  EXPECT_EQ(decoded->log_number, 12u);
  EXPECT_EQ(decoded->decided_mixed, uint64_t{1} << 63);
  EXPECT_EQ(decoded->options, edit.options);
  EXPECT_EQ(decoded->snapshots_taken, edit.snapshots_taken);
  EXPECT_EQ(decoded->snapshots_released, edit.snapshots_released);
  EXPECT_EQ(decoded->adoptions, edit.adoptions);
  EXPECT_EQ(decoded->replacements, edit.replacements);
  EXPECT_EQ(decoded->l0_restored, edit.l0_restored);
  EXPECT_EQ(decoded->l0_added, edit.l0_added);
  ASSERT_EQ(decoded->new_tables.size(), 2u);
  const TableMeta& meta = decoded->new_tables[0];
  EXPECT_EQ(meta.number, 9u);
  EXPECT_EQ(meta.entries, 3u);
  EXPECT_EQ(meta.deletions, 4u);
  EXPECT_EQ(meta.raw_bytes, 1u << 20);
  EXPECT_EQ(meta.smallest_sequence, 5u);
  EXPECT_EQ(meta.largest_sequence, 7u);
  EXPECT_EQ(meta.sequence_base, 3u);
  EXPECT_EQ(meta.smallest_key, "");
  EXPECT_EQ(meta.largest_key, "\xff");
  EXPECT_FALSE(meta.largest_exclusive);
  EXPECT_EQ(meta.compression, Compression::kZstd);
  EXPECT_TRUE(decoded->new_tables[1].largest_exclusive);
  EXPECT_EQ(decoded->new_tables[1].range_deletions, 2u);
}

TEST(VersionEditTest, EveryTruncationIsDataLoss) {
  const std::string bytes = Encoded(FullEdit());
  for (size_t n = 0; n < bytes.size(); ++n) {
    EXPECT_TRUE(absl::IsDataLoss(
        VersionEdit::Decode(std::string_view(bytes).substr(0, n)).status()))
        << n;
  }
  EXPECT_TRUE(absl::IsDataLoss(VersionEdit::Decode(bytes + '\0').status()));
}

TEST(VersionEditTest, RandomDamageNeverCrashes) {
  const std::string bytes = Encoded(FullEdit());
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937_64 random(seed);
  int refused = 0;
  for (int i = 0; i < 20000; ++i) {
    std::string bad = bytes;
    for (uint64_t flips = 1 + random() % 3; flips > 0; --flips) {
      bad[random() % bad.size()] ^= static_cast<char>(1 + random() % 255);
    }
    const auto decoded = VersionEdit::Decode(bad);
    if (!decoded.ok()) {
      EXPECT_TRUE(absl::IsDataLoss(decoded.status()));
      ++refused;
      continue;
    }
    // What parses is consistent enough to be encoded and to be applied.
    EXPECT_TRUE(VersionEdit::Decode(Encoded(*decoded)).ok());
    (void)ApplyEdit(*EmptyVersion(1), *decoded, [](const TableMeta& meta) {
      auto table = std::make_shared<Table>();
      table->meta = meta;
      return absl::StatusOr<TableRef>(std::move(table));
    });
  }
  EXPECT_GT(refused, 1000);
}

TEST(VersionEditTest, RefusesImpossibleValues) {
  const auto refuses = [](const auto& change) {
    VersionEdit edit = FullEdit();
    change(&edit);
    return absl::IsDataLoss(VersionEdit::Decode(Encoded(edit)).status());
  };
  EXPECT_FALSE(refuses([](VersionEdit*) {}));
  EXPECT_TRUE(refuses([](VersionEdit* e) { e->identity = "short"; }));
  EXPECT_TRUE(refuses([](VersionEdit* e) { e->identity->push_back('x'); }));
  EXPECT_TRUE(refuses([](VersionEdit* e) { e->snapshots_taken[0].name = ""; }));
  EXPECT_TRUE(refuses(
      [](VersionEdit* e) { e->snapshots_taken[0].name.resize(256, 'x'); }));
  EXPECT_TRUE(refuses([](VersionEdit* e) {
    e->snapshots_taken[0].sequence = kMaxSequence + 1;
  }));
  EXPECT_TRUE(
      refuses([](VersionEdit* e) { e->last_sequence = kMaxSequence + 1; }));
  EXPECT_TRUE(refuses([](VersionEdit* e) {
    std::swap(e->new_tables[0].smallest_key, e->new_tables[0].largest_key);
  }));
  EXPECT_TRUE(refuses(
      [](VersionEdit* e) { e->new_tables[0].smallest_sequence = 100; }));
  EXPECT_TRUE(refuses([](VersionEdit* e) {
    e->new_tables[0].largest_key.assign(kMaxKeyBytes + 2, 'x');
  }));
  EXPECT_TRUE(refuses([](VersionEdit* e) {
    e->new_tables[0].compression = static_cast<Compression>(3);
  }));
  EXPECT_TRUE(refuses([](VersionEdit* e) {
    e->adoptions[0].range = {"b", "a"};
  }));
  EXPECT_TRUE(
      refuses([](VersionEdit* e) { e->replacements[0].slots.clear(); }));
  EXPECT_TRUE(refuses(
      [](VersionEdit* e) { e->replacements[0].slots[0].max_runs = 0; }));
  EXPECT_TRUE(refuses(
      [](VersionEdit* e) { e->replacements[0].slots[0].heat = std::nan(""); }));
  EXPECT_TRUE(refuses([](VersionEdit* e) {
    e->replacements[0].slots[0].runs[0].slices.clear();
  }));
  EXPECT_TRUE(
      refuses([](VersionEdit* e) { e->l0_restored[0].remaining.clear(); }));
  std::string twice;
  for (int i = 0; i < 2; ++i) {
    PutVarint(&twice, 2);
    PutVarint(&twice, 5);
  }
  twice.push_back('\0');
  EXPECT_TRUE(absl::IsDataLoss(VersionEdit::Decode(twice).status()));
}

// --- ApplyEdit ---------------------------------------------------------------

class ApplyEditTest : public ::testing::Test {
 protected:
  TableMeta Make(uint64_t number, const std::vector<std::string>& keys,
                 SequenceNumber first) {
    tables_[number] = MakeFakeTable(number, keys, first);
    return tables_[number]->meta;
  }
  absl::StatusOr<VersionRef> Apply(const Version& base,
                                   const VersionEdit& edit) {
    return ApplyEdit(base, edit,
                     [&](const TableMeta& meta) -> absl::StatusOr<TableRef> {
                       ++opened_;
                       return tables_.at(meta.number);
                     });
  }
  void ExpectMisfit(const VersionEdit& edit, const char* what) {
    const auto result = Apply(*base_, edit);
    EXPECT_EQ(result.status().code(), absl::StatusCode::kInternal);
    EXPECT_THAT(std::string(result.status().message()), HasSubstr(what));
  }
  void SetUp() override {
    VersionEdit edit;
    edit.new_tables = {Make(1, {"a", "n"}, 1), Make(2, {"b", "z"}, 10)};
    edit.l0_added = {1, 2};
    SlotRecord left, right;
    left.id = 2;
    left.range = {"", "m"};
    right.id = 3;
    right.range = {"m", ""};
    edit.replacements = {{{}, {left, right}}};
    auto version = Apply(*EmptyVersion(1), edit);
    ASSERT_TRUE(version.ok()) << version.status();
    base_ = *version;
  }
  std::map<uint64_t, TableRef> tables_;
  VersionRef base_;
  int opened_ = 0;
};

TEST_F(ApplyEditTest, TheLastAddedIsTheNewest) {
  ASSERT_EQ(base_->l0().size(), 2u);
  EXPECT_EQ(base_->l0()[0].table->meta.number, 2u);
  EXPECT_EQ(base_->slots().size(), 2u);
  EXPECT_EQ(opened_, 2);
}

TEST_F(ApplyEditTest, AdoptionTakesARangeOutOfOldTables) {
  VersionEdit edit;
  edit.adoptions = {{{"", "m"}, 5}};
  auto version = Apply(*base_, edit);
  ASSERT_TRUE(version.ok());
  ASSERT_EQ((*version)->l0().size(), 2u);
  EXPECT_EQ((*version)->l0()[0].remaining.size(), 1u);
  EXPECT_EQ((*version)->l0()[1].remaining[0],
            (KeyRange{"m", std::string("n\0", 2)}));
  edit.adoptions = {{{"c", "d"}, 100}, {{"m", ""}, 5}};
  version = Apply(*base_, edit);
  ASSERT_TRUE(version.ok());
  EXPECT_EQ((*version)->l0()[0].remaining.size(), 2u);
  EXPECT_EQ((*version)->l0()[1].remaining.size(), 2u);
  edit.adoptions = {{{}, 100}};
  version = Apply(*base_, edit);
  ASSERT_TRUE(version.ok());
  EXPECT_TRUE((*version)->l0().empty());
  EXPECT_TRUE((*version)->Tables().empty());
  EXPECT_EQ(opened_, 2);  // nothing is opened twice
}

TEST_F(ApplyEditTest, RefusesWhatDoesNotFit) {
  SlotRecord slot;
  slot.id = 9;
  const auto replace = [&](KeyRange outer, KeyRange inner) {
    VersionEdit edit;
    slot.range = std::move(inner);
    edit.replacements = {{std::move(outer), {slot}}};
    return edit;
  };
  ExpectMisfit(replace({"", "k"}, {"", "k"}), "no slots tile");
  ExpectMisfit(replace({"k", "m"}, {"k", "m"}), "no slots tile");
  ExpectMisfit(replace({"", "m"}, {"", "k"}), "do not tile");
  ExpectMisfit(replace({"", "m"}, {"a", "m"}), "gap before slot 9");
  ExpectMisfit(replace({"m", ""}, {"m", "z"}), "do not tile");
  VersionEdit empty;
  empty.replacements = {{{"", "m"}, {}}};
  ExpectMisfit(empty, "do not tile");
  slot.runs = {{{{77, {"a", "b"}}}}};
  ExpectMisfit(replace({"", "m"}, {"", "m"}), "unknown table 77");
  slot.runs = {{{{2, {"a", "b"}}}}};
  ExpectMisfit(replace({"", "m"}, {"", "m"}), "slice outside of table 2");
  slot.runs = {{{{1, {"a", "b"}}}}};  // L0 still answers for it
  ExpectMisfit(replace({"", "m"}, {"", "m"}), "not newer");
  VersionEdit again;
  again.new_tables = {tables_[1]->meta};
  ExpectMisfit(again, "already a table 1");
  VersionEdit unknown;
  unknown.l0_added = {55};
  ExpectMisfit(unknown, "unknown table 55");
}

TEST_F(ApplyEditTest, ReturnsErrorsOfTheOpener) {
  VersionEdit edit;
  edit.new_tables = {Make(3, {"a"}, 30)};
  const auto result =
      ApplyEdit(*base_, edit, [](const TableMeta&) -> absl::StatusOr<TableRef> {
        return absl::NotFoundError("no such file");
      });
  EXPECT_TRUE(absl::IsNotFound(result.status()));
}

}  // namespace
}  // namespace nori
