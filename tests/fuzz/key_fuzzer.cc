// Key columns. Byte 0: bits 0 and 1 say what the rest is taken for (0 columns,
// 1 an index's prefix, 2 a rowid), bit 2 descending, bits 3 and 4 the
// collation.

#include "tests/fuzz/fuzz.h"
#include "vtab/key_codec.h"

using namespace nori;  // NOLINT(google-build-using-namespace)

namespace {

void ReadColumns(std::string_view bytes, Collation collation, bool descending) {
  std::string scratch;
  while (!bytes.empty()) {
    const std::string_view before = bytes;
    Value value;
    bool exact = false;
    std::string_view skipped = bytes;
    const bool skips = SkipKeyColumn(&skipped, descending).ok();
    static_cast<void>(NoNumberPrefix(bytes, descending));
    if (!DecodeKeyColumn(&bytes, collation, descending, &value, &exact,
                         &scratch)
             .ok()) {
      return;
    }
    FuzzRequire(skips && skipped.size() == bytes.size(),
                "a column that is decoded is skipped alike");
    Touch(value.bytes);
    // What stands behind a NUL is not given back.
    if (value.type == ValueType::kText && collation == Collation::kNocase) {
      continue;
    }
    std::string again;
    EncodeKeyColumn(value, collation, descending, &again);
    FuzzRequire(again == before.substr(0, before.size() - bytes.size()),
                "only what the encoder writes is decoded");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const ExactBytes input({reinterpret_cast<const char*>(data) + 1, size - 1});
  std::string_view bytes = input.view();
  const uint8_t flags = data[0];
  std::string again;
  if ((flags & 3) == 0) {
    ReadColumns(bytes, static_cast<Collation>((flags >> 3 & 3) % 3),
                (flags & 4) != 0);
  } else if ((flags & 3) == 1) {
    uint64_t table = 0;
    uint32_t index = 0;
    if (!DecodeIndexPrefix(&bytes, &table, &index)) return 0;
    EncodeIndexPrefix(table, index, &again);
    FuzzRequire(input.view().starts_with(again),
                "a prefix is written in one way");
  } else {
    int64_t rowid = 0;
    if (!DecodeRowid(&bytes, &rowid)) return 0;
    EncodeRowid(rowid, &again);
    FuzzRequire(input.view().starts_with(again),
                "a rowid is written in one way");
  }
  return 0;
}
