// Transaction over the commit queue and its changes.

#ifndef NORI_ENGINE_CORE_TRANSACTION_H_
#define NORI_ENGINE_CORE_TRANSACTION_H_

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/core/changes.h"
#include "engine/core/commit_queue.h"
#include "engine/core/committer.h"
#include "engine/core/writer_lock.h"
#include "engine/engine.h"

namespace nori {

// What a transaction needs of its engine.
struct TransactionContext {
  ChangesContext changes;
  CommitQueue* queue;
  WriterLock* lock;
};

class TransactionImpl final : public Transaction {
 public:
  // REQUIRES: the writer lock is held for it; it is released at the end.
  TransactionImpl(const TransactionContext& context, SnapshotRef base,
                  uint64_t id)
      : context_(context), own_(context.changes, std::move(base)), id_(id) {}
  ~TransactionImpl() override;

  absl::Status Put(std::string_view key, std::string_view value) override;
  absl::Status Delete(std::string_view key) override;
  absl::Status DeleteRange(std::string_view begin,
                           std::string_view end) override;
  using Transaction::Get;
  absl::StatusOr<bool> Get(std::string_view key, PinnedValue* value,
                           ReadCounters* counters) override;
  std::unique_ptr<Iterator> NewIterator(const IterateOptions& options) override;
  uint64_t Mark() const override { return own_.Mark(); }
  absl::Status RollbackTo(uint64_t mark) override;
  bool empty() const override { return own_.empty(); }
  const SnapshotRef& base() const override { return own_.base(); }
  void Include(Changes* other) override;
  absl::Status Prepare(PrepareMode mode, uint64_t mixed_number,
                       Durability durability) override;
  absl::Status Commit(Durability durability) override;
  absl::Status Rollback() override;

 private:
  absl::Status Active() const;
  Committer* committer() const { return context_.changes.committer; }
  // The write sets to commit, those with nothing in them aside.
  std::vector<WriteSet*> Parts() const;
  // The spilled tables of all parts, whose local numbers follow on each other.
  absl::Status SpillParts(PrepareRecord* record) const;
  void ReleaseTables();
  absl::Status Publish();
  // Logs the abort of a prepare that was tried, or leaves the log behind.
  absl::Status Abort();
  void End();

  const TransactionContext context_;
  ChangesImpl own_;
  ChangesImpl* other_ = nullptr;  // see Include
  const uint64_t id_;
  bool ended_ = false;
  // Held from the first Prepare on.
  std::optional<CommitQueue::Place> place_;
  std::optional<PrepareRecord> prepared_;
  std::vector<TableRef> tables_;  // of prepared_
  Durability prepared_durability_ = Durability::kNone;
  std::string changes_;  // of prepared_
};

}  // namespace nori

#endif  // NORI_ENGINE_CORE_TRANSACTION_H_
