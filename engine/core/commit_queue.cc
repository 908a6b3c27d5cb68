#include "engine/core/commit_queue.h"

#include <algorithm>

#include "absl/base/macros.h"
#include "absl/time/clock.h"

namespace nori {
namespace {

// A group stays small enough that its first member does not wait for the
// copying of megabytes of others.
constexpr size_t kMaxGroupBytes = size_t{1} << 20;

}  // namespace

absl::Status CommitQueue::Submit(const Write& write, CommitGroup commit) {
  Entry self;
  self.write = write;
  std::vector<Write> group;
  size_t members = 0;
  {
    absl::MutexLock lock(&mutex_);
    queue_.push_back(&self);
    while (!self.done && queue_.front() != &self) self.wake.Wait(&mutex_);
    if (self.done) return self.status;
    size_t bytes = 0;
    for (Entry* entry : queue_) {
      if (entry->write.batch == nullptr) break;
      bytes += entry->write.batch->bytes();
      if (members > 0 && bytes > kMaxGroupBytes) break;
      group.push_back(entry->write);
      ++members;
    }
  }
  const absl::Status status = commit(group);
  absl::MutexLock lock(&mutex_);
  for (size_t i = 0; i < members; ++i) {
    Entry* entry = queue_.front();
    queue_.pop_front();
    if (entry == &self) continue;
    entry->status = status;
    entry->done = true;
    entry->wake.Signal();
  }
  if (!queue_.empty()) queue_.front()->wake.Signal();
  return status;
}

bool CommitQueue::Enter(Entry* entry, absl::Duration timeout) {
  const absl::Time deadline = absl::Now() + timeout;
  absl::MutexLock lock(&mutex_);
  queue_.push_back(entry);
  while (queue_.front() != entry) {
    if (!entry->wake.WaitWithDeadline(&mutex_, deadline)) continue;
    if (queue_.front() == entry) break;
    queue_.erase(std::find(queue_.begin(), queue_.end(), entry));
    return false;
  }
  return true;
}

absl::Status CommitQueue::Place::status() const {
  if (in_front_) return absl::OkStatus();
  return absl::UnavailableError(
      "a transaction whose COMMIT was refused is still open; end it and try "
      "again");
}

void CommitQueue::Leave(Entry* entry) {
  absl::MutexLock lock(&mutex_);
  ABSL_ASSERT(queue_.front() == entry);
  (void)entry;
  queue_.pop_front();
  if (!queue_.empty()) queue_.front()->wake.Signal();
}

}  // namespace nori
