// Random flushes, adoptions, merges, splits, joins and guards on a tiny key
// space, through the manifest, against a map of what every key holds.

#include <algorithm>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "engine/format/checksum.h"
#include "engine/manifest/manifest.h"
#include "engine/slots/adoption.h"
#include "engine/slots/guards.h"
#include "gtest/gtest.h"
#include "tests/engine/manifest/test_file_system.h"
#include "tests/engine/slots/fake_table.h"

namespace nori {
namespace {

constexpr char kDir[] = "/db";

// Every key of up to three of these letters, the empty key included.
std::vector<std::string> AllKeys() {
  const std::string letters("\0a\xff", 3);
  std::vector<std::string> keys = {""};
  for (size_t i = 0; i < keys.size(); ++i) {
    if (keys[i].size() == 3) continue;
    for (const char c : letters) keys.push_back(keys[i] + c);
  }
  std::sort(keys.begin(), keys.end());
  return keys;
}

// What one layer says of a key: nothing, deleted (empty), or a value.
using Answer = std::optional<std::optional<std::string>>;

Answer AskTable(const TableRef& table, const std::string& key) {
  PointLookup lookup;
  EXPECT_TRUE(
      table->reader->Get(key, HashKey(key), kMaxSequence, &lookup, nullptr)
          .ok());
  const SequenceNumber covering =
      table->reader->range_tombstones().Covering(key, kMaxSequence);
  if (lookup.found && TrailerSequence(lookup.trailer) >= covering) {
    if (TrailerKind(lookup.trailer) == EntryKind::kDelete) {
      return std::optional<std::string>();
    }
    return std::optional<std::string>(std::string(lookup.value));
  }
  if (covering > 0) return std::optional<std::string>();
  return std::nullopt;
}

std::optional<std::string> Lookup(const Version& version,
                                  const std::string& key) {
  for (const L0Table& l0 : version.l0()) {
    if (!l0.Contains(key)) continue;
    if (Answer a = AskTable(l0.table, key); a.has_value()) return *a;
  }
  const Slot& slot = *version.slots()[version.SlotIndex(key)];
  EXPECT_TRUE(slot.range.Contains(key));
  for (const Run& run : slot.runs) {
    const Slice* slice = run.Find(key);
    if (slice == nullptr) continue;
    if (Answer a = AskTable(slice->table, key); a.has_value()) return *a;
  }
  return std::nullopt;
}

class VersionModel {
 public:
  explicit VersionModel(uint64_t seed) : random_(seed), keys_(AllKeys()) {
    ManifestState initial;
    initial.identity = "0123456789abcdef";
    manifest_ = *Manifest::Create(&fs_, kDir, std::move(initial));
  }

  void Run(int steps) {
    for (int i = 0; i < steps && !::testing::Test::HasFailure(); ++i) {
      SCOPED_TRACE(::testing::Message() << "step " << i);
      Step();
      Verify();
    }
  }

  const std::map<std::string, int>& counts() const { return counts_; }

 private:
  const Version& version() const { return *manifest_->state().version; }
  uint64_t Uniform(uint64_t n) { return random_() % n; }
  const std::string& AnyKey() { return keys_[Uniform(keys_.size())]; }
  size_t AnySlot() { return Uniform(version().slots().size()); }

  void Step() {
    switch (Uniform(16)) {
      case 0:
      case 1:
      case 2:
      case 3:
        return Flush();
      case 4:
      case 5:
      case 6:
        return Adopt();
      case 7:
      case 8:
      case 9:
        return Merge();
      case 10:
      case 11:
        return Split();
      case 12:
      case 13:
        return Join();
      case 14:
        return Guard();
      default:
        if (Uniform(2) == 0) fs_.LosePower(Uniform(50));
        manifest_ = *Manifest::Recover(&fs_, kDir, Opener());
        ++counts_["recover"];
    }
  }

  TableOpener Opener() {
    return [this](const TableMeta& meta) -> absl::StatusOr<TableRef> {
      return tables_.at(meta.number);
    };
  }

  void Log(VersionEdit edit, const char* what) {
    edit.last_sequence = sequence_;
    edit.next_file_number = next_file_;
    std::string bytes, again;
    edit.EncodeTo(&bytes);
    VersionEdit::Decode(bytes)->EncodeTo(&again);
    EXPECT_EQ(bytes, again);
    const absl::Status status = manifest_->Log(std::move(edit), Opener());
    ASSERT_TRUE(status.ok()) << what << ": " << status;
    ++counts_[what];
  }

  TableMeta NewTable(FakeEntries entries,
                     const std::vector<RangeTombstone>& tombstones) {
    const uint64_t number = next_file_++;
    tables_[number] = MakeFakeTable(number, std::move(entries), tombstones);
    return tables_[number]->meta;
  }

