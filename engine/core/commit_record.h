// What the engine writes into the log.
//
// A record is one byte of type, then:
//
//   kCommits   first sequence fixed64, number of commits varint, then per
//   commit
//              its changes (length-prefixed). Commit i has sequence first + i.
//   kPrepare   mode u8, prepare id fixed64, mixed number varint, sequence base
//              fixed64, number of sequence numbers taken varint, number of
//              spilled tables varint, each table's meta (length-prefixed, as in
//              the manifest's edits), then the changes (rest of the record).
//   kOutcome   prepare id fixed64, 1 = committed or 0 = aborted, u8.
//   kClosed    nothing: the engine was closed, and all before it was synced.
//
// Changes are a sequence of: kind u8 (EntryKind), key length-prefixed, then for
// a put the value, for a range delete the end key, both length-prefixed.

#ifndef NORI_ENGINE_CORE_COMMIT_RECORD_H_
#define NORI_ENGINE_CORE_COMMIT_RECORD_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/engine.h"
#include "engine/format/internal_key.h"
#include "engine/memtable/memtable.h"
#include "engine/slots/version.h"

namespace nori {

enum class RecordType : uint8_t {
  kCommits = 1,
  kPrepare = 2,
  kOutcome = 3,
  kClosed = 4,
};

struct PrepareRecord {
  PrepareMode mode = PrepareMode::kCommitsUnlessAborted;
  uint64_t prepare_id = 0;
  uint64_t mixed_number = 0;
  SequenceNumber sequence_base = 0;  // the commit's last number is base + taken
  uint64_t sequences_taken = 1;
  std::vector<TableMeta> tables;  // spilled parts, oldest first
  std::string_view changes;

  SequenceNumber last_sequence() const {
    return sequence_base + sequences_taken;
  }
};

struct OutcomeRecord {
  uint64_t prepare_id = 0;
  bool committed = false;
};

// kOutOfRange if larger than an entry may be.
absl::Status CheckKeySize(std::string_view key);
absl::Status CheckValueSize(std::string_view value);

// Appends one change to a change list.
void EncodePut(std::string* dst, std::string_view key, std::string_view value);
void EncodeDelete(std::string* dst, std::string_view key);
void EncodeDeleteRange(std::string* dst, std::string_view begin,
                       std::string_view end);

// Header of a kCommits record; each commit's length and changes follow as
// further parts.
std::string EncodeCommitsHeader(SequenceNumber first, size_t commits);
// Everything of a kPrepare record but the changes, which follow as the last
// part.
std::string EncodePrepareHeader(const PrepareRecord& record);
std::string EncodeOutcome(const OutcomeRecord& record);

// One parsed change; views point into the record.
struct Change {
  EntryKind kind = EntryKind::kPut;
  std::string_view key;
  std::string_view value;  // put: value; range delete: end key
};
// kDataLoss if malformed.
absl::StatusOr<std::vector<Change>> ParseChanges(std::string_view changes);
absl::StatusOr<PrepareRecord> ParsePrepare(std::string_view body);
absl::StatusOr<OutcomeRecord> ParseOutcome(std::string_view body);
absl::Status ParseCommits(std::string_view body, SequenceNumber* first,
                          std::vector<std::string_view>* commits);

// A change list as one commit: later changes win. Of several changes of one key
// only the last is left, and nothing that a later range delete of the list
// covers. Point changes come first, in key order, then range deletes. kDataLoss
// if malformed, kInvalidArgument if a key or value is over its limit.
absl::StatusOr<std::vector<Change>> NormaliseChanges(std::string_view changes);

// Inserts normalised changes with a moving hint.
void InsertChanges(const std::vector<Change>& changes, SequenceNumber sequence,
                   Memtable* memtable);

}  // namespace nori

#endif  // NORI_ENGINE_CORE_COMMIT_RECORD_H_
