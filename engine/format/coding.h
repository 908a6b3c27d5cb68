// Fixed-width and variable-width integers in byte strings. All fixed-width
// integers on disk are little-endian.

#ifndef NORI_ENGINE_FORMAT_CODING_H_
#define NORI_ENGINE_FORMAT_CODING_H_

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "boost/endian/conversion.hpp"

namespace nori {

// Reads a little-endian integer from at least sizeof(T) readable bytes at `p`.
template <typename T>
inline T DecodeFixed(const char* p) {
  T v;
  std::memcpy(&v, p, sizeof(v));
  return boost::endian::little_to_native(v);
}

// Writes `v` little-endian into sizeof(T) writable bytes at `p`.
template <typename T>
inline void EncodeFixed(char* p, T v) {
  v = boost::endian::native_to_little(v);
  std::memcpy(p, &v, sizeof(v));
}

inline void PutFixed32(std::string* dst, uint32_t v) {
  char buf[4];
  EncodeFixed(buf, v);
  dst->append(buf, sizeof(buf));
}

inline void PutFixed64(std::string* dst, uint64_t v) {
  char buf[8];
  EncodeFixed(buf, v);
  dst->append(buf, sizeof(buf));
}

// Longest LEB128 encoding of a 64-bit integer, in bytes.
inline constexpr int kMaxVarintBytes = 10;

// Writes `v` as LEB128 at `p` (at least kMaxVarintBytes writable) and returns
// the first byte after it.
inline char* EncodeVarint(char* p, uint64_t v) {
  while (v >= 0x80) {
    *p++ = static_cast<char>(v | 0x80);
    v >>= 7;
  }
  *p++ = static_cast<char>(v);
  return p;
}

inline void PutVarint(std::string* dst, uint64_t v) {
  char buf[kMaxVarintBytes];
  dst->append(buf, static_cast<size_t>(EncodeVarint(buf, v) - buf));
}

// Parses a LEB128 integer from [p, limit). Returns the first byte after it, or
// nullptr if the input ends inside the integer or it exceeds 64 bits.
inline const char* DecodeVarint(const char* p, const char* limit, uint64_t* v) {
  uint64_t result = 0;
  for (int shift = 0; shift <= 63 && p < limit; shift += 7) {
    const auto byte = static_cast<uint8_t>(*p++);
    if (shift == 63 && byte > 1) return nullptr;
    result |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) {
      *v = result;
      return p;
    }
  }
  return nullptr;
}

// Number of bytes that PutVarint would write for `v`.
inline int VarintLength(uint64_t v) {
  int n = 1;
  while (v >= 0x80) {
    v >>= 7;
    ++n;
  }
  return n;
}

// The Get functions parse from the front of `*input` and advance it. They
// return false, leaving `*input` unspecified, if the input is malformed.
inline bool GetVarint(std::string_view* input, uint64_t* v) {
  const char* p = DecodeVarint(input->data(), input->data() + input->size(), v);
  if (p == nullptr) return false;
  input->remove_prefix(static_cast<size_t>(p - input->data()));
  return true;
}

inline bool GetFixed32(std::string_view* input, uint32_t* v) {
  if (input->size() < 4) return false;
  *v = DecodeFixed<uint32_t>(input->data());
  input->remove_prefix(4);
  return true;
}

inline bool GetFixed64(std::string_view* input, uint64_t* v) {
  if (input->size() < 8) return false;
  *v = DecodeFixed<uint64_t>(input->data());
  input->remove_prefix(8);
  return true;
}

// A byte string preceded by its length as a varint. GetLengthPrefixed returns
// a view into `*input`.
inline void PutLengthPrefixed(std::string* dst, std::string_view s) {
  PutVarint(dst, s.size());
  dst->append(s);
}

inline bool GetLengthPrefixed(std::string_view* input, std::string_view* s) {
  uint64_t n;
  if (!GetVarint(input, &n) || n > input->size()) return false;
  *s = input->substr(0, n);
  input->remove_prefix(n);
  return true;
}

}  // namespace nori

#endif  // NORI_ENGINE_FORMAT_CODING_H_
