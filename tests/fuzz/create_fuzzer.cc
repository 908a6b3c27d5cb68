// The arguments of CREATE VIRTUAL TABLE ... USING nori(...), one a line, and
// behind a NUL the indexes that nori_state has for the table.

#include <algorithm>
#include <string>
#include <vector>

#include "tests/fuzz/fuzz.h"
#include "vtab/index_state.h"
#include "vtab/schema.h"

using namespace nori;  // NOLINT(google-build-using-namespace)

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string text(reinterpret_cast<const char*>(data), size);
  std::string state;
  if (const size_t nul = text.find('\0'); nul != std::string::npos) {
    state = text.substr(nul + 1);
    text.resize(nul);
  }
  std::vector<std::string> arguments;
  for (size_t at = 0; at <= text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    arguments.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  const auto schema = ParseSchema(arguments);
  if (!schema.ok()) {
    FuzzRequire(!schema.status().message().empty(), "an error says what is");
    return 0;
  }
  FuzzRequire(!schema->columns.empty(), "a table has columns");
  Touch(schema->DeclarationSql());
  Touch(schema->RowSql());
  Touch(schema->NativeSql("main", "t"));
  for (const IndexSchema& index : schema->indexes) {
    const auto again = ParseIndex(*schema, IndexSql(*schema, index));
    FuzzRequire(again.ok() && again->columns.size() == index.columns.size(),
                "an index's text makes the index");
  }
  const auto indexes = ParseIndexState(*schema, state);
  if (indexes.ok()) Touch(EncodeIndexState(*schema, *indexes));
  return 0;
}
