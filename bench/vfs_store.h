// Databases of the VFS `nori` and of SQLite's own, which vfs_bench compares.

#ifndef NORI_BENCH_VFS_STORE_H_
#define NORI_BENCH_VFS_STORE_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bench/measure.h"
#include "bench/sqlite_connection.h"

namespace nori::bench {

// One way to keep databases: how they are opened, and where.
class VfsStore {
 public:
  // `nori`: the VFS nori, which must be registered; else the system's in WAL
  // mode. `synchronous`: as PRAGMA takes it.
  VfsStore(bool nori, std::string synchronous, std::string directory,
           uint64_t cache_bytes)
      : nori_(nori),
        synchronous_(std::move(synchronous)),
        directory_(std::move(directory)),
        cache_bytes_(cache_bytes) {}

  // A new connection to the database `name`, which is made if it is missing.
  SqliteConnection Connect(const std::string& name) const;
  // Brings everything to where it stays, and waits until nothing is written.
  void Settle(SqliteConnection* connection) const;
  const std::string& directory() const { return directory_; }

 private:
  const bool nori_;
  const std::string synchronous_;
  const std::string directory_;
  const uint64_t cache_bytes_;
};

// How long each operation took, and what was written meanwhile.
class Meter {
 public:
  Meter() = default;
  // One operation; its time is kept.
  template <typename Body>
  void Time(Body&& body) {
    const Timer timer;
    std::forward<Body>(body)();
    micros_.push_back(timer.Seconds() * 1e6);
  }
  // Operations one after the other, until so much time has gone.
  template <typename Body>
  void Repeat(double seconds, Body&& body) {
    const Timer timer;
    do {
      Time(body);
    } while (timer.Seconds() < seconds);
    seconds_ += timer.Seconds();
  }
  // Adds what was measured at the same time, or after it.
  void Join(const Meter& other);
  void Append(const Meter& other);

  size_t count() const { return micros_.size(); }
  double PerSecond() const {
    return static_cast<double>(micros_.size()) / seconds_;
  }
  double Percentile(double percent) const;

 private:
  std::vector<double> micros_;
  double seconds_ = 0;
};

}  // namespace nori::bench

#endif  // NORI_BENCH_VFS_STORE_H_
