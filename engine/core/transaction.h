// Transaction over the commit queue and a write set.

#ifndef NORI_ENGINE_CORE_TRANSACTION_H_
#define NORI_ENGINE_CORE_TRANSACTION_H_

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/core/commit_queue.h"
#include "engine/core/committer.h"
#include "engine/core/write_set.h"
#include "engine/core/writer_lock.h"
#include "engine/engine.h"

namespace nori {

// What a transaction needs of its engine.
struct TransactionContext {
  const Options* options;
  Engine* engine;
  TableStore* tables;
  CommitQueue* queue;
  Committer* committer;
  WriteController* controller;
  WriterLock* lock;
};

class TransactionImpl final : public Transaction {
 public:
  // REQUIRES: the writer lock is held for it; it is released at the end.
  TransactionImpl(const TransactionContext& context, SnapshotRef base,
                  uint64_t id)
      : context_(context),
        base_(std::move(base)),
        id_(id),
        writes_(NewWriteSet()) {}
  ~TransactionImpl() override;

  absl::Status Put(std::string_view key, std::string_view value) override;
  absl::Status Delete(std::string_view key) override;
  absl::Status DeleteRange(std::string_view begin,
                           std::string_view end) override;
  using Transaction::Get;
  absl::StatusOr<bool> Get(std::string_view key, PinnedValue* value,
                           ReadCounters* counters) override;
  std::unique_ptr<Iterator> NewIterator(const IterateOptions& options) override;
  uint64_t Mark() const override { return writes_->mark(); }
  absl::Status RollbackTo(uint64_t mark) override;
  bool empty() const override { return writes_->empty(); }
  const SnapshotRef& base() const override { return base_; }
  absl::Status Prepare(PrepareMode mode, uint64_t mixed_number,
                       Durability durability) override;
  absl::Status Commit(Durability durability) override;
  absl::Status Rollback() override;

 private:
  std::unique_ptr<WriteSet> NewWriteSet() const;
  absl::Status Active() const;
  absl::Status BeforeChange(size_t bytes);
  absl::Status Publish();
  // Logs the abort of a prepare that was tried, or leaves the log behind.
  absl::Status Abort();
  void End();

  const TransactionContext context_;
  const SnapshotRef base_;
  const uint64_t id_;
  std::unique_ptr<WriteSet> writes_;
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
