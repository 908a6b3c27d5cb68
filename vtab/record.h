// The compact row record: the columns that a row's key does not give back.

#ifndef NORI_VTAB_RECORD_H_
#define NORI_VTAB_RECORD_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "vtab/value.h"

namespace nori {

// Appends the record of `values`. Any column can later be read without decoding
// the others. A NULL takes 1 byte, as do 0 and 1; other integers 2 to 9, by
// magnitude; reals 9; text and blobs their length and 1 to 5.
void EncodeRecord(absl::Span<const Value> values, std::string* dst);

// Reads records. Reusable without allocation: call Reset for each row. Not
// thread-safe.
class RecordReader {
 public:
  // Parses the header only. `record` must outlive reads. kDataLoss if
  // malformed; the reader then has no columns.
  absl::Status Reset(std::string_view record);
  // Number of columns in the record.
  size_t columns() const { return fields_.size(); }
  // Column i; views point into the record. Out of range gives NULL.
  Value Get(size_t i) const {
    Value value;
    Read(i, &value);
    return value;
  }
  // As Get, written in place: a copy of what was just written waits for it.
  void Read(size_t i, Value* value) const;

 private:
  struct Field {
    uint64_t type;    // code of type and length, see record.cc
    uint64_t offset;  // of its bytes in record_
  };

  std::string_view record_;
  std::vector<Field> fields_;
};

}  // namespace nori

#endif  // NORI_VTAB_RECORD_H_
