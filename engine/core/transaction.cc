#include "engine/core/transaction.h"

#include <algorithm>
#include <utility>

#include "engine/format/status_macros.h"

namespace nori {

TransactionImpl::~TransactionImpl() {
  if (!ended_) (void)Rollback();
}

absl::Status TransactionImpl::Active() const {
  if (!ended_) return absl::OkStatus();
  return absl::FailedPreconditionError("the transaction has ended");
}

absl::Status TransactionImpl::Put(std::string_view key,
                                  std::string_view value) {
  NORI_RETURN_IF_ERROR(Active());
  return own_.Put(key, value);
}

absl::Status TransactionImpl::Delete(std::string_view key) {
  NORI_RETURN_IF_ERROR(Active());
  return own_.Delete(key);
}

absl::Status TransactionImpl::DeleteRange(std::string_view begin,
                                          std::string_view end) {
  NORI_RETURN_IF_ERROR(Active());
  return own_.DeleteRange(begin, end);
}

absl::StatusOr<bool> TransactionImpl::Get(std::string_view key,
                                          PinnedValue* value,
                                          ReadCounters* counters) {
  NORI_RETURN_IF_ERROR(Active());
  return own_.Get(key, value, counters);
}

std::unique_ptr<Iterator> TransactionImpl::NewIterator(
    const IterateOptions& options) {
  return own_.NewIterator(options);
}

absl::Status TransactionImpl::RollbackTo(uint64_t mark) {
  NORI_RETURN_IF_ERROR(Active());
  return own_.RollbackTo(mark);
}

void TransactionImpl::Include(Changes* other) {
  other_ = static_cast<ChangesImpl*>(other);
}

std::vector<WriteSet*> TransactionImpl::Parts() const {
  std::vector<WriteSet*> parts;
  if (!own_.empty()) parts.push_back(own_.writes());
  if (other_ != nullptr && !other_->empty()) parts.push_back(other_->writes());
  return parts;
}

void TransactionImpl::ReleaseTables() {
  own_.writes()->ReleaseTables();
  if (other_ != nullptr) other_->writes()->ReleaseTables();
}

absl::Status TransactionImpl::SpillParts(PrepareRecord* record) const {
  record->sequences_taken = 0;
  for (WriteSet* const part : Parts()) {
    NORI_ASSIGN_OR_RETURN(std::vector<TableMeta> tables, part->SpillAll());
    for (TableMeta& meta : tables) {
      meta.smallest_sequence += record->sequences_taken;
      meta.largest_sequence += record->sequences_taken;
      meta.sequence_base = record->sequences_taken;
      record->tables.push_back(std::move(meta));
    }
    record->sequences_taken += part->mark();
  }
  return absl::OkStatus();
}

absl::Status TransactionImpl::Prepare(PrepareMode mode, uint64_t mixed_number,
                                      Durability durability) {
  NORI_RETURN_IF_ERROR(Active());
  if (mode == PrepareMode::kHostDecides &&
      mixed_number <= committer()->last_mixed()) {
    return absl::InvalidArgumentError(
        "a mixed transaction needs a number above the last one");
  }
  if (!place_.has_value()) place_.emplace(context_.queue);
  // Inside a prepared transaction nothing may wait for other commits.
  own_.StopWaiting();
  prepared_durability_ = durability;
  PrepareRecord record;
  record.mode = mode;
  record.prepare_id = id_;
  record.mixed_number = mode == PrepareMode::kHostDecides ? mixed_number : 0;
  std::string changes;
  const std::vector<WriteSet*> parts = Parts();
  if (std::any_of(parts.begin(), parts.end(),
                  [](const WriteSet* part) { return part->spilled(); })) {
    NORI_RETURN_IF_ERROR(SpillParts(&record));
  } else {
    for (const WriteSet* const part : parts) {
      NORI_ASSIGN_OR_RETURN(const std::string more, part->EncodeChanges());
      changes += more;
    }
  }
  NORI_RETURN_IF_ERROR(committer()->Prepare(&record, changes, durability));
  // At their place in the order of commits; in Commit an error would come too
  // late.
  std::vector<TableRef> tables;
  for (const TableMeta& meta : record.tables) {
    NORI_ASSIGN_OR_RETURN(TableRef table, context_.changes.tables->Open(meta));
    tables.push_back(std::move(table));
  }
  tables_ = std::move(tables);
  prepared_ = std::move(record);
  changes_ = std::move(changes);
  return absl::OkStatus();
}

absl::Status TransactionImpl::Publish() {
  ReleaseTables();
  return committer()->Publish(*prepared_, changes_, std::move(tables_));
}

absl::Status TransactionImpl::Commit(Durability durability) {
  NORI_RETURN_IF_ERROR(Active());
  if (!prepared_.has_value()) {
    if (Parts().empty()) {
      End();
      return absl::OkStatus();
    }
    const absl::Status prepared =
        Prepare(PrepareMode::kCommitsUnlessAborted, 0, durability);
    if (!prepared.ok()) {
      Rollback().IgnoreError();
      return prepared;
    }
  }
  absl::Status status;
  if (prepared_->mode == PrepareMode::kNeedsOutcome) {
    status = committer()->LogOutcome({id_, true}, durability);
  }
  if (status.ok()) status = Publish();
  if (!status.ok()) {
    committer()->TurnReadOnly(status);
    // The log names them, and the next open has to find them.
    ReleaseTables();
  }
  End();
  return status;
}

absl::Status TransactionImpl::Rollback() {
  NORI_RETURN_IF_ERROR(Active());
  absl::Status status;
  // A prepare that failed may have left its record behind all the same.
  if (place_.has_value()) status = Abort();
  End();
  return status;
}

absl::Status TransactionImpl::Abort() {
  // Where the prepare record can survive a power loss, so must this: what was
  // rolled back may not come back.
  const Durability durability = prepared_durability_ == Durability::kNone
                                    ? Durability::kNone
                                    : Durability::kSync;
  if (committer()->LogOutcome({id_, false}, durability).ok()) {
    return absl::OkStatus();
  }
  const absl::Status left = committer()->Writable();
  // The record may be read once more, and names them.
  if (!left.ok()) ReleaseTables();
  return left;
}

void TransactionImpl::End() {
  ended_ = true;
  place_.reset();
  own_.Clear();
  // Last: what the writes have marked for removal goes with them.
  tables_.clear();
  context_.lock->Release();
}

}  // namespace nori
