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

absl::Status TransactionImpl::BeforeChange(size_t bytes) {
  NORI_RETURN_IF_ERROR(Active());
  // Inside a prepared transaction nothing may wait for other commits.
  if (place_.has_value()) return absl::OkStatus();
  return context_.controller->Throttle(bytes);
}

absl::Status TransactionImpl::Put(std::string_view key,
                                  std::string_view value) {
  NORI_RETURN_IF_ERROR(BeforeChange(key.size() + value.size()));
  return writes_->Put(key, value);
}

absl::Status TransactionImpl::Delete(std::string_view key) {
  NORI_RETURN_IF_ERROR(BeforeChange(key.size()));
  return writes_->Delete(key);
}

absl::Status TransactionImpl::DeleteRange(std::string_view begin,
                                          std::string_view end) {
  NORI_RETURN_IF_ERROR(BeforeChange(begin.size() + end.size()));
  return writes_->DeleteRange(begin, end);
}

absl::StatusOr<bool> TransactionImpl::Get(std::string_view key,
                                          PinnedValue* value,
                                          ReadCounters* counters) {
  NORI_RETURN_IF_ERROR(Active());
  if (!writes_->empty()) {
    PointLookup own;
    NORI_ASSIGN_OR_RETURN(const auto verdict, writes_->Get(key, &own));
    if (verdict == WriteSet::Verdict::kPut) {
      // The write set may move to a table while the caller looks at the value.
      if (own.pin != nullptr) {
        value->Set(own.value, nullptr, std::move(own.pin));
      } else {
        value->SetCopy(own.value);
      }
      return true;
    }
    if (verdict == WriteSet::Verdict::kDeleted) return false;
  }
  ReadOptions options;
  options.snapshot = base_;
  options.counters = counters;
  return context_.engine->Get(options, key, value);
}

std::unique_ptr<Iterator> TransactionImpl::NewIterator(
    const IterateOptions& options) {
  IterateOptions base_options = options;
  base_options.snapshot = base_;
  auto base = context_.engine->NewIterator(base_options);
  if (writes_->empty()) return base;
  return writes_->NewIterator(std::move(base), options.bounds);
}

absl::Status TransactionImpl::RollbackTo(uint64_t mark) {
  NORI_RETURN_IF_ERROR(Active());
  return writes_->RollbackTo(mark);
}

absl::Status TransactionImpl::Prepare(PrepareMode mode, uint64_t mixed_number,
                                      Durability durability) {
  NORI_RETURN_IF_ERROR(Active());
  if (mode == PrepareMode::kHostDecides &&
      mixed_number <= context_.committer->last_mixed()) {
    return absl::InvalidArgumentError(
        "a mixed transaction needs a number above the last one");
  }
  if (!place_.has_value()) place_.emplace(context_.queue);
  prepared_durability_ = durability;
  PrepareRecord record;
  record.mode = mode;
  record.prepare_id = id_;
  record.mixed_number = mode == PrepareMode::kHostDecides ? mixed_number : 0;
  if (writes_->spilled()) {
    NORI_ASSIGN_OR_RETURN(record.tables, writes_->SpillAll());
    record.sequences_taken = std::max<uint64_t>(1, writes_->mark());
    changes_.clear();
  } else {
    NORI_ASSIGN_OR_RETURN(changes_, writes_->EncodeChanges());
  }
  NORI_RETURN_IF_ERROR(
      context_.committer->Prepare(&record, changes_, durability));
  // At their place in the order of commits; in Commit an error would come too
  // late.
  std::vector<TableRef> tables;
  for (const TableMeta& meta : record.tables) {
    NORI_ASSIGN_OR_RETURN(TableRef table, context_.tables->Open(meta));
    tables.push_back(std::move(table));
  }
  tables_ = std::move(tables);
  prepared_ = std::move(record);
  return absl::OkStatus();
}

absl::Status TransactionImpl::Publish() {
  writes_->ReleaseTables();
  return context_.committer->Publish(*prepared_, changes_, std::move(tables_));
}

absl::Status TransactionImpl::Commit(Durability durability) {
  NORI_RETURN_IF_ERROR(Active());
  if (!prepared_.has_value()) {
    if (empty()) {
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
    status = context_.committer->LogOutcome({id_, true}, durability);
  }
  if (status.ok()) status = Publish();
  if (!status.ok()) {
    context_.committer->TurnReadOnly(status);
    // The log names them, and the next open has to find them.
    writes_->ReleaseTables();
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
  if (context_.committer->LogOutcome({id_, false}, durability).ok()) {
    return absl::OkStatus();
  }
  const absl::Status left = context_.committer->Writable();
  // The record may be read once more, and names them.
  if (!left.ok()) writes_->ReleaseTables();
  return left;
}

std::unique_ptr<WriteSet> TransactionImpl::NewWriteSet() const {
  return std::make_unique<WriteSet>(
      *context_.options, context_.tables,
      context_.committer->ActiveMemtable()->shared_prefix());
}

void TransactionImpl::End() {
  ended_ = true;
  place_.reset();
  // Iterators that outlive the transaction hold the parts they read.
  writes_ = NewWriteSet();
  // Last: what the writes have marked for removal goes with them.
  tables_.clear();
  context_.lock->Release();
}

}  // namespace nori
