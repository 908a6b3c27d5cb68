#include "vtab/key_codec.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cmath>
#include <cstring>
#include <limits>

#include "absl/strings/ascii.h"
#include "boost/endian/conversion.hpp"
#include "engine/format/status_macros.h"
#include "vtab/text.h"

// Encoding. The first byte tells the class:
//
//   0x05         NULL
//   0x17..0x7e   a negative number: all bytes of its magnitude's, inverted
//   0x80..0xe8   a number of zero or more
//   0xf0, 0xf4   text, blob
//
// A number of magnitude m below 2^55 is m doubled, plus one if a fraction
// follows: in the first byte itself up to 95, else in 1 to 7 big-endian bytes.
// (No double of 2^53 or more has a fraction.) The fraction is the eight bytes
// of a double between 0 and 1, whose bits order as the numbers do. Larger
// magnitudes below 2^64 take eight bytes, reals beyond the bits of the double.
//
// Text and blobs end in a zero byte; bytes 0 and 1 in them become 01 01 and
// 01 02. A descending column has all its bytes inverted.

namespace nori {
namespace {

constexpr uint8_t kNull = 0x05;
constexpr uint8_t kZero = 0x80;
constexpr uint8_t kMaxInline = 95;
constexpr uint8_t kOneByte = 0xe0;  // .. 0xe6: seven bytes
constexpr uint8_t kEightBytes = 0xe7;
constexpr uint8_t kHugeReal = 0xe8;
constexpr uint8_t kText = 0xf0;
constexpr uint8_t kBlob = 0xf4;

constexpr char kTerminator = 0;
constexpr char kEscape = 1;

constexpr uint64_t kDoubledLimit = uint64_t{1} << 55;
constexpr uint64_t kTwoTo63 = uint64_t{1} << 63;
constexpr double kTwoTo63Real = 9223372036854775808.0;

// First byte, up to 7 bytes of magnitude and 8 of fraction.
constexpr size_t kMaxNumberBytes = 16;
constexpr size_t kNulLengthBytes = 8;

uint8_t Byte(char c) { return static_cast<uint8_t>(c); }

void StoreBig(char* p, uint64_t v) {
  v = boost::endian::native_to_big(v);
  std::memcpy(p, &v, sizeof(v));
}

uint64_t LoadBig(const char* p) {
  uint64_t v;
  std::memcpy(&v, p, sizeof(v));
  return boost::endian::big_to_native(v);
}

// All ones if `invert`.
uint64_t Mask(bool invert) { return invert ? ~uint64_t{0} : 0; }

absl::Status Malformed() { return absl::DataLossError("malformed key column"); }

// --- Numbers ---

// Appends buffer[0..n), inverted or not; the buffer is used up.
void AppendNumber(char (&buffer)[kMaxNumberBytes], size_t n, bool invert,
                  std::string* dst) {
  const uint64_t mask = Mask(invert);
  for (size_t i = 0; i < kMaxNumberBytes; i += 8) {
    uint64_t word;
    std::memcpy(&word, buffer + i, sizeof(word));
    word ^= mask;
    std::memcpy(buffer + i, &word, sizeof(word));
  }
  dst->append(buffer, n);
}

// Writes a magnitude below 2^55 and whether a fraction follows; the length.
size_t PutDoubled(uint64_t magnitude, bool has_fraction, char* p) {
  const uint64_t doubled = magnitude * 2 + (has_fraction ? 1 : 0);
  if (doubled <= kMaxInline) {
    p[0] = static_cast<char>(kZero + doubled);
    return 1;
  }
  const int length = (std::bit_width(doubled) + 7) / 8;
  p[0] = static_cast<char>(kOneByte - 1 + length);
  StoreBig(p + 1, doubled << (64 - 8 * length));
  return 1 + static_cast<size_t>(length);
}

void EncodeMagnitude(uint64_t magnitude, bool invert, std::string* dst) {
  char buffer[kMaxNumberBytes] = {};
  size_t n;
  if (magnitude < kDoubledLimit) {
    n = PutDoubled(magnitude, false, buffer);
  } else {
    buffer[0] = static_cast<char>(kEightBytes);
    StoreBig(buffer + 1, magnitude);
    n = 9;
  }
  AppendNumber(buffer, n, invert, dst);
}

void EncodeInteger(int64_t integer, bool descending, std::string* dst) {
  const bool is_negative = integer < 0;
  const auto bits = static_cast<uint64_t>(integer);
  EncodeMagnitude(is_negative ? 0 - bits : bits, is_negative != descending,
                  dst);
}

void EncodeReal(double real, bool descending, std::string* dst) {
  assert(!std::isnan(real));
  // Of the two zeros only one may have a sign in its encoding.
  const bool invert = (real < 0) != descending;
  const double absolute = std::abs(real);
  char buffer[kMaxNumberBytes] = {};
  if (absolute > kTwoTo63Real || real == kTwoTo63Real) {
    buffer[0] = static_cast<char>(kHugeReal);
    StoreBig(buffer + 1, std::bit_cast<uint64_t>(absolute));
    AppendNumber(buffer, 9, invert, dst);
    return;
  }
  const auto whole = static_cast<uint64_t>(absolute);
  const double fraction = absolute - static_cast<double>(whole);
  if (fraction == 0) return EncodeMagnitude(whole, invert, dst);
  const size_t n = PutDoubled(whole, true, buffer);
  StoreBig(buffer + n, std::bit_cast<uint64_t>(fraction));
  AppendNumber(buffer, n + 8, invert, dst);
}

// Where the parts of an encoded number are.
struct NumberShape {
  uint8_t first = 0;  // as of the magnitude, ascending
  uint64_t mask = 0;  // to undo the inversion
  bool is_negative = false;
  uint64_t payload = 0;  // the bytes after the first, without a fraction
  size_t size = 0;       // of the whole encoding
};

bool ParseNumberShape(std::string_view input, bool descending,
                      NumberShape* shape) {
  const uint8_t sorted =
      static_cast<uint8_t>(Byte(input[0]) ^ Mask(descending));
  shape->is_negative = sorted < kZero;
  shape->mask = Mask(shape->is_negative != descending);
  shape->first = static_cast<uint8_t>(Byte(input[0]) ^ shape->mask);
  if (shape->first > kHugeReal) return false;
  if (shape->first < kOneByte) {
    shape->payload = shape->first - kZero;
    shape->size = 1;
  } else {
    const size_t length =
        std::min<size_t>(8, size_t{shape->first} - kOneByte + 1);
    shape->size = 1 + length;
    if (input.size() < shape->size) return false;
    char bytes[8] = {};
    std::memcpy(bytes, input.data() + 1, length);
    shape->payload = (LoadBig(bytes) ^ shape->mask) >> (64 - 8 * length);
  }
  if (shape->first < kEightBytes && (shape->payload & 1) != 0) shape->size += 8;
  return input.size() >= shape->size;
}

// Whether the payload could not have been written shorter.
bool IsMinimal(const NumberShape& shape) {
  if (shape.first < kOneByte) return true;
  if (shape.first == kOneByte) return shape.payload > kMaxInline;
  if (shape.first == kEightBytes) return shape.payload >= kDoubledLimit;
  return shape.payload >> (8 * (shape.first - kOneByte)) != 0;
}

bool DecodeHugeReal(const NumberShape& shape, Value* value, bool* exact) {
  const auto absolute = std::bit_cast<double>(shape.payload);
  // Minus 2^63 is an integer; a NaN fails every comparison.
  if (!(absolute > kTwoTo63Real ||
        (absolute == kTwoTo63Real && !shape.is_negative))) {
    return false;
  }
  *value = Value::Real(shape.is_negative ? -absolute : absolute);
  *exact = true;
  return true;
}

bool DecodeFraction(const NumberShape& shape, std::string_view input,
                    Value* value, bool* exact) {
  const auto fraction = std::bit_cast<double>(
      LoadBig(input.data() + shape.size - 8) ^ shape.mask);
  const uint64_t integer = shape.payload / 2;
  const auto whole = static_cast<double>(integer);
  const double absolute = whole + fraction;
  if (!(fraction > 0 && fraction < 1) || absolute - whole != fraction ||
      absolute - std::trunc(absolute) != fraction) {
    return false;
  }
  *value = Value::Real(shape.is_negative ? -absolute : absolute);
  *exact = true;
  return true;
}

// Reads the magnitude of a number without a fraction.
bool WholeMagnitude(const NumberShape& shape, uint64_t* magnitude) {
  if (shape.first >= kHugeReal || !IsMinimal(shape)) return false;
  *magnitude = shape.payload;
  if (shape.first == kEightBytes) return true;
  *magnitude /= 2;
  return (shape.payload & 1) == 0;
}

bool DecodeNumber(std::string_view* input, bool descending, Value* value,
                  bool* exact) {
  NumberShape shape;
  if (!ParseNumberShape(*input, descending, &shape)) return false;
  const std::string_view whole_input = *input;
  input->remove_prefix(shape.size);
  if (shape.first == kHugeReal) return DecodeHugeReal(shape, value, exact);
  uint64_t magnitude;
  if (!WholeMagnitude(shape, &magnitude)) {
    return IsMinimal(shape) && DecodeFraction(shape, whole_input, value, exact);
  }
  if (magnitude > kTwoTo63 - (shape.is_negative ? 0 : 1)) return false;
  if (shape.is_negative && magnitude == 0) return false;
  *value = Value::Integer(
      static_cast<int64_t>(shape.is_negative ? 0 - magnitude : magnitude));
  *exact = false;
  return true;
}

// An id of EncodeIndexPrefix.
bool DecodeId(std::string_view* input, uint64_t* id) {
  NumberShape shape;
  if (input->empty() || !ParseNumberShape(*input, false, &shape) ||
      shape.is_negative || !WholeMagnitude(shape, id)) {
    return false;
  }
  input->remove_prefix(shape.size);
  return true;
}

// --- Text and blobs ---

// Whether a byte 0 or 1 is in `bytes`.
bool NeedsEscape(std::string_view bytes) {
  constexpr uint64_t kOnes = 0x0101010101010101;
  const char* p = bytes.data();
  const char* const end = p + bytes.size();
  for (; end - p >= 8; p += 8) {
    uint64_t word;
    std::memcpy(&word, p, sizeof(word));
    // With the low bits gone both are zero bytes.
    word &= ~kOnes;
    if (((word - kOnes) & ~word & (kOnes << 7)) != 0) return true;
  }
  for (; p != end; ++p) {
    if (Byte(*p) <= 1) return true;
  }
  return false;
}

// Copies without a branch per byte: which bytes of a binary key are escaped is
// hard to predict in lookups in random order.
void AppendEscaped(std::string_view bytes, std::string* dst) {
  const size_t begin = dst->size();
  dst->resize(begin + 2 * bytes.size());
  char* out = dst->data() + begin;
  for (const char c : bytes) {
    const auto escaped = static_cast<unsigned>(Byte(c) <= 1);
    out[0] = kEscape;
    out[escaped] = static_cast<char>(Byte(c) + escaped);
    out += 1 + escaped;
  }
  dst->resize(static_cast<size_t>(out - dst->data()));
}

// Undoes AppendEscaped; false if `bytes` is no result of it. With branches:
// where a byte comes from depends on all before it, which takes longer than a
// branch that, in a scan, goes as in the row before.
bool Unescape(std::string_view bytes, std::string* dst) {
  dst->resize(bytes.size());
  char* out = dst->data();
  const char* in = bytes.data();
  const char* const end = in + bytes.size();
  while (in < end) {
    char c = *in++;
    if (c == kEscape) {
      if (in == end) return false;
      c = static_cast<char>(*in++ - 1);
      if (Byte(c) > 1) return false;
    }
    *out++ = c;
  }
  dst->resize(static_cast<size_t>(out - dst->data()));
  return true;
}

void Invert(char* p, size_t n) {
  for (size_t i = 0; i < n; ++i) p[i] = static_cast<char>(~p[i]);
}

// ASCII upper case to lower case, without branches so that it vectorizes.
void Fold(char* p, size_t n) {
  for (size_t i = 0; i < n; ++i) {
    const bool is_upper = static_cast<uint8_t>(Byte(p[i]) - 'A') < 26;
    p[i] = static_cast<char>(p[i] | (is_upper ? 0x20 : 0));
  }
}

std::string_view WithoutTrailingSpaces(std::string_view text) {
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

// Under NOCASE the comparison ends at a NUL in both texts and the lengths
// decide: what follows the NUL is the length.
std::string NocaseClassWithNul(std::string_view text, size_t nul) {
  std::string folded(text.substr(0, nul + 1));
  Fold(folded.data(), nul);
  char length[kNulLengthBytes];
  StoreBig(length, text.size());
  folded.append(length, sizeof(length));
  return folded;
}

void EncodeBytes(uint8_t tag, std::string_view bytes, bool fold,
                 bool descending, std::string* dst) {
  const size_t begin = dst->size();
  dst->push_back(static_cast<char>(tag));
  if (!NeedsEscape(bytes)) [[likely]] {
    dst->append(bytes);
    if (fold) Fold(dst->data() + begin + 1, bytes.size());
  } else if (const size_t nul = fold ? bytes.find('\0') : std::string::npos;
             nul != std::string::npos) {
    AppendEscaped(NocaseClassWithNul(bytes, nul), dst);
  } else {
    AppendEscaped(bytes, dst);
    if (fold) Fold(dst->data() + begin + 1, dst->size() - begin - 1);
  }
  dst->push_back(kTerminator);
  if (descending) Invert(dst->data() + begin, dst->size() - begin);
}

// Whether `text` is a folded or stripped one, and cuts it at a NUL under
// NOCASE.
bool CheckCollated(Collation collation, std::string_view* text) {
  if (collation == Collation::kRtrim) {
    return text->empty() || text->back() != ' ';
  }
  if (collation == Collation::kBinary) return true;
  const size_t nul = text->find('\0');
  if (nul != std::string_view::npos) {
    if (text->size() != nul + 1 + kNulLengthBytes ||
        LoadBig(text->data() + nul + 1) <= nul) {
      return false;
    }
    *text = text->substr(0, nul);
  }
  return std::none_of(text->begin(), text->end(),
                      [](char c) { return c != ToLowerAscii(c); });
}

// Decodes the bytes after the tag up to the terminator.
bool DecodeBytes(std::string_view* input, bool descending,
                 std::string_view* bytes, std::string* scratch) {
  const char terminator =
      descending ? static_cast<char>(~kTerminator) : kTerminator;
  const size_t n = input->find(terminator);
  if (n == std::string_view::npos) return false;
  *bytes = input->substr(0, n);
  input->remove_prefix(n + 1);
  const char escape = descending ? static_cast<char>(~kEscape) : kEscape;
  const bool is_escaped = bytes->find(escape) != std::string_view::npos;
  if (!descending && !is_escaped) return true;
  std::string inverted;
  if (descending) {
    scratch->assign(*bytes);
    Invert(scratch->data(), scratch->size());
    if (is_escaped) inverted.swap(*scratch);
    *bytes = is_escaped ? inverted : *scratch;
  }
  if (!is_escaped) return true;
  if (!Unescape(*bytes, scratch)) return false;
  *bytes = *scratch;
  return true;
}

// The first byte of an encoding as it is ascending.
uint8_t SortedTag(std::string_view input, bool descending) {
  return static_cast<uint8_t>(Byte(input[0]) ^ Mask(descending));
}

}  // namespace

void EncodeKeyColumn(const Value& value, Collation collation, bool descending,
                     std::string* dst) {
  switch (value.type) {
    case ValueType::kNull:
      dst->push_back(static_cast<char>(kNull ^ Mask(descending)));
      return;
    case ValueType::kInteger:
      return EncodeInteger(value.integer, descending, dst);
    case ValueType::kReal:
      return EncodeReal(value.real, descending, dst);
    case ValueType::kText:
      return EncodeBytes(kText,
                         collation == Collation::kRtrim
                             ? WithoutTrailingSpaces(value.bytes)
                             : value.bytes,
                         collation == Collation::kNocase, descending, dst);
    case ValueType::kBlob:
      return EncodeBytes(kBlob, value.bytes, false, descending, dst);
  }
}

bool KeyEncodingIsExact(const Value& value, Collation collation) {
  if (value.type == ValueType::kReal) {
    if (value.real < -kTwoTo63Real || value.real >= kTwoTo63Real) return true;
    return value.real != std::trunc(value.real);
  }
  if (value.type != ValueType::kText) return true;
  switch (collation) {
    case Collation::kBinary:
      return true;
    case Collation::kNocase:
      return std::none_of(value.bytes.begin(), value.bytes.end(), [](char c) {
        return c == '\0' || c != ToLowerAscii(c);
      });
    case Collation::kRtrim:
      return value.bytes.empty() || value.bytes.back() != ' ';
  }
  return false;
}

absl::Status DecodeKeyColumn(std::string_view* input, Collation collation,
                             bool descending, Value* value, bool* exact,
                             std::string* scratch) {
  if (input->empty()) return Malformed();
  const uint8_t tag = SortedTag(*input, descending);
  if (tag != kText && tag != kBlob && tag != kNull) {
    if (!DecodeNumber(input, descending, value, exact)) return Malformed();
    return absl::OkStatus();
  }
  input->remove_prefix(1);
  *exact = true;
  if (tag == kNull) {
    *value = Value::Null();
    return absl::OkStatus();
  }
  std::string_view bytes;
  if (!DecodeBytes(input, descending, &bytes, scratch)) return Malformed();
  if (tag == kBlob) {
    *value = Value::Blob(bytes);
    return absl::OkStatus();
  }
  if (!CheckCollated(collation, &bytes)) return Malformed();
  *exact = collation == Collation::kBinary;
  *value = Value::Text(bytes);
  return absl::OkStatus();
}

absl::Status SkipKeyColumn(std::string_view* input, bool descending) {
  if (input->empty()) return Malformed();
  const uint8_t tag = SortedTag(*input, descending);
  size_t size = 1;
  if (tag == kText || tag == kBlob) {
    const size_t end =
        input->find(descending ? static_cast<char>(~kTerminator) : kTerminator);
    if (end == std::string_view::npos) return Malformed();
    size = end + 1;
  } else if (tag != kNull) {
    NumberShape shape;
    if (!ParseNumberShape(*input, descending, &shape)) return Malformed();
    size = shape.size;
  }
  input->remove_prefix(size);
  return absl::OkStatus();
}

size_t NoNumberPrefix(std::string_view column, bool descending) {
  const char mask = descending ? '\xff' : '\0';
  const auto at = [&](size_t i) {
    return i < column.size() ? static_cast<char>(column[i] ^ mask)
                             : kTerminator;
  };
  if (Byte(at(0)) != kText) return 0;
  size_t i = 1;
  const auto pass = [&](auto is_one) {
    while (is_one(at(i))) ++i;
  };
  const auto is_blank = [](char c) { return absl::ascii_isspace(Byte(c)); };
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  const auto pass_sign = [&] {
    if (at(i) == '+' || at(i) == '-') ++i;
  };
  pass(is_blank);
  pass_sign();
  pass(is_digit);
  if (at(i) == '.') ++i;
  pass(is_digit);
  if (at(i) == 'e' || at(i) == 'E') {
    ++i;
    pass_sign();
    pass(is_digit);
  }
  pass(is_blank);
  // An escaped byte is told by its second.
  return Byte(at(i)) <= 1 ? 0 : i + 1;
}

void EncodeIndexPrefix(uint64_t table_id, uint32_t index_id, std::string* dst) {
  EncodeMagnitude(table_id, false, dst);
  EncodeMagnitude(index_id, false, dst);
}

void EncodeTablePrefix(uint64_t table_id, std::string* dst) {
  EncodeMagnitude(table_id, false, dst);
}

bool DecodeIndexPrefix(std::string_view* input, uint64_t* table_id,
                       uint32_t* index_id) {
  uint64_t index;
  if (!DecodeId(input, table_id) || !DecodeId(input, &index) ||
      index > std::numeric_limits<uint32_t>::max()) {
    return false;
  }
  *index_id = static_cast<uint32_t>(index);
  return true;
}

void EncodeRowid(int64_t rowid, std::string* dst) {
  EncodeInteger(rowid, false, dst);
}

bool DecodeRowid(std::string_view* input, int64_t* rowid) {
  if (input->empty()) return false;
  Value value;
  bool exact;
  if (!DecodeNumber(input, false, &value, &exact) ||
      value.type != ValueType::kInteger) {
    return false;
  }
  *rowid = value.integer;
  return true;
}

std::string PrefixSuccessor(std::string_view prefix) {
  std::string successor(prefix);
  while (!successor.empty() && Byte(successor.back()) == 0xff) {
    successor.pop_back();
  }
  if (!successor.empty()) ++successor.back();
  return successor;
}

}  // namespace nori
