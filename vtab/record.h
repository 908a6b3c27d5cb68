// The compact row record: the columns that a row's key does not give back.

#ifndef NORI_VTAB_RECORD_H_
#define NORI_VTAB_RECORD_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "vtab/value.h"

namespace nori {

// Appends the record of `values`. Any column can later be read without decoding
// the others.
void EncodeRecord(absl::Span<const Value> values, std::string* dst);

// Reads records of a fixed number of columns. Reusable without allocation: call
// Reset for each row. Not thread-safe.
class RecordReader {
 public:
  // Parses the header only. kDataLoss if malformed. `record` must outlive reads.
  absl::Status Reset(std::string_view record);
  size_t columns() const;
  // Column i; views point into the record. Out of range gives NULL.
  Value Get(size_t i) const;

 private:
  std::string_view record_;
  std::vector<uint32_t> offsets_;
};

}  // namespace nori

#endif  // NORI_VTAB_RECORD_H_
