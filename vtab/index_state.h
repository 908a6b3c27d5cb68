// The indexes that a table has now, as nori_state keeps them once
// nori_create_index or nori_drop_index has changed them.
//
// A record (see record.h): format version, the id of the next index, then for
// each index its id and its definition as text (see IndexSql).

#ifndef NORI_VTAB_INDEX_STATE_H_
#define NORI_VTAB_INDEX_STATE_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "vtab/schema.h"

namespace nori {

struct IndexState {
  uint32_t next_id = 1;
  std::vector<IndexSchema> indexes;
};

// `encoded` empty: the indexes of the table's definition. kDataLoss if it is
// malformed.
absl::StatusOr<IndexState> ParseIndexState(const TableSchema& table,
                                           std::string_view encoded);
std::string EncodeIndexState(const TableSchema& table, const IndexState& state);

}  // namespace nori

#endif  // NORI_VTAB_INDEX_STATE_H_
