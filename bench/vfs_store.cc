#include "bench/vfs_store.h"

#include <algorithm>
#include <cmath>

namespace nori::bench {

SqliteConnection VfsStore::Connect(const std::string& name) const {
  SqliteConnection connection("file:" + directory_ + "/" + name +
                              (nori_ ? "?vfs=nori" : "?vfs=unix"));
  connection.Execute("PRAGMA busy_timeout=60000");
  if (!nori_) connection.Execute("PRAGMA journal_mode=WAL");
  connection.Execute("PRAGMA synchronous=" + synchronous_);
  connection.Execute("PRAGMA cache_size=-" +
                     std::to_string(cache_bytes_ >> 10));
  return connection;
}

void VfsStore::Settle(SqliteConnection* connection) const {
  connection->Execute(nori_ ? "PRAGMA nori_flush"
                            : "PRAGMA wal_checkpoint(TRUNCATE)");
  WaitUntilStill(directory_);
}

void Meter::Join(const Meter& other) {
  micros_.insert(micros_.end(), other.micros_.begin(), other.micros_.end());
  seconds_ = std::max(seconds_, other.seconds_);
}

void Meter::Append(const Meter& other) {
  micros_.insert(micros_.end(), other.micros_.begin(), other.micros_.end());
  seconds_ += other.seconds_;
}

double Meter::Percentile(double percent) const {
  if (micros_.empty()) return 0;
  std::vector<double> sorted = micros_;
  const auto place = static_cast<size_t>(
      std::ceil(percent / 100 * static_cast<double>(sorted.size())));
  const auto nth =
      sorted.begin() + static_cast<std::ptrdiff_t>(place > 0 ? place - 1 : 0);
  std::nth_element(sorted.begin(), nth, sorted.end());
  return *nth;
}

}  // namespace nori::bench
