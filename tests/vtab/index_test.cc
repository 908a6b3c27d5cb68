#include "vtab/index.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "tests/vtab/hostile_values.h"
#include "tests/vtab/sqlite_database.h"
#include "vtab/key_codec.h"
#include "vtab/row.h"

namespace nori {
namespace {

TableSchema Parse(const std::vector<std::string>& arguments) {
  return ParseSchema(arguments).value();
}

// One row's entry.
struct Entry {
  std::string row_key, key, value;
  bool is_alone = false;
};

Entry MakeEntry(const RowLayout& layout, const IndexLayout& index,
                const std::vector<Value>& values, int64_t rowid) {
  Entry entry;
  if (index.has_rowid) {
    EncodeRowid(rowid, &entry.row_key);
  } else {
    layout.AppendKey(values, &entry.row_key);
  }
  entry.is_alone = index.AppendKey(values, entry.row_key, &entry.key);
  index.AppendValue(values, entry.row_key, entry.is_alone, &entry.value);
  return entry;
}

TEST(IndexLayoutTest, WhatAnEntryHolds) {
  RowLayout layout(
      Parse({"a TEXT COLLATE NOCASE", "b", "c", "d", "PRIMARY KEY(a DESC, b)",
             "INDEX i(c DESC, a)", "UNIQUE(d)"}));
  layout.SetTableId(7);
  const IndexLayout& index = *layout.indexes[1];
  EXPECT_EQ(index.own_columns, 2U);
  ASSERT_EQ(index.columns.size(), 4U);
  EXPECT_EQ(index.columns[0].column, 2);
  EXPECT_TRUE(index.columns[0].descending);
  EXPECT_EQ(index.columns[2].column, 0);
  EXPECT_TRUE(index.columns[2].descending);
  EXPECT_EQ(index.columns[3].column, 1);
  EXPECT_EQ(index.seek_columns, 4U);
  EXPECT_TRUE(index.Covers(0) && index.Covers(1) && index.Covers(2));
  EXPECT_FALSE(index.Covers(3));
  EXPECT_FALSE(index.Covers(kHiddenRowid));
  std::string prefix;
  EncodeIndexPrefix(7, 2, &prefix);
  EXPECT_EQ(index.prefix, prefix);
  EXPECT_EQ(index.prefix_end, PrefixSuccessor(prefix));
  EXPECT_EQ(index.table_prefix, layout.prefix);
  // Of a unique index no key holds the row's.
  EXPECT_EQ(layout.indexes[0]->seek_columns, 1U);
}

TEST(IndexLayoutTest, RowidTables) {
  RowLayout alias(Parse({"a", "id INTEGER PRIMARY KEY", "INDEX(a)"}));
  EXPECT_EQ(alias.indexes[0]->columns.back().column, 1);
  EXPECT_TRUE(alias.indexes[0]->Covers(1));
  EXPECT_TRUE(alias.indexes[0]->Covers(kHiddenRowid));
  RowLayout hidden(Parse({"a", "b", "INDEX(a)"}));
  EXPECT_EQ(hidden.indexes[0]->columns.back().column, kHiddenRowid);
  EXPECT_TRUE(hidden.indexes[0]->Covers(kHiddenRowid));
  EXPECT_FALSE(hidden.indexes[0]->Covers(1));
}

TEST(IndexLayoutTest, IndexesComeAndGo) {
  RowLayout layout(Parse({"a", "b", "INDEX i(a)"}));
  layout.SetTableId(3);
  layout.AddIndex({.id = 9, .name = "j", .columns = {{.column = 1}}});
  ASSERT_EQ(layout.indexes.size(), 2U);
  std::string prefix;
  EncodeIndexPrefix(3, 9, &prefix);
  EXPECT_EQ(layout.indexes[1]->prefix, prefix);
  layout.RemoveIndex(1);
  ASSERT_EQ(layout.indexes.size(), 1U);
  EXPECT_EQ(layout.indexes[0]->name, "j");
  EXPECT_EQ(layout.schema.indexes[0].id, 9U);
}

TEST(IndexEntryTest, UniqueEntriesAreFoundByTheirColumns) {
  RowLayout layout(Parse({"a", "b", "c", "UNIQUE(a, b)"}));
  layout.SetTableId(1);
  const IndexLayout& index = *layout.indexes[0];
  std::vector<Value> values = {Value::Integer(1), Value::Text("x"),
                               Value::Integer(5)};
  const Entry first = MakeEntry(layout, index, values, 10);
  const Entry second = MakeEntry(layout, index, values, 11);
  EXPECT_TRUE(first.is_alone);
  EXPECT_EQ(first.key, second.key);
  values[1] = Value::Null();
  const Entry third = MakeEntry(layout, index, values, 10);
  const Entry fourth = MakeEntry(layout, index, values, 11);
  EXPECT_FALSE(third.is_alone);
  EXPECT_NE(third.key, fourth.key);
  EXPECT_EQ(third.value, "");
}

// Of any row, an entry gives back every value that it covers, exactly, and the
// row's key.
TEST(IndexEntryTest, RandomRowsComeBackExactly) {
  const std::vector<std::vector<std::string>> kTables = {
      {"a", "b", "c", "INDEX(b, a DESC)"},
      {"a", "b", "c", "UNIQUE(c, a COLLATE NOCASE)"},
      {"a", "b INTEGER PRIMARY KEY", "c", "INDEX(a COLLATE NOCASE, b)"},
      {"a", "b INTEGER PRIMARY KEY", "c", "UNIQUE(c DESC)"},
      {"a COLLATE NOCASE", "b COLLATE RTRIM", "c", "PRIMARY KEY(b DESC, a)",
       "INDEX(c DESC, a)"},
      {"a COLLATE NOCASE", "b", "c COLLATE RTRIM", "PRIMARY KEY(a)",
       "UNIQUE(c DESC, b)"},
      {"a", "b", "c", "PRIMARY KEY(b COLLATE NOCASE, c)",
       "INDEX(b, b COLLATE RTRIM, a)"}};
  HostileValues random(TestSeed());
  for (const auto& arguments : kTables) {
    RowLayout layout(Parse(arguments));
    layout.SetTableId(200);
    const IndexLayout& index = *layout.indexes[0];
    IndexEntryView view(&index);
    std::vector<std::pair<std::string, std::string>> entries;
    for (int i = 0; i < 3000; ++i) {
      const auto rowid = static_cast<int64_t>(random.NextBits());
      std::vector<std::string> scratch(3);
      std::vector<Value> values;
      for (std::string& owned : scratch) {
        Value value = random.Next();
        owned = std::string(value.bytes);
        value.bytes = owned;
        values.push_back(value);
      }
      if (layout.schema.rowid_column >= 0) {
        values[static_cast<size_t>(layout.schema.rowid_column)] =
            Value::Integer(rowid);
      }
      const Entry entry = MakeEntry(layout, index, values, rowid);
      ASSERT_TRUE(view.Reset(entry.key, entry.value).ok());
      std::string row_key;
      view.RowKey(&row_key);
      EXPECT_EQ(row_key, layout.prefix + entry.row_key);
      EXPECT_EQ(view.row_key(), entry.row_key);
      if (index.has_rowid) {
        EXPECT_EQ(view.Rowid().value(), rowid);
      }
      // Twice, since what was decoded is kept.
      for (int column : {2, 0, 1, 1, 0, 2}) {
        if (!index.Covers(column)) continue;
        Value value;
        ASSERT_TRUE(view.Column(column, &value).ok());
        EXPECT_TRUE(Identical(value, values[static_cast<size_t>(column)]))
            << Describe(value) << " "
            << Describe(values[static_cast<size_t>(column)]);
      }
      ASSERT_FALSE(HasFailure()) << arguments.back();
    }
  }
}

TEST(IndexEntryTest, DamageIsReported) {
  RowLayout layout(Parse({"a", "b", "UNIQUE(a)", "INDEX(b)"}));
  layout.SetTableId(1);
  const std::vector<Value> values = {Value::Text("x"), Value::Integer(3)};
  const IndexLayout& unique = *layout.indexes[0];
  const Entry entry = MakeEntry(layout, unique, values, 10);
  IndexEntryView view(&unique);
  EXPECT_FALSE(view.Reset(entry.key, "").ok());
  EXPECT_FALSE(view.Reset(entry.key, "\x05").ok());
  EXPECT_FALSE(view.Reset(unique.prefix, entry.value).ok());
  const IndexLayout& other = *layout.indexes[1];
  const Entry plain = MakeEntry(layout, other, values, 10);
  IndexEntryView plain_view(&other);
  EXPECT_TRUE(plain_view.Reset(plain.key, plain.value).ok());
  EXPECT_FALSE(
      plain_view
          .Reset(std::string_view(plain.key).substr(0, plain.key.size() - 1),
                 plain.value)
          .ok());
}

}  // namespace
}  // namespace nori
