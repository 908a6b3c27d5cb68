#include "engine/manifest/version_edit.h"

#include <bit>
#include <cmath>
#include <iterator>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/format/coding.h"

namespace nori {
namespace {

// Identifiers of fields on disk: never reuse one. An edit is a list of fields
// that ends with kEnd, so that a cut edit never parses.
enum Tag : uint64_t {
  kEnd = 0,
  kIdentity = 1,
  kNextFileNumber = 2,
  kNextSlotId = 3,
  kLastSequence = 4,
  kLogNumber = 5,
  kDecidedMixed = 6,
  kOptions = 7,
  kNewTable = 8,
  kAdoption = 9,
  kReplacement = 10,
  kL0Restored = 11,
  kL0Added = 12,
  kSnapshotTaken = 13,
  kSnapshotReleased = 14,
};

constexpr size_t kIdentityBytes = 16;
// The exclusive end after the longest key is one byte longer.
constexpr size_t kMaxBoundBytes = kMaxKeyBytes + 1;

void PutRange(std::string* dst, const KeyRange& range) {
  PutLengthPrefixed(dst, range.begin);
  PutLengthPrefixed(dst, range.end);
}

void PutTable(std::string* dst, const TableMeta& meta) {
  for (uint64_t v :
       {meta.number, meta.file_bytes, meta.entries, meta.deletions,
        meta.range_deletions, meta.raw_bytes, meta.smallest_sequence,
        meta.largest_sequence, meta.sequence_base}) {
    PutVarint(dst, v);
  }
  PutLengthPrefixed(dst, meta.smallest_key);
  PutLengthPrefixed(dst, meta.largest_key);
  PutVarint(dst, meta.largest_exclusive ? 1 : 0);
  PutVarint(dst, static_cast<uint64_t>(meta.compression));
}

void PutSlot(std::string* dst, const SlotRecord& slot) {
  PutVarint(dst, slot.id);
  PutRange(dst, slot.range);
  PutVarint(dst, static_cast<uint64_t>(slot.max_runs));
  PutFixed64(dst, std::bit_cast<uint64_t>(slot.heat));
  PutVarint(dst, slot.last_compaction_micros);
  PutVarint(dst, slot.fixed_guard ? 1 : 0);
  PutVarint(dst, slot.runs.size());
  for (const RunRecord& run : slot.runs) {
    PutVarint(dst, run.slices.size());
    for (const SliceRecord& slice : run.slices) {
      PutVarint(dst, slice.table);
      PutRange(dst, slice.range);
    }
  }
}

// Reads fields one after the other; the first failure sticks.
class Parser {
 public:
  explicit Parser(std::string_view input) : input_(input) {}

  bool ok() const { return ok_; }
  bool done() const { return input_.empty(); }
  void Fail() { ok_ = false; }
  void Require(bool condition) { ok_ = ok_ && condition; }

  uint64_t Number(uint64_t max = std::numeric_limits<uint64_t>::max()) {
    uint64_t v = 0;
    Require(ok_ && GetVarint(&input_, &v) && v <= max);
    return ok_ ? v : 0;
  }
  bool Bool() { return Number(1) == 1; }
  // A number of things that take at least one byte each.
  uint64_t Count() { return Number(input_.size()); }

  std::string Bytes(size_t max) {
    std::string_view s;
    Require(ok_ && GetLengthPrefixed(&input_, &s) && s.size() <= max);
    return ok_ ? std::string(s) : std::string();
  }

  KeyRange Range() {
    KeyRange range;
    range.begin = Bytes(kMaxBoundBytes);
    range.end = Bytes(kMaxBoundBytes);
    Require(!range.IsEmpty());
    return range;
  }

  double Fraction() {
    uint64_t bits = 0;
    Require(ok_ && GetFixed64(&input_, &bits));
    const auto v = std::bit_cast<double>(bits);
    Require(v >= 0 && v <= 1);
    return ok_ ? v : 0;
  }

