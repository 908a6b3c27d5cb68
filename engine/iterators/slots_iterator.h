// Iterator over all slots of a version.

#ifndef NORI_ENGINE_ITERATORS_SLOTS_ITERATOR_H_
#define NORI_ENGINE_ITERATORS_SLOTS_ITERATOR_H_

#include <memory>

#include "engine/format/entry_iterator.h"
#include "engine/slots/version.h"

namespace nori {

// Walks the slots that `bounds` touches one after the other, each as a merge of
// its runs, opened when the walk reaches it. `version` must outlive the
// iterator. `bounds` only chooses slots: entries of the first and last slot may
// lie outside.
std::unique_ptr<EntryIterator> NewSlotsIterator(
    const Version* version, const KeyRange& bounds,
    const TableIterOptions& options);

}  // namespace nori

#endif  // NORI_ENGINE_ITERATORS_SLOTS_ITERATOR_H_
