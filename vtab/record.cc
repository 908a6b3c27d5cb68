#include "vtab/record.h"

#include <bit>
#include <cmath>
#include <cstring>

#include "engine/format/coding.h"

// Format: the number of columns, a type code for each, both varints, then the
// bytes of the columns in order. The codes are
//
//   0        NULL
//   1..8     integer in so many little-endian bytes, two's complement
//   9        real, eight little-endian bytes
//   10, 11   the integers 0 and 1
//   12 + 2n  blob of n bytes
//   13 + 2n  text of n bytes

namespace nori {
namespace {

constexpr uint64_t kNull = 0;
constexpr uint64_t kMaxInteger = 8;
constexpr uint64_t kReal = 9;
constexpr uint64_t kZero = 10;
constexpr uint64_t kOne = 11;
constexpr uint64_t kBytes = 12;

uint64_t TypeOfInteger(int64_t integer) {
  if (integer == 0) return kZero;
  if (integer == 1) return kOne;
  // The bits that differ from the sign, and the sign.
  const auto bits = static_cast<uint64_t>(integer ^ (integer >> 63));
  return static_cast<uint64_t>(std::bit_width(bits) + 8) / 8;
}

uint64_t TypeOf(const Value& value) {
  switch (value.type) {
    case ValueType::kNull:
      return kNull;
    case ValueType::kInteger:
      return TypeOfInteger(value.integer);
    case ValueType::kReal:
      return kReal;
    case ValueType::kBlob:
      return kBytes + 2 * uint64_t{value.bytes.size()};
    case ValueType::kText:
      return kBytes + 2 * uint64_t{value.bytes.size()} + 1;
  }
  return kNull;
}

uint64_t SizeOf(uint64_t type) {
  if (type >= kBytes) return (type - kBytes) / 2;
  if (type >= kZero) return 0;
  return type == kReal ? 8 : type;
}

void AppendColumn(const Value& value, std::string* dst) {
  switch (value.type) {
    case ValueType::kNull:
      return;
    case ValueType::kInteger: {
      char buffer[8];
      EncodeFixed(buffer, static_cast<uint64_t>(value.integer));
      dst->append(buffer, SizeOf(TypeOfInteger(value.integer)));
      return;
    }
    case ValueType::kReal:
      PutFixed64(dst, std::bit_cast<uint64_t>(value.real));
      return;
    case ValueType::kText:
    case ValueType::kBlob:
      dst->append(value.bytes);
      return;
  }
}

// `size` bytes, 1 to 8, sign-extended.
int64_t LoadInteger(const char* p, uint64_t size) {
  uint64_t bits = 0;
  for (uint64_t i = size; i-- > 0;) {
    bits = bits << 8 | static_cast<uint8_t>(p[i]);
  }
  const auto unused = 64 - 8 * size;
  return static_cast<int64_t>(bits << unused) >> unused;
}

}  // namespace

void EncodeRecord(absl::Span<const Value> values, std::string* dst) {
  PutVarint(dst, values.size());
  for (const Value& value : values) PutVarint(dst, TypeOf(value));
  for (const Value& value : values) AppendColumn(value, dst);
}

absl::Status RecordReader::Reset(std::string_view record) {
  record_ = record;
  fields_.clear();
  const char* p = record.data();
  const char* const limit = p + record.size();
  uint64_t count = 0;
  if (p != nullptr) p = DecodeVarint(p, limit, &count);
  // Every column takes a byte of the header at least.
  bool ok = p != nullptr && count <= static_cast<uint64_t>(limit - p);
  uint64_t offset = 0;  // from the end of the header, which is not known yet
  if (ok) fields_.resize(count);
  for (uint64_t i = 0; ok && i < count; ++i) {
    uint64_t type = 0;
    if (p < limit && static_cast<uint8_t>(*p) < 0x80) {
      type = static_cast<uint8_t>(*p++);
    } else {
      p = DecodeVarint(p, limit, &type);
    }
    fields_[i] = {type, offset};
    offset += SizeOf(type);
    ok = p != nullptr && offset <= record.size();
  }
  if (!ok || offset != static_cast<uint64_t>(limit - p)) {
    fields_.clear();
    return absl::DataLossError("malformed record");
  }
  const auto header = static_cast<uint64_t>(p - record.data());
  for (Field& field : fields_) field.offset += header;
  return absl::OkStatus();
}

void RecordReader::Read(size_t i, Value* value) const {
  const uint64_t type = i < fields_.size() ? fields_[i].type : kNull;
  if (type == kNull) {
    *value = Value::Null();
    return;
  }
  const char* const p = record_.data() + fields_[i].offset;
  if (type >= kBytes) {
    value->type = (type & 1) != 0 ? ValueType::kText : ValueType::kBlob;
    value->bytes = {p, SizeOf(type)};
  } else if (type != kReal) {
    value->type = ValueType::kInteger;
    value->integer =
        type > kMaxInteger ? (type == kOne ? 1 : 0) : LoadInteger(p, type);
  } else {
    value->real = std::bit_cast<double>(DecodeFixed<uint64_t>(p));
    value->type = std::isnan(value->real) ? ValueType::kNull : ValueType::kReal;
  }
}

}  // namespace nori