 private:
  std::string_view input_;
  bool ok_ = true;
};

TableMeta ParseTable(Parser* p) {
  TableMeta meta;
  for (uint64_t* v :
       {&meta.number, &meta.file_bytes, &meta.entries, &meta.deletions,
        &meta.range_deletions, &meta.raw_bytes}) {
    *v = p->Number();
  }
  meta.smallest_sequence = p->Number(kMaxSequence);
  meta.largest_sequence = p->Number(kMaxSequence);
  meta.sequence_base = p->Number(kMaxSequence);
  meta.smallest_key = p->Bytes(kMaxBoundBytes);
  meta.largest_key = p->Bytes(kMaxBoundBytes);
  meta.largest_exclusive = p->Bool();
  meta.compression = static_cast<Compression>(
      p->Number(static_cast<uint64_t>(Compression::kZstd)));
  p->Require(meta.smallest_sequence <= meta.largest_sequence &&
             !TableBounds(meta).IsEmpty());
  return meta;
}

SlotRecord ParseSlot(Parser* p) {
  SlotRecord slot;
  slot.id = p->Number();
  slot.range = p->Range();
  slot.max_runs = static_cast<int>(p->Number(std::numeric_limits<int>::max()));
  p->Require(slot.max_runs >= 1);
  slot.heat = p->Fraction();
  slot.last_compaction_micros = p->Number();
  slot.fixed_guard = p->Bool();
  for (uint64_t runs = p->Count(); p->ok() && runs > 0; --runs) {
    RunRecord& run = slot.runs.emplace_back();
    uint64_t slices = p->Count();
    p->Require(slices > 0);
    for (; p->ok() && slices > 0; --slices) {
      SliceRecord& slice = run.slices.emplace_back();
      slice.table = p->Number();
      slice.range = p->Range();
    }
  }
  return slot;
}

SlotReplacement ParseReplacement(Parser* p) {
  SlotReplacement replacement;
  replacement.range = p->Range();
  uint64_t slots = p->Count();
  p->Require(slots > 0);
  for (; p->ok() && slots > 0; --slots) {
    replacement.slots.push_back(ParseSlot(p));
  }
  return replacement;
}

L0Record ParseL0(Parser* p) {
  L0Record l0;
  l0.table = p->Number();
  uint64_t ranges = p->Count();
  p->Require(ranges > 0);
  for (; p->ok() && ranges > 0; --ranges) l0.remaining.push_back(p->Range());
  return l0;
}

std::map<std::string, std::string> ParseOptions(Parser* p) {
  std::map<std::string, std::string> options;
  for (uint64_t n = p->Count(); p->ok() && n > 0; --n) {
    std::string name = p->Bytes(std::numeric_limits<uint32_t>::max());
    std::string value = p->Bytes(std::numeric_limits<uint32_t>::max());
    p->Require(options.emplace(std::move(name), std::move(value)).second);
  }
  return options;
}

SnapshotName ParseSnapshot(Parser* p) {
  SnapshotName snapshot;
  snapshot.name = p->Bytes(kMaxSnapshotNameBytes);
  p->Require(!snapshot.name.empty());
  snapshot.sequence = p->Number(kMaxSequence);
  snapshot.wall_micros = p->Number();
  return snapshot;
}

template <typename T>
void SetOnce(Parser* p, std::optional<T>* field, T value) {
  p->Require(!field->has_value());
  *field = std::move(value);
}

// Parses the field of one tag, kEnd excepted.
void ParseField(uint64_t tag, Parser* p, VersionEdit* edit) {
  switch (tag) {
    case kIdentity:
      SetOnce(p, &edit->identity, p->Bytes(kIdentityBytes));
      p->Require(edit->identity->size() == kIdentityBytes);
      break;
    case kNextFileNumber:
      SetOnce(p, &edit->next_file_number, p->Number());
      break;
    case kNextSlotId:
      SetOnce(p, &edit->next_slot_id, p->Number());
      break;
    case kLastSequence:
      SetOnce(p, &edit->last_sequence, p->Number(kMaxSequence));
      break;
    case kLogNumber:
      SetOnce(p, &edit->log_number, p->Number());
      break;
    case kDecidedMixed:
      SetOnce(p, &edit->decided_mixed, p->Number());
      break;
    case kOptions:
      SetOnce(p, &edit->options, ParseOptions(p));
      break;
    case kNewTable:
      edit->new_tables.push_back(ParseTable(p));
      break;
    case kAdoption: {
      L0Adoption& adoption = edit->adoptions.emplace_back();
      adoption.range = p->Range();
      adoption.through_sequence = p->Number(kMaxSequence);
      break;
    }
    case kReplacement:
      edit->replacements.push_back(ParseReplacement(p));
      break;
    case kL0Restored:
      edit->l0_restored.push_back(ParseL0(p));
      break;
    case kL0Added:
      edit->l0_added.push_back(p->Number());
      break;
    case kSnapshotTaken:
      edit->snapshots_taken.push_back(ParseSnapshot(p));
      break;
    case kSnapshotReleased:
      edit->snapshots_released.push_back(p->Bytes(kMaxSnapshotNameBytes));
      break;
    default:
      p->Fail();
  }
}

template <typename T>
void Append(std::vector<T> from, std::vector<T>* to) {
  to->insert(to->end(), std::make_move_iterator(from.begin()),
             std::make_move_iterator(from.end()));
}

void PutScalar(std::string* dst, Tag tag, const std::optional<uint64_t>& v) {
  if (!v.has_value()) return;
  PutVarint(dst, tag);
  PutVarint(dst, *v);
}

void PutStructure(const VersionEdit& edit, std::string* dst) {
  for (const TableMeta& meta : edit.new_tables) {
    PutVarint(dst, kNewTable);
    PutTable(dst, meta);
  }
  for (const L0Adoption& adoption : edit.adoptions) {
    PutVarint(dst, kAdoption);
    PutRange(dst, adoption.range);
    PutVarint(dst, adoption.through_sequence);
  }
  for (const SlotReplacement& replacement : edit.replacements) {
    PutVarint(dst, kReplacement);
    PutRange(dst, replacement.range);
    PutVarint(dst, replacement.slots.size());
    for (const SlotRecord& slot : replacement.slots) PutSlot(dst, slot);
  }
  for (const L0Record& l0 : edit.l0_restored) {
    PutVarint(dst, kL0Restored);
    PutVarint(dst, l0.table);
    PutVarint(dst, l0.remaining.size());
    for (const KeyRange& range : l0.remaining) PutRange(dst, range);
  }
  for (uint64_t number : edit.l0_added) {
    PutVarint(dst, kL0Added);
    PutVarint(dst, number);
  }
}

}  // namespace

void VersionEdit::Add(SlotChange change) {
  Append(std::move(change.new_tables), &new_tables);
  Append(std::move(change.adoptions), &adoptions);
  Append(std::move(change.replacements), &replacements);
}

void VersionEdit::EncodeTo(std::string* dst) const {
  if (identity.has_value()) {
    PutVarint(dst, kIdentity);
    PutLengthPrefixed(dst, *identity);
  }
  PutScalar(dst, kNextFileNumber, next_file_number);
  PutScalar(dst, kNextSlotId, next_slot_id);
  PutScalar(dst, kLastSequence, last_sequence);
  PutScalar(dst, kLogNumber, log_number);
  PutScalar(dst, kDecidedMixed, decided_mixed);
  if (options.has_value()) {
    PutVarint(dst, kOptions);
    PutVarint(dst, options->size());
    for (const auto& [name, value] : *options) {
      PutLengthPrefixed(dst, name);
      PutLengthPrefixed(dst, value);
    }
  }
  for (const std::string& name : snapshots_released) {
    PutVarint(dst, kSnapshotReleased);
    PutLengthPrefixed(dst, name);
  }
  for (const SnapshotName& snapshot : snapshots_taken) {
    PutVarint(dst, kSnapshotTaken);
    PutLengthPrefixed(dst, snapshot.name);
    PutVarint(dst, snapshot.sequence);
    PutVarint(dst, snapshot.wall_micros);
  }
  PutStructure(*this, dst);
  PutVarint(dst, kEnd);
}

absl::StatusOr<VersionEdit> VersionEdit::Decode(std::string_view src) {
  VersionEdit edit;
  Parser parser(src);
  while (parser.ok()) {
    const uint64_t tag = parser.Number();
    if (!parser.ok()) break;
    if (tag == kEnd) {
      if (!parser.done()) break;
      return edit;
    }
    ParseField(tag, &parser, &edit);
  }
  return absl::DataLossError("manifest: malformed version edit");
}

}  // namespace nori
