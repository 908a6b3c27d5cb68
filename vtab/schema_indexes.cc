#include "vtab/schema_indexes.h"

#include <algorithm>
#include <utility>

#include "absl/status/statusor.h"
#include "engine/format/status_macros.h"
#include "vtab/text.h"

namespace nori {
namespace {

// Whether two keys have the same columns in the same order.
bool SameColumns(const std::vector<KeyColumn>& a,
                 const std::vector<KeyColumn>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const KeyColumn& x, const KeyColumn& y) {
                      return x.column == y.column && x.collation == y.collation;
                    });
}

bool IsKey(const TableSchema& schema, const std::vector<KeyColumn>& columns) {
  if (schema.identity == RowIdentity::kRowidAlias) {
    return columns.size() == 1 && columns[0].column == schema.rowid_column;
  }
  return SameColumns(columns, schema.key);
}

bool IsRepeated(const TableSchema& schema,
                const std::vector<KeyColumn>& columns) {
  return std::any_of(schema.indexes.begin(), schema.indexes.end(),
                     [&columns](const IndexSchema& index) {
                       return index.unique &&
                              SameColumns(columns, index.columns);
                     });
}

// Only INDEX names are asked for; a constraint's is taken if it is free.
absl::StatusOr<std::string> IndexName(const TableSchema& schema,
                                      const IndexTerms& made, uint32_t id) {
  if (!made.name.empty()) {
    if (schema.FindIndex(made.name) == nullptr) return made.name;
    if (!made.constraint) {
      return absl::InvalidArgumentError(
          Concat({"index ", made.name, " already exists"}));
    }
  }
  std::string name = Concat({"nori_autoindex_", std::to_string(id)});
  while (schema.FindIndex(name) != nullptr) name.push_back('_');
  return name;
}

}  // namespace

IndexSchema ResolveIndex(const TableSchema& schema, const IndexTerms& made) {
  IndexSchema index;
  index.unique = made.unique;
  index.constraint = made.constraint;
  for (const KeyTerm& term : made.terms) {
    const Column& column = schema.columns[static_cast<size_t>(term.column)];
    index.columns.push_back({term.column, term.descending,
                             term.collation.value_or(column.collation)});
  }
  return index;
}

absl::Status AddIndexes(std::vector<IndexTerms> made, TableSchema* schema) {
  // INDEX is what CREATE INDEX would have made after the table.
  std::stable_partition(made.begin(), made.end(),
                        [](const IndexTerms& one) { return one.constraint; });
  size_t key_place = schema->indexes_before_key;
  for (size_t i = 0; i < made.size(); ++i) {
    IndexSchema index = ResolveIndex(*schema, made[i]);
    const bool is_key = made[i].constraint && IsKey(*schema, index.columns);
    if (is_key && i < key_place) {
      // SQLite makes the older constraint's index the key, directions and all.
      if (schema->identity == RowIdentity::kKey) schema->key = index.columns;
      key_place = i;
    }
    if (i == key_place) schema->indexes_before_key = schema->indexes.size();
    if (is_key || (made[i].constraint && IsRepeated(*schema, index.columns))) {
      continue;
    }
    index.id = static_cast<uint32_t>(schema->indexes.size()) + 1;
    NORI_ASSIGN_OR_RETURN(index.name, IndexName(*schema, made[i], index.id));
    schema->indexes.push_back(std::move(index));
  }
  if (key_place >= made.size()) {
    schema->indexes_before_key = schema->indexes.size();
  }
  return absl::OkStatus();
}

}  // namespace nori
