// From the log back to memtables.

#ifndef NORI_ENGINE_CORE_RECOVERY_H_
#define NORI_ENGINE_CORE_RECOVERY_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/core/commit_record.h"
#include "engine/core/table_store.h"
#include "engine/engine.h"
#include "engine/memtable/memtable.h"
#include "engine/wal/log.h"

namespace nori {

// A piece of what the log gave back, in commit order, to be put into tables.
struct RecoveredPart {
  std::shared_ptr<Memtable> memtable;  // exactly one of these two is set
  std::optional<TableMeta> spilled;
  SequenceNumber largest_sequence = 0;
  uint64_t highest_mixed = 0;
};

// Replays records in order. An undecided prepare is held back until the next
// record or the end of the log decides it:
//   kCommitsUnlessAborted  commits unless its abort is the next record;
//   kNeedsOutcome          commits only if its commit is the next record;
//   kHostDecides           unless its abort is the next record, the host's last
//                          mixed number decides; if the host does not know it,
//                          the log ends before it (prefix consistency).
// That the next record decides is sound because a prepared transaction keeps
// its place in front of the commit queue until its outcome.
class Replayer {
 public:
  // `emit` receives full parts, oldest first. What is not above `flushed` is in
  // tables already and is passed over: a segment can hold commits of layers
  // that were flushed beside others that were not.
  Replayer(const Options& options, const OpenContext& context,
           SequenceNumber flushed, uint64_t decided_mixed,
           std::function<absl::Status(RecoveredPart)> emit)
      : options_(options),
        context_(context),
        flushed_(flushed),
        decided_mixed_(decided_mixed),
        emit_(std::move(emit)) {}

  // One record. kCancelled: the log ends earlier, see cut().
  absl::Status Visit(LogPosition position, std::string_view payload);
  // End of the log; emits the rest.
  absl::Status Finish();

  SequenceNumber last_sequence() const { return last_sequence_; }
  uint64_t last_mixed() const { return last_mixed_; }
  // The position of a mixed transaction that the host does not know: there the
  // log ends.
  const std::optional<LogPosition>& cut() const { return cut_; }

 private:
  struct Pending {
    PrepareRecord record;
    std::string changes;
    LogPosition position;
  };
  absl::Status Decide(std::optional<OutcomeRecord> outcome);
  absl::StatusOr<bool> HostKnows(uint64_t mixed_number);
  absl::Status CommitPending();
  absl::Status Apply(std::string_view changes, SequenceNumber sequence,
                     uint64_t mixed);
  absl::Status EmitMemtable();

  const Options& options_;
  const OpenContext& context_;
  const SequenceNumber flushed_;
  const uint64_t decided_mixed_;
  const std::function<absl::Status(RecoveredPart)> emit_;
  std::optional<uint64_t> host_mixed_;
  std::optional<Pending> pending_;
  RecoveredPart current_;
  SequenceNumber last_sequence_ = 0;
  uint64_t last_mixed_ = 0;
  std::optional<LogPosition> cut_;
};

}  // namespace nori

#endif  // NORI_ENGINE_CORE_RECOVERY_H_
