// Order-preserving encoding of SQL values into engine keys.

#ifndef NORI_VTAB_KEY_CODEC_H_
#define NORI_VTAB_KEY_CODEC_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "vtab/value.h"

namespace nori {

// Appends one column: memcmp order of the results equals CompareValues order
// (inverted if descending), and no encoding is a prefix of another, so that
// columns can be concatenated and prefixes searched.
void EncodeKeyColumn(const Value& value, Collation collation, bool descending,
                     std::string* dst);

// Decodes one column from the front of *input. *exact is false if the bytes do
// not determine the value (NOCASE or RTRIM text, numbers whose INTEGER or REAL
// origin is not in them): then the row's record holds it. kDataLoss on
// malformed input. Views point into *scratch or *input.
absl::Status DecodeKeyColumn(std::string_view* input, Collation collation,
                             bool descending, Value* value, bool* exact,
                             std::string* scratch);
// Steps over one column without decoding.
absl::Status SkipKeyColumn(std::string_view* input, bool descending);

// Whether the encoding of `value` gives the value back exactly.
bool KeyEncodingIsExact(const Value& value, Collation collation);

// Prefix of all keys of an index of a table: table id and index id, both
// order-preserving and self-delimiting. Index 0 is the table itself.
void EncodeIndexPrefix(uint64_t table_id, uint32_t index_id, std::string* dst);
// A rowid as key column, 8 bytes or fewer, order-preserving.
void EncodeRowid(int64_t rowid, std::string* dst);
bool DecodeRowid(std::string_view* input, int64_t* rowid);

// The smallest byte string greater than every string that starts with
// `prefix`; empty if there is none (all 0xff).
std::string PrefixSuccessor(std::string_view prefix);

}  // namespace nori

#endif  // NORI_VTAB_KEY_CODEC_H_
