// What the planner knows of how a table's keys are distributed.

#ifndef NORI_VTAB_STATISTICS_H_
#define NORI_VTAB_STATISTICS_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "engine/engine.h"
#include "vtab/access_path.h"

namespace nori {

// What is looked at.
struct MeasuredStore {
  Engine* engine;
  // The open write transaction, whose changes are seen; null: there is none.
  Changes* transaction;
};

// Estimates from indexes of table files and samples, kept until much has been
// written; few entries are counted. Not thread-safe.
class TableStatistics {
 public:
  // Entries of a path, at least 1, and the mean of their bytes.
  double Entries(const MeasuredStore& store, const AccessPath& path);
  double BytesEach(const MeasuredStore& store, const AccessPath& path);
  // Mean number of entries that share the values of the first `columns` columns
  // that the path can be sought by, at least 1. Reads some dozens of keys where
  // it is not known.
  double EntriesPerPrefix(const MeasuredStore& store, const AccessPath& path,
                          size_t columns);

 private:
  struct PathStatistics {
    double entries = 1;
    double bytes_each = 0;
    std::optional<double> taken_at;  // so many entries had been written
    std::vector<double> per_prefix;  // [i]: of i + 1 columns; empty: not known
  };

  PathStatistics& Get(const MeasuredStore& store, const AccessPath& path);

  absl::flat_hash_map<uint32_t, PathStatistics> paths_;  // by id
};

}  // namespace nori

#endif  // NORI_VTAB_STATISTICS_H_
