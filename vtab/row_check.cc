#include "vtab/row_check.h"

#include <memory>
#include <string>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "engine/format/absl_view.h"
#include "engine/format/status_macros.h"
#include "vtab/key_codec.h"

namespace nori {
namespace {

constexpr uint64_t kRowsPerQuestion = 4096;

// Checks rows one after the other.
class RowChecker {
 public:
  explicit RowChecker(const RowLayout& layout)
      : layout_(layout),
        row_(&layout),
        values_(layout.schema.columns.size()),
        bytes_(layout.schema.columns.size()) {}

  absl::Status Check(std::string_view key, std::string_view value) {
    NORI_RETURN_IF_ERROR(row_.Reset(key, value));
    const TableSchema& schema = layout_.schema;
    for (size_t i = 0; i < values_.size(); ++i) {
      NORI_RETURN_IF_ERROR(row_.Column(static_cast<int>(i), &values_[i]));
      // Views of key columns end with the next one.
      bytes_[i].assign(values_[i].bytes);
      values_[i].bytes = bytes_[i];
      if (schema.columns[i].not_null && values_[i].type == ValueType::kNull) {
        return absl::DataLossError(
            absl::StrCat("NULL in ", schema.columns[i].name));
      }
    }
    again_.clear();
    if (schema.identity == RowIdentity::kKey) {
      layout_.AppendKey(values_, &again_);
    } else {
      NORI_ASSIGN_OR_RETURN(const int64_t rowid, row_.Rowid());
      EncodeRowid(rowid, &again_);
    }
    if (again_ == row_.key()) return absl::OkStatus();
    return absl::DataLossError("the key does not fit the columns");
  }

 private:
  const RowLayout& layout_;
  RowView row_;
  std::vector<Value> values_;
  std::vector<std::string> bytes_;
  std::string again_;
};

}  // namespace

absl::Status CheckRows(VirtualTable* table, const Engine::GoOn& go_on) {
  Database& database = *table->database;
  IterateOptions options;
  NORI_ASSIGN_OR_RETURN(options.snapshot, database.AcquireView());
  const auto release = absl::MakeCleanup([&] { database.ReleaseView(); });
  options.bounds = {table->layout.prefix, table->layout.prefix_end};
  options.fill_cache = false;
  const std::unique_ptr<Iterator> it =
      database.transaction() != nullptr
          ? database.transaction()->NewIterator(options)
          : database.engine()->NewIterator(options);
  RowChecker checker(table->layout);
  uint64_t rows = 0;
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    if (rows++ % kRowsPerQuestion == 0) NORI_RETURN_IF_ERROR(go_on());
    const absl::Status checked = checker.Check(it->key(), it->value());
    if (checked.ok()) continue;
    const std::string_view key = it->key().substr(table->layout.prefix.size());
    return absl::DataLossError(absl::StrCat(
        "table ", table->name, ", row x'",
        absl::BytesToHexString(AbslView(key)), "': ", checked.message()));
  }
  return it->status();
}

}  // namespace nori
