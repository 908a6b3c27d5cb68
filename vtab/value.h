// SQL values as the codecs see them.

#ifndef NORI_VTAB_VALUE_H_
#define NORI_VTAB_VALUE_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "vtab/schema.h"

namespace nori {

enum class ValueType : uint8_t { kNull, kInteger, kReal, kText, kBlob };

// A value that does not own its bytes.
struct Value {
  ValueType type = ValueType::kNull;
  int64_t integer = 0;
  double real = 0;         // never NaN: SQLite turns NaN into NULL
  std::string_view bytes;  // text (UTF-8 as given, may hold NUL) or blob

  static Value Null() { return {}; }
  static Value Integer(int64_t v) { return {ValueType::kInteger, v, 0, {}}; }
  static Value Real(double v) { return {ValueType::kReal, 0, v, {}}; }
  static Value Text(std::string_view v) { return {ValueType::kText, 0, 0, v}; }
  static Value Blob(std::string_view v) { return {ValueType::kBlob, 0, 0, v}; }
};

// Applies column affinity exactly as SQLite does on storing (applyAffinity and,
// for REAL columns, integers to reals). `*scratch` owns the bytes of a number
// that became text.
Value ApplyAffinity(const Value& value, Affinity affinity,
                    std::string* scratch);

// SQLite's comparison of storage values (NULL < numbers < TEXT < BLOB), numbers
// compared exactly across INTEGER and REAL.
int CompareValues(const Value& a, const Value& b, Collation collation);

}  // namespace nori

#endif  // NORI_VTAB_VALUE_H_
