#include "engine/core/changes.h"

#include <utility>

#include "engine/format/status_macros.h"

namespace nori {

absl::Status ChangesImpl::BeforeChange(size_t bytes) {
  if (!may_wait_) return absl::OkStatus();
  return context_.controller->Throttle(bytes);
}

absl::Status ChangesImpl::Put(std::string_view key, std::string_view value) {
  NORI_RETURN_IF_ERROR(BeforeChange(key.size() + value.size()));
  return writes_->Put(key, value);
}

absl::Status ChangesImpl::Delete(std::string_view key) {
  NORI_RETURN_IF_ERROR(BeforeChange(key.size()));
  return writes_->Delete(key);
}

absl::Status ChangesImpl::DeleteRange(std::string_view begin,
                                      std::string_view end) {
  NORI_RETURN_IF_ERROR(BeforeChange(begin.size() + end.size()));
  return writes_->DeleteRange(begin, end);
}

absl::StatusOr<bool> ChangesImpl::Get(std::string_view key, PinnedValue* value,
                                      ReadCounters* counters) {
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

std::unique_ptr<Iterator> ChangesImpl::NewIterator(
    const IterateOptions& options) {
  IterateOptions base_options = options;
  base_options.snapshot = base_;
  auto base = context_.engine->NewIterator(base_options);
  if (writes_->empty()) return base;
  return writes_->NewIterator(std::move(base), options.bounds);
}

std::unique_ptr<WriteSet> ChangesImpl::NewWriteSet() const {
  return std::make_unique<WriteSet>(
      *context_.options, context_.tables,
      context_.committer->ActiveMemtable()->shared_prefix());
}

}  // namespace nori
