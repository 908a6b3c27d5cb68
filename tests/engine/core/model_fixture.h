// What randomized tests compare an engine with: a sorted map, and the maps as
// they were when snapshots were taken.

#ifndef NORI_TESTS_ENGINE_CORE_MODEL_FIXTURE_H_
#define NORI_TESTS_ENGINE_CORE_MODEL_FIXTURE_H_

#include <iterator>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "tests/engine/core/engine_fixture.h"

namespace nori {

using Model = absl::btree_map<std::string, std::string>;

inline void EraseRange(Model* model, const std::string& begin,
                       const std::string& end) {
  if (begin >= end) return;
  model->erase(model->lower_bound(begin), model->lower_bound(end));
}

// A state that can be read: the present one (no snapshot) or an older one.
struct ModelView {
  SnapshotRef snapshot;
  const Model* model;
};

class ModelSnapshots {
 public:
  // Takes a snapshot of `engine`, which now holds `model`.
  void Take(Engine* engine, const Model& model) {
    held_.emplace_back(engine->GetSnapshot(), model);
  }
  void Clear() { held_.clear(); }
  void Erase(size_t i) {
    held_.erase(held_.begin() + static_cast<ptrdiff_t>(i));
  }
  size_t size() const { return held_.size(); }

  // With one chance in `n` one of the snapshots, if there are any.
  ModelView Pick(Random* random, uint64_t n, const Model& present) const {
    if (held_.empty() || !random->OneIn(n)) return {nullptr, &present};
    const auto& [snapshot, then] = held_[random->Uniform(held_.size())];
    return {snapshot, &then};
  }

 private:
  std::vector<std::pair<SnapshotRef, Model>> held_;
};

// The names that an engine should know, with what they stand for.
class ModelNames {
 public:
  // Names the present state or, at times, that of `view`.
  void Take(Engine* engine, const std::string& name, const ModelView& view) {
    NORI_ASSERT_OK(engine->CreateNamedSnapshot(name, view.snapshot));
    named_[name] = *view.model;
  }
  void ReleaseOne(Engine* engine, Random* random) {
    const auto it = std::next(
        named_.begin(), static_cast<ptrdiff_t>(random->Uniform(named_.size())));
    NORI_ASSERT_OK(engine->ReleaseNamedSnapshot(it->first));
    named_.erase(it);
  }
  size_t size() const { return named_.size(); }
  // Reads everything as of every name.
  void Check(Engine* engine) const {
    ASSERT_EQ(engine->ListNamedSnapshots().size(), named_.size());
    for (const auto& [name, model] : named_) {
      const auto snapshot = engine->NamedSnapshot(name);
      ASSERT_TRUE(snapshot.ok()) << snapshot.status();
      IterateOptions options;
      options.snapshot = *snapshot;
      ExpectSame(engine->NewIterator(options).get(), model);
    }
  }

 private:
  std::map<std::string, Model> named_;
};

inline void ExpectSameRead(Engine* engine, const ModelView& view,
                           const std::string& key) {
  const auto it = view.model->find(key);
  ASSERT_EQ(GetOr(engine, key, view.snapshot),
            it == view.model->end() ? "<none>" : it->second)
      << key;
}

}  // namespace nori

#endif  // NORI_TESTS_ENGINE_CORE_MODEL_FIXTURE_H_
