#include "vtab/access_path.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace nori {
namespace {

constexpr int kLastOwnBit = 62;  // bit 63 of colUsed stands for the rest

PathColumn MakeColumn(const TableSchema& schema, const KeyColumn& key) {
  PathColumn column;
  column.key = key;
  if (key.column < 0) {
    column.name = "rowid";
    return column;
  }
  const Column& definition = schema.columns[static_cast<size_t>(key.column)];
  column.name = definition.name;
  // The alias of the rowid compares as the rowid does.
  if (key.column == schema.rowid_column) return column;
  column.affinity = definition.affinity;
  column.nullable = !definition.not_null;
  column.fits_order = key.collation == definition.collation;
  return column;
}

// Equal by `a` is equal by `b`, too.
bool Fixes(Collation a, Collation b) {
  return a == b || a == Collation::kBinary;
}

void MarkRepeats(std::vector<PathColumn>* columns) {
  for (size_t i = 0; i < columns->size(); ++i) {
    PathColumn& column = (*columns)[i];
    for (size_t j = 0; j < i; ++j) {
      const KeyColumn& earlier = (*columns)[j].key;
      if (earlier.column == column.key.column &&
          Fixes(earlier.collation, column.key.collation)) {
        column.repeats = true;
      }
    }
  }
}

uint64_t CoveredBy(const IndexLayout& index, int columns) {
  uint64_t covered = ~uint64_t{0};
  for (int i = 0; i < columns; ++i) {
    if (index.Covers(i)) continue;
    covered &= ~(uint64_t{1} << (i <= kLastOwnBit ? i : kLastOwnBit + 1));
  }
  return covered;
}

}  // namespace

AccessPath::AccessPath(const RowLayout& layout)
    : label("PRIMARY KEY"),
      covered(~uint64_t{0}),
      prefix(layout.prefix),
      prefix_end(layout.prefix_end) {
  const TableSchema& schema = layout.schema;
  if (schema.identity != RowIdentity::kKey) {
    columns.push_back(MakeColumn(schema, {.column = schema.rowid_column}));
  } else {
    for (const KeyColumn& key : schema.key) {
      columns.push_back(MakeColumn(schema, key));
      columns.back().nullable = false;
    }
  }
  MarkRepeats(&columns);
  seek_columns = unique_columns = columns.size();
}

AccessPath::AccessPath(const RowLayout& layout,
                       std::shared_ptr<const IndexLayout> index_layout)
    : id(index_layout->id),
      index(std::move(index_layout)),
      label(absl::StrCat("INDEX ", index->name)),
      seek_columns(index->seek_columns),
      unique_columns(index->unique ? index->own_columns
                                   : index->columns.size()),
      covered(
          CoveredBy(*index, static_cast<int>(layout.schema.columns.size()))),
      prefix(index->prefix),
      prefix_end(index->prefix_end) {
  for (const KeyColumn& key : index->columns) {
    columns.push_back(MakeColumn(layout.schema, key));
  }
  MarkRepeats(&columns);
}

std::vector<std::shared_ptr<const AccessPath>> ListAccessPaths(
    const RowLayout& layout) {
  std::vector<std::shared_ptr<const AccessPath>> paths;
  paths.push_back(std::make_shared<const AccessPath>(layout));
  for (const auto& index : layout.indexes) {
    paths.push_back(std::make_shared<const AccessPath>(layout, index));
  }
  return paths;
}

}  // namespace nori
