// Changes over a write set.

#ifndef NORI_ENGINE_CORE_CHANGES_H_
#define NORI_ENGINE_CORE_CHANGES_H_

#include <memory>
#include <string_view>

#include "engine/core/committer.h"
#include "engine/core/write_set.h"
#include "engine/engine.h"

namespace nori {

// What changes need of their engine.
struct ChangesContext {
  const Options* options;
  Engine* engine;
  TableStore* tables;
  Committer* committer;
  WriteController* controller;
};

class ChangesImpl final : public Changes {
 public:
  ChangesImpl(const ChangesContext& context, SnapshotRef base)
      : context_(context), base_(std::move(base)), writes_(NewWriteSet()) {}

  absl::Status Put(std::string_view key, std::string_view value) override;
  absl::Status Delete(std::string_view key) override;
  absl::Status DeleteRange(std::string_view begin,
                           std::string_view end) override;
  using Changes::Get;
  absl::StatusOr<bool> Get(std::string_view key, PinnedValue* value,
                           ReadCounters* counters) override;
  std::unique_ptr<Iterator> NewIterator(const IterateOptions& options) override;
  uint64_t Mark() const override { return writes_->mark(); }
  absl::Status RollbackTo(uint64_t mark) override {
    return writes_->RollbackTo(mark);
  }
  bool empty() const override { return writes_->empty(); }
  const SnapshotRef& base() const override { return base_; }

  WriteSet* writes() const { return writes_.get(); }
  // Forgets the changes. Iterators hold the parts that they read.
  void Clear() { writes_ = NewWriteSet(); }
  // Changes wait for nothing any more, whatever the pressure.
  void StopWaiting() { may_wait_ = false; }

 private:
  std::unique_ptr<WriteSet> NewWriteSet() const;
  absl::Status BeforeChange(size_t bytes);

  const ChangesContext context_;
  const SnapshotRef base_;
  std::unique_ptr<WriteSet> writes_;
  bool may_wait_ = true;
};

}  // namespace nori

#endif  // NORI_ENGINE_CORE_CHANGES_H_
