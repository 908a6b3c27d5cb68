#include "vtab/value.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/vtab/hostile_values.h"
#include "tests/vtab/sqlite_database.h"
#include "vtab/number_text.h"

namespace nori {
namespace {

struct ColumnKind {
  const char* type;
  Affinity affinity;
};

constexpr ColumnKind kColumns[] = {{"BLOB", Affinity::kBlob},
                                   {"TEXT", Affinity::kText},
                                   {"NUMERIC", Affinity::kNumeric},
                                   {"INTEGER", Affinity::kInteger},
                                   {"REAL", Affinity::kReal}};

// Stores values in a native table with a column of every affinity, reads them
// back and compares type and bits, and quote() as users see it.
class AffinityTest : public ::testing::Test {
 protected:
  AffinityTest() {
    EXPECT_EQ(db_.Execute("CREATE TABLE t(b BLOB, t TEXT, n NUMERIC, i INTEGER,"
                          " r REAL)"),
              "");
    insert_.emplace(db_.handle(), "INSERT INTO t VALUES(?1,?1,?1,?1,?1)");
    select_.emplace(db_.handle(), "SELECT b, t, n, i, r FROM t");
    quote_.emplace(db_.handle(),
                   "SELECT quote(?1), quote(b), quote(t), quote(n), quote(i), "
                   "quote(r) FROM t");
  }

  void Check(const Value& value) {
    db_.Execute("DELETE FROM t");
    insert_->Reset();
    insert_->Bind(1, value);
    insert_->Step();
    ASSERT_TRUE(insert_->ok());
    insert_->Reset();
    select_->Reset();
    ASSERT_TRUE(select_->Step());
    for (int i = 0; i < 5; ++i) {
      std::string scratch;
      const Value got = ApplyAffinity(value, kColumns[i].affinity, &scratch);
      const Value want = select_->Get(i);
      ASSERT_TRUE(Identical(got, want))
          << Describe(value) << " into " << kColumns[i].type << ": got "
          << Describe(got) << ", SQLite has " << Describe(want);
      quote_->Reset();
      quote_->Bind(1, got);
      ASSERT_TRUE(quote_->Step());
      ASSERT_EQ(quote_->Text(0), quote_->Text(i + 1));
    }
    quote_->Reset();
    select_->Reset();
  }

  SqliteDatabase db_;
  std::optional<SqliteStatement> insert_;
  std::optional<SqliteStatement> select_;
  std::optional<SqliteStatement> quote_;
};

TEST_F(AffinityTest, FixedValues) {
  HostileValues values(1);
  for (const Value& value : values.Fixed()) Check(value);
}

TEST_F(AffinityTest, LongNumbers) {
  const std::string zeros(20000, '0');
  for (const std::string& text :
       {"0." + zeros + "1e20001", "0." + zeros + "1", "1" + zeros,
        "1" + zeros + "e-20000", zeros + "7", zeros + ".5", "1e" + zeros + "5",
        "1" + zeros + "e-20010", std::string("1e99999"),
        std::string("1e100000"), "0." + zeros + "1e99999",
        "0." + zeros + "1e100000", "1." + zeros}) {
    Check(Value::Text(text));
  }
}

TEST_F(AffinityTest, RandomValues) {
  HostileValues values(TestSeed());
  for (int i = 0; i < 60000; ++i) {
    Value value = values.Next();
    if (values.OneIn(2))
      value = Value::Text(values.Keep(values.NextNumberText()));
    Check(value);
    if (HasFatalFailure()) return;
  }
}

// quote() and CAST go through the same code in SQLite as storing does, and are
// faster to ask.
TEST(NumberTextTest, FormatsRealsAsSqlite) {
  SqliteDatabase db;
  SqliteStatement cast(db.handle(), "SELECT CAST(?1 AS TEXT)");
  HostileValues values(TestSeed() + 1);
  for (int i = 0; i < 400000; ++i) {
    const double real = values.NextReal();
    cast.Bind(1, Value::Real(real));
    ASSERT_TRUE(cast.Step());
    char buffer[kMaxRealText];
    ASSERT_EQ(std::string(buffer, FormatReal(real, buffer)), cast.Text(0));
    cast.Reset();
  }
}

TEST(NumberTextTest, ParsesAsSqlite) {
  SqliteDatabase db;
  SqliteStatement cast(db.handle(), "SELECT CAST(?1 AS REAL)");
  HostileValues values(TestSeed() + 2);
  int numbers = 0;
  for (int i = 0; i < 400000; ++i) {
    const std::string text = values.NextNumberText();
    int64_t integer = 0;
    double real = 0;
    const NumberKind kind = ParseNumber(text, &integer, &real);
    if (kind != NumberKind::kReal) continue;
    ++numbers;
    cast.Bind(1, Value::Text(text));
    ASSERT_TRUE(cast.Step());
    ASSERT_TRUE(Identical(Value::Real(real), cast.Get(0))) << text;
    cast.Reset();
  }
  EXPECT_GT(numbers, 100000);
}

TEST(NumberTextTest, Examples) {
  const auto format = [](double real) {
    char buffer[kMaxRealText];
    return std::string(buffer, FormatReal(real, buffer));
  };
  EXPECT_EQ(format(1), "1.0");
  EXPECT_EQ(format(-0.0), "0.0");
  EXPECT_EQ(format(1e20), "1.0e+20");
  EXPECT_EQ(format(1e-5), "1.0e-05");
  EXPECT_EQ(format(-2.5e-300), "-2.5e-300");
  EXPECT_EQ(format(0.0001), "0.0001");
  EXPECT_EQ(format(100000000000000), "100000000000000.0");
  EXPECT_EQ(format(INFINITY), "Inf");
  EXPECT_EQ(format(-INFINITY), "-Inf");
}

// Every pair of the values, as SQLite orders them.
TEST(CompareValuesTest, AgreesWithSqliteOnPairs) {
  SqliteDatabase db;
  HostileValues values(TestSeed() + 3);
  std::vector<Value> pool = values.Fixed();
  for (int i = 0; i < 300; ++i) pool.push_back(values.Next());
  for (int i = 0; i < 300; ++i) {
    pool.push_back(Value::Text(values.Keep(values.NextText())));
  }
  for (const Collation collation :
       {Collation::kBinary, Collation::kNocase, Collation::kRtrim}) {
    const std::string name(CollationName(collation));
    SqliteStatement compare(db.handle(), "SELECT (?1 > ?2 COLLATE " + name +
                                             ") - (?1 < ?2 COLLATE " + name +
                                             ")");
    for (int i = 0; i < 60000; ++i) {
      const Value& a = pool[values.NextBits() % pool.size()];
      const Value& b = pool[values.NextBits() % pool.size()];
      if (a.type == ValueType::kNull || b.type == ValueType::kNull) continue;
      compare.Bind(1, a);
      compare.Bind(2, b);
      ASSERT_TRUE(compare.Step());
      ASSERT_EQ(CompareValues(a, b, collation), compare.Get(0).integer)
          << Describe(a) << " with " << Describe(b) << " " << name;
      compare.Reset();
    }
  }
}

TEST(CompareValuesTest, NullComesFirstAndEqualsItself) {
  const Value null = Value::Null();
  EXPECT_EQ(CompareValues(null, null, Collation::kBinary), 0);
  EXPECT_LT(CompareValues(null, Value::Real(-INFINITY), Collation::kBinary), 0);
  EXPECT_GT(CompareValues(Value::Integer(INT64_MIN), null, Collation::kBinary),
            0);
}

}  // namespace
}  // namespace nori
