#include "vtab/statistics.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "vtab/key_codec.h"

namespace nori {
namespace {

// Places that are looked at, and entries of one prefix that are counted there
// before indexes have to tell the rest.
constexpr size_t kPlaces = 12;
constexpr int kCounted = 24;
// Where there are fewer entries than places, or all in one block, of which
// indexes tell nothing: so many of the first are read.
constexpr int kFirstEntries = 256;
// Entries written after which all is measured anew. Few, while there are few:
// the plan for one row is the wrong one for a hundred.
constexpr double kLeastSlack = 16;
constexpr double kUsualSlack = 500;

// The end of the first `columns` columns of `key` behind the path's prefix.
std::optional<size_t> EndOfColumns(const AccessPath& path, std::string_view key,
                                   size_t columns) {
  std::string_view rest = key.substr(path.prefix.size());
  for (size_t i = 0; i < columns; ++i) {
    if (!SkipKeyColumn(&rest, path.columns[i].key.descending).ok()) {
      return std::nullopt;
    }
  }
  return key.size() - rest.size();
}

std::unique_ptr<Iterator> NewIterator(const MeasuredStore& store,
                                      const AccessPath& path) {
  IterateOptions options;
  options.bounds = {path.prefix, path.prefix_end};
  return store.transaction != nullptr ? store.transaction->NewIterator(options)
                                      : store.engine->NewIterator(options);
}

// The entries that there are, up to kFirstEntries.
int CountFirst(const MeasuredStore& store, const AccessPath& path) {
  int count = 0;
  const std::unique_ptr<Iterator> it = NewIterator(store, path);
  for (it->SeekToFirst(); it->Valid() && count < kFirstEntries; it->Next()) {
    ++count;
  }
  return count;
}

// How many entries begin with `prefix`.
double CountGroup(Engine* engine, Iterator* it, const std::string& prefix) {
  int count = 0;
  for (it->Seek(prefix); it->Valid() && it->key().starts_with(prefix);
       it->Next()) {
    if (++count < kCounted) continue;
    const auto estimate =
        engine->Estimate({prefix, PrefixSuccessor(prefix)}).entries;
    return std::max<double>(count, static_cast<double>(estimate));
  }
  return std::max(count, 1);
}

// The mean over groups is the harmonic mean over entries: an entry counts for
// the share that it has in its group. False where the places give too little.
bool MeasureAtPlaces(Engine* engine, const AccessPath& path, Iterator* it,
                     std::vector<double>* per_prefix) {
  const std::vector<std::string> places =
      engine->SampleKeys({path.prefix, path.prefix_end}, kPlaces);
  if (places.size() < kPlaces / 2) return false;
  std::vector<double> shares(per_prefix->size());
  size_t looked_at = 0;
  for (const std::string& place : places) {
    it->Seek(place);
    if (!it->Valid()) continue;
    const std::string key(it->key());
    if (!EndOfColumns(path, key, shares.size())) continue;
    ++looked_at;
    for (size_t i = 0; i < shares.size(); ++i) {
      if (i + 1 == path.unique_columns) {
        ++shares[i];
        continue;
      }
      const size_t end = *EndOfColumns(path, key, i + 1);
      shares[i] += 1 / CountGroup(engine, it, key.substr(0, end));
    }
  }
  if (looked_at == 0) return false;
  for (size_t i = 0; i < shares.size(); ++i) {
    (*per_prefix)[i] = static_cast<double>(looked_at) / shares[i];
    if (i > 0)
      (*per_prefix)[i] = std::min((*per_prefix)[i], (*per_prefix)[i - 1]);
  }
  return true;
}

void MeasureAtBegin(const AccessPath& path, Iterator* it,
                    std::vector<double>* per_prefix) {
  std::vector<std::string> last(per_prefix->size());
  std::vector<int> groups(per_prefix->size());
  int count = 0;
  for (it->SeekToFirst(); it->Valid() && count < kFirstEntries; it->Next()) {
    ++count;
    for (size_t i = 0; i < last.size(); ++i) {
      const auto end = EndOfColumns(path, it->key(), i + 1);
      const std::string_view prefix = it->key().substr(0, end.value_or(0));
      if (groups[i] > 0 && prefix == last[i]) continue;
      ++groups[i];
      last[i].assign(prefix);
    }
  }
  for (size_t i = 0; i < last.size(); ++i) {
    (*per_prefix)[i] =
        static_cast<double>(std::max(count, 1)) / std::max(groups[i], 1);
  }
}

}  // namespace

TableStatistics::PathStatistics& TableStatistics::Get(
    const MeasuredStore& store, const AccessPath& path) {
  PathStatistics& known = paths_[path.id];
  const double uncommitted =
      store.transaction == nullptr
          ? 0
          : static_cast<double>(store.transaction->Mark());
  const double now =
      static_cast<double>(store.engine->EntriesWritten()) + uncommitted;
  const double slack = std::max(
      std::clamp(known.entries, kLeastSlack, kUsualSlack), known.entries / 4);
  if (known.taken_at && std::abs(now - *known.taken_at) <= slack) return known;
  const Engine::RangeEstimate estimate =
      store.engine->Estimate({path.prefix, path.prefix_end});
  known.entries = static_cast<double>(estimate.entries);
  if (known.entries < kFirstEntries) {
    const int count = CountFirst(store, path);
    known.entries = std::max(count, 1);
    // Too many are a smaller mistake than too few.
    if (count == kFirstEntries) known.entries += uncommitted;
  }
  known.bytes_each = static_cast<double>(estimate.bytes) / known.entries;
  known.taken_at = now;
  known.per_prefix.clear();
  return known;
}

double TableStatistics::Entries(const MeasuredStore& store,
                                const AccessPath& path) {
  return Get(store, path).entries;
}

double TableStatistics::BytesEach(const MeasuredStore& store,
                                  const AccessPath& path) {
  return Get(store, path).bytes_each;
}

double TableStatistics::EntriesPerPrefix(const MeasuredStore& store,
                                         const AccessPath& path,
                                         size_t columns) {
  PathStatistics& known = Get(store, path);
  if (known.per_prefix.empty()) {
    known.per_prefix.resize(path.seek_columns, 1);
    const std::unique_ptr<Iterator> it = NewIterator(store, path);
    if (!MeasureAtPlaces(store.engine, path, it.get(), &known.per_prefix)) {
      MeasureAtBegin(path, it.get(), &known.per_prefix);
    }
  }
  return std::clamp(known.per_prefix[columns - 1], 1.0, known.entries);
}

}  // namespace nori
