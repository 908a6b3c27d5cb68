// Iterator over one sorted run.

#ifndef NORI_ENGINE_ITERATORS_RUN_ITERATOR_H_
#define NORI_ENGINE_ITERATORS_RUN_ITERATOR_H_

#include <memory>

#include "engine/format/entry_iterator.h"
#include "engine/slots/version.h"

namespace nori {

// Walks the slices of `run` one after the other, each clipped to its range.
// Opens a table's iterator only when the walk reaches it. `run` must outlive
// the iterator.
std::unique_ptr<EntryIterator> NewRunIterator(const Run* run,
                                              const TableIterOptions& options);
// As above, of a run that is made for it, as those of L0 are.
std::unique_ptr<EntryIterator> NewRunIterator(Run run,
                                              const TableIterOptions& options);

}  // namespace nori

#endif  // NORI_ENGINE_ITERATORS_RUN_ITERATOR_H_
