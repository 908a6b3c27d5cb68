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
// columns can be concatenated and prefixes searched. Values that compare equal
// (1 and 1.0, 'a' and 'A' under NOCASE) encode alike. Ascending numbers that
// are integers take 1 byte from -47 to 47, 2 to 127, 3 to 32767, ..., 9 at
// most; reals 9 to 16; text and blobs their length and 2, and 1 more for each
// byte 0 or 1 in them. Undefined for a NaN, which is no SQL value.
void EncodeKeyColumn(const Value& value, Collation collation, bool descending,
                     std::string* dst);

// Whether decoding the encoding of `value` gives `value` back: false for a REAL
// that equals an INTEGER, for text that the collation folds or strips, and for
// text that holds a NUL under NOCASE. Of the values that encode alike exactly
// one is exact.
//
// So a row's record keeps a key column only if this is false for it, and NULL
// in its place otherwise; the reader takes the record's value unless it is
// NULL, then the decoded one.
bool KeyEncodingIsExact(const Value& value, Collation collation);

// Decodes one column from the front of *input and advances it. *exact is false
// if other values have the same encoding (an integer may have been a REAL, text
// under NOCASE or RTRIM may have been any of its class): *value is then the one
// for which KeyEncodingIsExact holds, and the row's record has the other one if
// it was that (see there); NOCASE text is cut at a NUL. kDataLoss on malformed
// input: bytes that EncodeKeyColumn would not write. Views point into *scratch,
// which is overwritten, or into *input's bytes.
absl::Status DecodeKeyColumn(std::string_view* input, Collation collation,
                             bool descending, Value* value, bool* exact,
                             std::string* scratch);
// Steps over one column without decoding. kDataLoss if *input does not begin
// with a whole column; its bytes are not checked further.
absl::Status SkipKeyColumn(std::string_view* input, bool descending);

// How many bytes of `column`, an encoded column and whatever follows it, are
// enough to tell that no text that begins so is a number, blanks around it
// aside; 0: it may be one, or that is not known before its end.
size_t NoNumberPrefix(std::string_view column, bool descending);

// Appends the prefix of all keys of an index of a table: table id and index id,
// both order-preserving and self-delimiting (1 byte each up to 47). Index 0 is
// the table itself. The first byte is 0x80 or more: smaller ones are free for
// keys that belong to no table.
void EncodeIndexPrefix(uint64_t table_id, uint32_t index_id, std::string* dst);
// Appends the prefix of all keys of all indexes of a table.
void EncodeTablePrefix(uint64_t table_id, std::string* dst);
// Parses what EncodeIndexPrefix wrote from the front of *input and advances it.
// False, with *input unspecified, on malformed input.
bool DecodeIndexPrefix(std::string_view* input, uint64_t* table_id,
                       uint32_t* index_id);
// Appends a rowid as the only key column: the encoding of an ascending INTEGER,
// 9 bytes or fewer.
void EncodeRowid(int64_t rowid, std::string* dst);
// Parses a rowid from the front of *input and advances it. False, with *input
// unspecified, on malformed input.
bool DecodeRowid(std::string_view* input, int64_t* rowid);

// The smallest byte string greater than every string that starts with
// `prefix`; empty if there is none (all 0xff).
std::string PrefixSuccessor(std::string_view prefix);

}  // namespace nori

#endif  // NORI_VTAB_KEY_CODEC_H_
