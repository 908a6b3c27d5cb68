#include "engine/core/recovery.h"

#include <algorithm>
#include <utility>

#include "engine/format/status_macros.h"

namespace nori {

absl::Status Replayer::Visit(LogPosition position, std::string_view payload) {
  if (payload.empty()) return absl::DataLossError("log record: empty");
  const auto type = static_cast<RecordType>(payload.front());
  if (type == RecordType::kClosed) return absl::OkStatus();
  const std::string_view body = payload.substr(1);
  if (type == RecordType::kOutcome) {
    NORI_ASSIGN_OR_RETURN(const OutcomeRecord outcome, ParseOutcome(body));
    return Decide(outcome);
  }
  if (type == RecordType::kPrepare) {
    NORI_ASSIGN_OR_RETURN(PrepareRecord record, ParsePrepare(body));
    const bool again = pending_.has_value() &&
                       pending_->record.prepare_id == record.prepare_id;
    if (!again) NORI_RETURN_IF_ERROR(Decide(std::nullopt));
    std::string changes(record.changes);
    record.changes = {};
    pending_ = Pending{std::move(record), std::move(changes), position};
    return absl::OkStatus();
  }
  if (type != RecordType::kCommits) {
    return absl::DataLossError("log record: unknown type");
  }
  NORI_RETURN_IF_ERROR(Decide(std::nullopt));
  SequenceNumber first;
  std::vector<std::string_view> commits;
  NORI_RETURN_IF_ERROR(ParseCommits(body, &first, &commits));
  for (size_t i = 0; i < commits.size(); ++i) {
    NORI_RETURN_IF_ERROR(Apply(commits[i], first + i, 0));
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> Replayer::HostKnows(uint64_t mixed_number) {
  if (mixed_number <= decided_mixed_) return true;
  if (!host_mixed_.has_value()) {
    if (context_.host_mixed_number == nullptr) {
      return absl::FailedPreconditionError(
          "the engine's log holds a transaction over this engine and its "
          "database, which only the database can decide: open it through the "
          "database");
    }
    NORI_ASSIGN_OR_RETURN(host_mixed_, context_.host_mixed_number());
  }
  return mixed_number <= *host_mixed_;
}

absl::Status Replayer::Decide(std::optional<OutcomeRecord> outcome) {
  if (!pending_.has_value()) return absl::OkStatus();
  const PrepareRecord& record = pending_->record;
  const bool own =
      outcome.has_value() && outcome->prepare_id == record.prepare_id;
  if (own && !outcome->committed) {
    pending_.reset();
    return absl::OkStatus();
  }
  switch (record.mode) {
    case PrepareMode::kCommitsUnlessAborted:
      return CommitPending();
    case PrepareMode::kNeedsOutcome:
      if (own) return CommitPending();
      pending_.reset();
      return absl::OkStatus();
    case PrepareMode::kHostDecides:
      break;
  }
  NORI_ASSIGN_OR_RETURN(const bool known, HostKnows(record.mixed_number));
  if (known) return CommitPending();
  cut_ = pending_->position;
  pending_.reset();
  return absl::CancelledError(
      "the log ends before a transaction that the "
      "database does not know");
}

absl::Status Replayer::CommitPending() {
  Pending pending = std::move(*pending_);
  pending_.reset();
  const PrepareRecord& record = pending.record;
  if (record.tables.empty()) {
    return Apply(pending.changes, record.last_sequence(), record.mixed_number);
  }
  NORI_RETURN_IF_ERROR(EmitMemtable());
  for (const TableMeta& meta : record.tables) {
    if (meta.largest_sequence <= flushed_) continue;
    RecoveredPart part;
    part.spilled = meta;
    part.largest_sequence = meta.largest_sequence;
    if (&meta == &record.tables.back()) {
      part.largest_sequence = record.last_sequence();
      part.highest_mixed = record.mixed_number;
    }
    NORI_RETURN_IF_ERROR(emit_(std::move(part)));
  }
  last_sequence_ = std::max(last_sequence_, record.last_sequence());
  last_mixed_ = std::max(last_mixed_, record.mixed_number);
  return absl::OkStatus();
}

absl::Status Replayer::Apply(std::string_view changes, SequenceNumber sequence,
                             uint64_t mixed) {
  last_sequence_ = std::max(last_sequence_, sequence);
  last_mixed_ = std::max(last_mixed_, mixed);
  if (sequence <= flushed_) return absl::OkStatus();
  if (current_.memtable == nullptr) {
    current_.memtable = std::make_shared<Memtable>();
  }
  NORI_ASSIGN_OR_RETURN(const auto normalised, NormaliseChanges(changes));
  InsertChanges(normalised, sequence, current_.memtable.get());
  current_.largest_sequence = sequence;
  current_.highest_mixed = std::max(current_.highest_mixed, mixed);
  if (current_.memtable->MemoryUsage() < options_.memtable_bytes) {
    return absl::OkStatus();
  }
  return EmitMemtable();
}

absl::Status Replayer::EmitMemtable() {
  if (current_.memtable == nullptr) return absl::OkStatus();
  return emit_(std::exchange(current_, RecoveredPart{}));
}

absl::Status Replayer::Finish() {
  const absl::Status decided = Decide(std::nullopt);
  if (!decided.ok() && !absl::IsCancelled(decided)) return decided;
  return EmitMemtable();
}

}  // namespace nori