  // Writes entries and tombstones into tables cut at random keys.
  std::vector<TableMeta> WriteTables(
      const FakeEntries& entries, const std::vector<RangeTombstone>& tombstones,
      uint64_t cuts) {
    std::set<std::string> begins = {""};
    for (; cuts > 0; --cuts) begins.insert(AnyKey());
    std::vector<TableMeta> metas;
    for (auto it = begins.begin(); it != begins.end(); ++it) {
      const KeyRange range{*it,
                           std::next(it) == begins.end() ? "" : *std::next(it)};
      FakeEntries part;
      for (const auto& [key, value] : entries) {
        if (range.Contains(key.user_key)) part.emplace(key, value);
      }
      const auto clipped = Clip(tombstones, range);
      if (part.empty() && clipped.empty()) continue;
      metas.push_back(NewTable(std::move(part), clipped));
    }
    return metas;
  }

  static std::vector<RangeTombstone> Clip(
      const std::vector<RangeTombstone>& tombstones, const KeyRange& range) {
    std::vector<RangeTombstone> clipped;
    for (const RangeTombstone& t : tombstones) {
      const KeyRange covered{t.begin, t.end};
      if (!covered.Overlaps(range)) continue;
      const KeyRange part = covered.Intersect(range);
      clipped.push_back({part.begin, part.end, t.sequence});
    }
    return clipped;
  }

  void Flush() {
    FakeEntries entries;
    std::vector<RangeTombstone> tombstones;
    // At times in key order, as a load would.
    const bool sequential = sequence_ % 100 < 40;
    for (uint64_t n = 1 + Uniform(6); n > 0; --n) {
      const std::string& key =
          sequential ? keys_[load_at_++ % keys_.size()] : AnyKey();
      ++sequence_;
      const uint64_t kind = Uniform(sequential ? 40 : 8);
      const std::string& end = AnyKey();
      if (kind == 0 && key < end) {
        tombstones.push_back({key, end, sequence_});
        model_.erase(model_.lower_bound(key), model_.lower_bound(end));
      } else if (kind == 1) {
        entries.emplace(
            FakeKey{key, PackTrailer(sequence_, EntryKind::kDelete)}, "");
        model_.erase(key);
      } else {
        const std::string value = std::to_string(sequence_);
        entries.emplace(FakeKey{key, PackTrailer(sequence_, EntryKind::kPut)},
                        value);
        model_[key] = value;
      }
    }
    VersionEdit edit;
    edit.new_tables =
        WriteTables(entries, tombstones, sequential ? 0 : Uniform(3));
    for (const TableMeta& meta : edit.new_tables) {
      edit.l0_added.push_back(meta.number);
    }
    Log(std::move(edit), "flush");
  }

  void Adopt() {
    const size_t slot = AnySlot();
    const size_t runs = version().slots()[slot]->runs.size();
    const bool extends = L0ExtendsNewestRun(version(), slot);
    std::optional<SlotChange> change = AdoptL0(version(), slot);
    EXPECT_EQ(change.has_value(),
              !version().L0RunsIn(version().slots()[slot]->range).empty());
    if (!change.has_value()) return;
    const KeyRange range = version().slots()[slot]->range;
    VersionEdit edit;
    edit.Add(*std::move(change));
    Log(std::move(edit), extends ? "adopt without a run" : "adopt");
    EXPECT_TRUE(version().L0RunsIn(range).empty());
    const size_t now = version().slots()[slot]->runs.size();
    EXPECT_EQ(extends, now <= std::max<size_t>(runs, 1));
  }

  // What a merge reads of some runs, clipped.
  static void Read(const std::vector<nori::Run>& runs, FakeEntries* entries,
                   std::vector<RangeTombstone>* tombstones) {
    for (const nori::Run& run : runs) {
      for (const Slice& slice : run.slices) {
        const FakeReader& reader = FakeOf(slice.table);
        for (const auto& [key, value] : reader.entries()) {
          if (slice.range.Contains(key.user_key)) entries->emplace(key, value);
        }
        for (RangeTombstone& t : Clip(reader.tombstone_list(), slice.range)) {
          tombstones->push_back(std::move(t));
        }
      }
    }
  }

  void Merge() {
    const VersionRef begin = manifest_->state().version;
    const Slot& slot = *begin->slots()[AnySlot()];
    FinishedMerge merge;
    merge.slot_id = slot.id;
    merge.merged_runs = Uniform(slot.runs.size() + 1);
    merge.wall_micros = sequence_;
    std::vector<nori::Run> inputs(
        slot.runs.begin(),
        slot.runs.begin() + static_cast<ptrdiff_t>(merge.merged_runs));
    if (Uniform(4) != 0) {
      merge.l0_cutoff = L0Cutoff(*begin, slot.range);
      for (nori::Run& run : begin->L0RunsIn(slot.range)) inputs.push_back(run);
    }
    const bool bottommost = merge.merged_runs == slot.runs.size();
    // L0 goes on meanwhile.
    for (uint64_t n = Uniform(3); n > 0; --n) Flush();

    FakeEntries all, kept;
    std::vector<RangeTombstone> tombstones;
    Read(inputs, &all, &tombstones);
    const RangeTombstoneSet set(tombstones);
    const std::string* last = nullptr;
    for (const auto& [key, value] : all) {
      const bool shadowed = last != nullptr && *last == key.user_key;
      last = &key.user_key;
      if (shadowed || set.Covering(key.user_key, kMaxSequence) >
                          TrailerSequence(key.trailer)) {
        continue;
      }
      if (bottommost && TrailerKind(key.trailer) == EntryKind::kDelete)
        continue;
      kept.emplace(key, value);
    }
    if (bottommost) tombstones.clear();
    merge.outputs = WriteTables(kept, tombstones, Uniform(4));
    auto change = InstallMerge(version(), std::move(merge));
    ASSERT_TRUE(change.ok()) << change.status();
    VersionEdit edit;
    edit.Add(*std::move(change));
    Log(std::move(edit), "merge");
  }

