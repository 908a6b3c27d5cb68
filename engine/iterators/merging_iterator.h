// K-way merge of entry iterators.

#ifndef NORI_ENGINE_ITERATORS_MERGING_ITERATOR_H_
#define NORI_ENGINE_ITERATORS_MERGING_ITERATOR_H_

#include <memory>
#include <vector>

#include "engine/format/entry_iterator.h"

namespace nori {

// Merges `children`, newest layer first, in both directions. Where two children
// hold the same (user key, sequence), the earlier child's entry comes first.
// Status is the first error of any child: an iterator with an error is not
// Valid, so that no reader takes a partial answer for a whole one.
std::unique_ptr<EntryIterator> NewMergingIterator(
    std::vector<std::unique_ptr<EntryIterator>> children);

}  // namespace nori

#endif  // NORI_ENGINE_ITERATORS_MERGING_ITERATOR_H_
