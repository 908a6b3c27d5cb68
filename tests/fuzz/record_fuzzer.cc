// Row records.

#include <cmath>
#include <vector>

#include "tests/fuzz/fuzz.h"
#include "vtab/record.h"

using namespace nori;  // NOLINT(google-build-using-namespace)

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const ExactBytes input({reinterpret_cast<const char*>(data), size});
  RecordReader reader;
  if (!reader.Reset(input.view()).ok()) {
    FuzzRequire(reader.columns() == 0, "a malformed record has no columns");
    return 0;
  }
  std::vector<Value> values;
  for (size_t i = 0; i < reader.columns(); ++i) {
    values.push_back(reader.Get(i));
    Touch(values.back().bytes);
  }
  std::string again;
  EncodeRecord(values, &again);
  RecordReader second;
  FuzzRequire(second.Reset(again).ok() && second.columns() == reader.columns(),
              "what was parsed can be written and parsed again");
  for (size_t i = 0; i < values.size(); ++i) {
    if (std::isnan(values[i].real)) continue;
    FuzzRequire(
        CompareValues(values[i], second.Get(i), Collation::kBinary) == 0,
        "a value stays as it is");
  }
  FuzzRequire(reader.Get(values.size()).type == ValueType::kNull,
              "there is nothing behind the last column");
  return 0;
}