  void Split() {
    const Slot& slot = *version().slots()[AnySlot()];
    uint64_t next_id = manifest_->state().next_slot_id;
    const std::vector<std::string> keys =
        ChooseSplitKeys(slot, 1 + slot.bytes() / (2 + Uniform(4)), 4);
    if (keys.empty()) return;
    auto split = SplitSlot(slot, keys, &next_id);
    ASSERT_TRUE(split.ok()) << split.status();
    VersionEdit edit;
    edit.next_slot_id = next_id;
    edit.replacements = {*std::move(split)};
    Log(std::move(edit), "split");
  }

  void Join() {
    uint64_t next_id = manifest_->state().next_slot_id;
    absl::StatusOr<SlotReplacement> joined =
        absl::FailedPreconditionError("none");
    if (Uniform(2) == 0) {
      JoinLimits limits;
      limits.max_bytes = 200;
      limits.max_heat = 1;
      const std::optional<size_t> first = ChooseJoin(version(), limits);
      if (!first.has_value()) return;
      joined = JoinSlots(version(), *first, 2, &next_id);
      ASSERT_TRUE(joined.ok()) << joined.status();
    } else {
      joined = JoinSlots(version(), AnySlot(), 2 + Uniform(3), &next_id);
      if (!joined.ok()) {
        EXPECT_EQ(joined.status().code(),
                  absl::StatusCode::kFailedPrecondition);
        ++counts_["refused join"];
        return;
      }
    }
    VersionEdit edit;
    edit.next_slot_id = next_id;
    edit.replacements = {*std::move(joined)};
    Log(std::move(edit), "join");
  }

  void Guard() {
    // Fixed guards never go away: few of them, else nothing is left to join.
    const std::string fixed[] = {"a", std::string("a\0", 2), "\xff", ""};
    std::vector<std::string> keys = {fixed[Uniform(4)], fixed[Uniform(4)]};
    uint64_t next_id = manifest_->state().next_slot_id;
    VersionEdit edit;
    edit.replacements = AddGuards(version(), keys, &next_id);
    edit.next_slot_id = next_id;
    Log(std::move(edit), "guards");
    guards_.insert(keys.begin(), keys.end());
    EXPECT_TRUE(AddGuards(version(), keys, &next_id).empty());
  }

  void Verify() {
    const Version& v = version();
    const absl::Status status = v.Check();
    ASSERT_TRUE(status.ok()) << status;
    for (const std::string& key : keys_) {
      const auto it = model_.find(key);
      EXPECT_EQ(Lookup(v, key), it == model_.end()
                                    ? std::nullopt
                                    : std::optional<std::string>(it->second))
          << ::testing::PrintToString(key);
    }
    for (const std::string& guard : guards_) {
      EXPECT_EQ(v.slots()[v.SlotIndex(guard)]->range.begin, guard);
    }
    EXPECT_GE(manifest_->state().next_file_number, next_file_);
  }

  std::mt19937_64 random_;
  const std::vector<std::string> keys_;
  TestFileSystem fs_;
  std::unique_ptr<Manifest> manifest_;
  std::map<uint64_t, TableRef> tables_;
  std::map<std::string, std::string> model_;
  std::set<std::string> guards_;
  std::map<std::string, int> counts_;
  SequenceNumber sequence_ = 0;
  size_t load_at_ = 0;
  uint64_t next_file_ = 1;
};

TEST(VersionModelTest, FindsTheNewestEntryWhateverMoves) {
  const uint64_t base = std::random_device{}();
  std::map<std::string, int> counts;
  for (uint64_t i = 0; i < 16 && !::testing::Test::HasFailure(); ++i) {
    SCOPED_TRACE(::testing::Message() << "seed " << base + i);
    VersionModel model(base + i);
    model.Run(150);
    for (const auto& [what, n] : model.counts()) counts[what] += n;
  }
  // The test is worth something only if all of it happened.
  for (const char* what :
       {"flush", "adopt", "adopt without a run", "merge", "split", "join",
        "refused join", "guards", "recover"}) {
    EXPECT_GT(counts[what], 5) << what;
  }
}

}  // namespace
}  // namespace nori
