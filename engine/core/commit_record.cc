#include "engine/core/commit_record.h"

#include <algorithm>
#include <array>

#include "absl/strings/str_cat.h"
#include "engine/format/coding.h"
#include "engine/format/status_macros.h"
#include "engine/manifest/version_edit.h"

namespace nori {
namespace {

absl::Status Malformed(const char* what) {
  return absl::DataLossError(absl::StrCat("log record: malformed ", what));
}

void EncodeKind(std::string* dst, EntryKind kind) {
  dst->push_back(static_cast<char>(kind));
}

// Point changes reduced to what a sort needs: comparing prefixes first keeps
// the sort out of the keys' memory.
struct SortEntry {
  uint64_t prefix;
  uint32_t index;
};

absl::Status CheckSizes(const Change& change) {
  NORI_RETURN_IF_ERROR(CheckKeySize(change.key));
  return change.kind == EntryKind::kRangeDelete ? CheckKeySize(change.value)
                                                : CheckValueSize(change.value);
}

bool CoveredByLaterRange(const std::vector<Change>& changes,
                         const std::vector<uint32_t>& ranges, uint32_t index) {
  for (auto it = ranges.rbegin(); it != ranges.rend() && *it > index; ++it) {
    const Change& range = changes[*it];
    if (changes[index].key >= range.key && changes[index].key < range.value) {
      return true;
    }
  }
  return false;
}

}  // namespace

absl::Status CheckKeySize(std::string_view key) {
  if (key.size() <= kMaxKeyBytes) return absl::OkStatus();
  return absl::OutOfRangeError(absl::StrCat("key of ", key.size(),
                                            " bytes is over the limit of ",
                                            kMaxKeyBytes, " bytes"));
}

absl::Status CheckValueSize(std::string_view value) {
  if (value.size() <= kMaxValueBytes) return absl::OkStatus();
  return absl::OutOfRangeError(absl::StrCat("value of ", value.size(),
                                            " bytes is over the limit of ",
                                            kMaxValueBytes, " bytes"));
}

void EncodePut(std::string* dst, std::string_view key, std::string_view value) {
  EncodeKind(dst, EntryKind::kPut);
  PutLengthPrefixed(dst, key);
  PutLengthPrefixed(dst, value);
}

void EncodeDelete(std::string* dst, std::string_view key) {
  EncodeKind(dst, EntryKind::kDelete);
  PutLengthPrefixed(dst, key);
}

void EncodeDeleteRange(std::string* dst, std::string_view begin,
                       std::string_view end) {
  EncodeKind(dst, EntryKind::kRangeDelete);
  PutLengthPrefixed(dst, begin);
  PutLengthPrefixed(dst, end);
}

std::string EncodeCommitsHeader(SequenceNumber first, size_t commits) {
  std::string header;
  header.push_back(static_cast<char>(RecordType::kCommits));
  PutFixed64(&header, first);
  PutVarint(&header, commits);
  return header;
}

std::string EncodePrepareHeader(const PrepareRecord& record) {
  std::string header;
  header.push_back(static_cast<char>(RecordType::kPrepare));
  header.push_back(static_cast<char>(record.mode));
  PutFixed64(&header, record.prepare_id);
  PutVarint(&header, record.mixed_number);
  PutFixed64(&header, record.sequence_base);
  PutVarint(&header, record.sequences_taken);
  PutVarint(&header, record.tables.size());
  for (const TableMeta& meta : record.tables) {
    VersionEdit edit;
    edit.new_tables.push_back(meta);
    std::string encoded;
    edit.EncodeTo(&encoded);
    PutLengthPrefixed(&header, encoded);
  }
  return header;
}

std::string EncodeOutcome(const OutcomeRecord& record) {
  std::string payload;
  payload.push_back(static_cast<char>(RecordType::kOutcome));
  PutFixed64(&payload, record.prepare_id);
  payload.push_back(record.committed ? 1 : 0);
  return payload;
}

absl::StatusOr<std::vector<Change>> ParseChanges(std::string_view changes) {
  std::vector<Change> result;
  result.reserve(changes.size() / 64 + 1);
  while (!changes.empty()) {
    Change change;
    const auto kind = static_cast<uint8_t>(changes.front());
    changes.remove_prefix(1);
    if (kind > static_cast<uint8_t>(EntryKind::kRangeDelete)) {
      return Malformed("change kind");
    }
    change.kind = static_cast<EntryKind>(kind);
    if (!GetLengthPrefixed(&changes, &change.key) ||
        (change.kind != EntryKind::kDelete &&
         !GetLengthPrefixed(&changes, &change.value))) {
      return Malformed("change");
    }
    result.push_back(change);
  }
  return result;
}

absl::StatusOr<PrepareRecord> ParsePrepare(std::string_view body) {
  PrepareRecord record;
  uint64_t tables;
  if (body.empty()) return Malformed("prepare");
  const auto mode = static_cast<uint8_t>(body.front());
  body.remove_prefix(1);
  if (mode > static_cast<uint8_t>(PrepareMode::kHostDecides) ||
      !GetFixed64(&body, &record.prepare_id) ||
      !GetVarint(&body, &record.mixed_number) ||
      !GetFixed64(&body, &record.sequence_base) ||
      !GetVarint(&body, &record.sequences_taken) ||
      !GetVarint(&body, &tables)) {
    return Malformed("prepare");
  }
  record.mode = static_cast<PrepareMode>(mode);
  for (uint64_t i = 0; i < tables; ++i) {
    std::string_view encoded;
    if (!GetLengthPrefixed(&body, &encoded)) return Malformed("prepare");
    NORI_ASSIGN_OR_RETURN(VersionEdit edit, VersionEdit::Decode(encoded));
    if (edit.new_tables.size() != 1) return Malformed("spilled table");
    record.tables.push_back(std::move(edit.new_tables.front()));
  }
  record.changes = body;
  return record;
}

absl::StatusOr<OutcomeRecord> ParseOutcome(std::string_view body) {
  OutcomeRecord record;
  if (!GetFixed64(&body, &record.prepare_id) || body.size() != 1 ||
      static_cast<uint8_t>(body[0]) > 1) {
    return Malformed("outcome");
  }
  record.committed = body[0] == 1;
  return record;
}

absl::Status ParseCommits(std::string_view body, SequenceNumber* first,
                          std::vector<std::string_view>* commits) {
  uint64_t n;
  if (!GetFixed64(&body, first) || !GetVarint(&body, &n)) {
    return Malformed("commits");
  }
  for (uint64_t i = 0; i < n; ++i) {
    std::string_view changes;
    if (!GetLengthPrefixed(&body, &changes)) return Malformed("commits");
    commits->push_back(changes);
  }
  return body.empty() ? absl::OkStatus() : Malformed("commits");
}

absl::StatusOr<std::vector<Change>> NormaliseChanges(std::string_view text) {
  NORI_ASSIGN_OR_RETURN(std::vector<Change> changes, ParseChanges(text));
  std::vector<SortEntry> order;
  std::vector<uint32_t> ranges;
  order.reserve(changes.size());
  for (uint32_t i = 0; i < changes.size(); ++i) {
    NORI_RETURN_IF_ERROR(CheckSizes(changes[i]));
    if (changes[i].kind == EntryKind::kRangeDelete) {
      ranges.push_back(i);
    } else {
      order.push_back({KeyPrefix(changes[i].key), i});
    }
  }
  if (changes.size() == 1) return changes;
  const auto before = [&](const SortEntry& a, const SortEntry& b) {
    if (a.prefix != b.prefix) return a.prefix < b.prefix;
    const int c = changes[a.index].key.compare(changes[b.index].key);
    return c != 0 ? c < 0 : a.index < b.index;
  };
  if (!std::is_sorted(order.begin(), order.end(), before)) {
    std::sort(order.begin(), order.end(), before);
  }
  std::vector<Change> result;
  result.reserve(changes.size());
  for (size_t i = 0; i < order.size(); ++i) {
    const Change& change = changes[order[i].index];
    const bool overwritten = i + 1 < order.size() &&
                             order[i + 1].prefix == order[i].prefix &&
                             changes[order[i + 1].index].key == change.key;
    if (!overwritten && !CoveredByLaterRange(changes, ranges, order[i].index)) {
      result.push_back(change);
    }
  }
  for (uint32_t i : ranges) {
    if (changes[i].key < changes[i].value) result.push_back(changes[i]);
  }
  return result;
}

void InsertChanges(const std::vector<Change>& changes, SequenceNumber sequence,
                   Memtable* memtable) {
  Memtable::Hint hint;
  // Small enough that what is fetched is still cached when its turn comes.
  constexpr size_t kPrefetchKeys = 64;
  std::array<std::string_view, kPrefetchKeys> keys;
  for (size_t i = 0; i < changes.size(); ++i) {
    if (i % kPrefetchKeys == 0) {
      size_t count = 0;
      while (count < kPrefetchKeys && i + count < changes.size() &&
             changes[i + count].kind != EntryKind::kRangeDelete) {
        keys[count] = changes[i + count].key;
        ++count;
      }
      memtable->Prefetch({keys.data(), count});
    }
    const Change& change = changes[i];
    if (change.kind == EntryKind::kRangeDelete) {
      memtable->AddRangeDelete(sequence, change.key, change.value);
    } else {
      memtable->Add(sequence, change.kind, change.key, change.value, &hint);
    }
  }
}

}  // namespace nori
