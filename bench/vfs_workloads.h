// The phases of vfs_bench over one store.

#ifndef NORI_BENCH_VFS_WORKLOADS_H_
#define NORI_BENCH_VFS_WORKLOADS_H_

#include <functional>
#include <string>
#include <vector>

#include "bench/command_line.h"
#include "bench/keys.h"
#include "bench/report.h"
#include "bench/vfs_store.h"

namespace nori::bench {

// Names of the phases, in the order they run.
const std::vector<std::string>& VfsWorkloadNames();

// Texts of words, the commoner ones more often.
class Texts {
 public:
  static constexpr size_t kBytes = 400;
  explicit Texts(uint64_t seed);
  std::string_view At(uint64_t i) const {
    return {pool_.data() + i * 7919 % (pool_.size() - kBytes), kBytes};
  }

 private:
  std::string pool_;
};

// Runs the selected phases on one store, once.
class VfsRun {
 public:
  VfsRun(const WorkloadOptions& options, int warehouses, std::string name,
         VfsStore store, Report* report);
  void Run();

 private:
  void Documents();
  void LoadDocuments(SqliteConnection* db);
  void UpdateDocuments(SqliteConnection* db);
  void ReadBesideWriter();
  void Writers();
  void Sysbench();
  void LoadSysbench(SqliteConnection* db);
  void Tpcc();

  // Transactions of random lookups on a connection of their own.
  Meter ReadDocuments(double seconds, uint64_t seed) const;
  // Updates random documents, `rows` in each of the meter's operations.
  Meter WriteDocuments(SqliteConnection* db, double seconds, uint32_t rows,
                       uint64_t seed) const;
  // Runs `operation` for as long as a phase takes, and reports it.
  void Phase(const std::string& name, const std::string& metric,
             SqliteConnection* db, const std::function<void()>& operation);
  // Measures `body`, which writes, with what it wrote until all is quiet.
  void Written(const std::string& metric, SqliteConnection* db,
               const std::function<Meter()>& body);
  void Times(const std::string& metric, const Meter& meter);
  void Result(const std::string& metric, double value, bool lower_is_better);
  bool Selected(const std::string& name) const {
    return options_.selected.contains(name);
  }

  const WorkloadOptions options_;
  const int warehouses_;
  const std::string name_;
  const VfsStore store_;
  Report* const report_;
  const Texts texts_;
};

}  // namespace nori::bench

#endif  // NORI_BENCH_VFS_WORKLOADS_H_
