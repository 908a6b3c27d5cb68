#include "vtab/record.h"

#include <gtest/gtest.h>

#include <bit>
#include <limits>

#include "tests/vtab/hostile_values.h"
#include "tests/vtab/sqlite_database.h"
#include "vtab/key_codec.h"

namespace nori {
namespace {

std::string Encode(const std::vector<Value>& values) {
  std::string record;
  EncodeRecord(values, &record);
  return record;
}

TEST(RecordTest, RoundTrips) {
  HostileValues values(TestSeed());
  RecordReader reader;
  for (int i = 0; i < 20000; ++i) {
    std::vector<Value> row(values.NextBits() % (values.OneIn(50) ? 300 : 8));
    for (Value& value : row) value = values.Next();
    const std::string record = Encode(row);
    ASSERT_TRUE(reader.Reset(record).ok());
    ASSERT_EQ(reader.columns(), row.size());
    for (size_t c = 0; c < row.size(); ++c) {
      ASSERT_TRUE(Identical(reader.Get(c), row[c]))
          << Describe(reader.Get(c)) << " for " << Describe(row[c]);
    }
    ASSERT_EQ(reader.Get(row.size()).type, ValueType::kNull);
  }
}

TEST(RecordTest, FixedValuesRoundTrip) {
  HostileValues values(0);
  const std::vector<Value> row = values.Fixed();
  const std::string record = Encode(row);
  RecordReader reader;
  ASSERT_TRUE(reader.Reset(record).ok());
  for (size_t c = 0; c < row.size(); ++c) {
    ASSERT_TRUE(Identical(reader.Get(c), row[c])) << Describe(row[c]);
  }
}

TEST(RecordTest, Sizes) {
  const auto size = [](const Value& value) {
    return Encode({value}).size() - 1;
  };
  EXPECT_EQ(size(Value::Null()), 1u);
  EXPECT_EQ(size(Value::Integer(0)), 1u);
  EXPECT_EQ(size(Value::Integer(1)), 1u);
  EXPECT_EQ(size(Value::Integer(-1)), 2u);
  EXPECT_EQ(size(Value::Integer(127)), 2u);
  EXPECT_EQ(size(Value::Integer(-128)), 2u);
  EXPECT_EQ(size(Value::Integer(128)), 3u);
  EXPECT_EQ(size(Value::Integer(-129)), 3u);
  EXPECT_EQ(size(Value::Integer(INT64_MAX)), 9u);
  EXPECT_EQ(size(Value::Integer(INT64_MIN)), 9u);
  EXPECT_EQ(size(Value::Real(1)), 9u);
  EXPECT_EQ(size(Value::Text("abc")), 4u);
  EXPECT_EQ(size(Value::Blob("")), 1u);
  EXPECT_EQ(size(Value::Text(std::string(57, 'x'))), 58u);
  EXPECT_EQ(size(Value::Text(std::string(58, 'x'))), 60u);
}

TEST(RecordTest, EveryTruncationIsRefused) {
  HostileValues values(TestSeed() + 1);
  RecordReader reader;
  for (int i = 0; i < 500; ++i) {
    std::vector<Value> row(1 + values.NextBits() % 8);
    for (Value& value : row) value = values.Next();
    const std::string record = Encode(row);
    for (size_t n = 0; n < record.size(); ++n) {
      const std::vector<char> cut(record.begin(),
                                  record.begin() + static_cast<long>(n));
      ASSERT_EQ(reader.Reset({cut.data(), n}).code(),
                absl::StatusCode::kDataLoss);
      ASSERT_EQ(reader.columns(), 0u);
      ASSERT_EQ(reader.Get(0).type, ValueType::kNull);
    }
    ASSERT_EQ(reader.Reset(record + "x").code(), absl::StatusCode::kDataLoss);
  }
}

TEST(RecordTest, DamageNeverReadsOutside) {
  HostileValues values(TestSeed() + 2);
  RecordReader reader;
  int accepted = 0;
  for (int i = 0; i < 100000; ++i) {
    std::vector<Value> row(1 + values.NextBits() % 6);
    for (Value& value : row) value = values.Next();
    const std::string whole = Encode(row);
    std::vector<char> record(whole.begin(), whole.end());
    for (size_t f = 1 + values.NextBits() % 3; f > 0; --f) {
      // Mostly in the header, which is in front.
      const size_t range =
          values.OneIn(2) ? record.size() : std::min<size_t>(record.size(), 8);
      record[values.NextBits() % range] = static_cast<char>(values.NextBits());
    }
    const std::string_view bytes(record.data(), record.size());
    if (!reader.Reset(bytes).ok()) continue;
    ++accepted;
    for (size_t c = 0; c < reader.columns(); ++c) {
      const Value value = reader.Get(c);
      ASSERT_FALSE(value.real != value.real) << "NaN";
      if (value.bytes.empty()) continue;
      ASSERT_GE(value.bytes.data(), bytes.data());
      ASSERT_LE(value.bytes.data() + value.bytes.size(),
                bytes.data() + bytes.size());
    }
  }
  EXPECT_GT(accepted, 1000);
}

TEST(RecordTest, HugeCountsAndLengthsAreRefused) {
  RecordReader reader;
  const std::string ten_ff(9, '\xff');
  for (const std::string& record :
       {ten_ff + "\x01", "\x01" + ten_ff + "\x01", "\x01" + ten_ff + "\xff\x01",
        std::string("\xff\xff\xff\xff\x0f\x00", 6), std::string(),
        std::string("\x02\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01\x0d", 12)}) {
    EXPECT_EQ(reader.Reset(record).code(), absl::StatusCode::kDataLoss);
  }
  EXPECT_EQ(reader.Reset({}).code(), absl::StatusCode::kDataLoss);
}

TEST(RecordTest, NanReadsAsNull) {
  std::string record = Encode({Value::Real(1)});
  const auto nan =
      std::bit_cast<uint64_t>(std::numeric_limits<double>::quiet_NaN());
  std::memcpy(record.data() + 2, &nan, sizeof(nan));
  RecordReader reader;
  ASSERT_TRUE(reader.Reset(record).ok());
  EXPECT_EQ(reader.Get(0).type, ValueType::kNull);
}

// A row is its key and a record that holds NULL for each key column which the
// key gives back: the protocol stated at KeyEncodingIsExact.
TEST(RecordTest, KeyAndRecordTogetherGiveTheRowBack) {
  HostileValues values(TestSeed() + 3);
  constexpr Collation kCollations[] = {Collation::kBinary, Collation::kNocase,
                                       Collation::kRtrim};
  RecordReader reader;
  std::string scratch;
  for (int i = 0; i < 50000; ++i) {
    const Collation collation = kCollations[i % 3];
    const bool descending = values.OneIn(2);
    const Value value = values.Next();
    std::string key;
    EncodeKeyColumn(value, collation, descending, &key);
    const bool kept = KeyEncodingIsExact(value, collation);
    const std::string record = Encode({kept ? Value::Null() : value});
    ASSERT_TRUE(reader.Reset(record).ok());
    Value row = reader.Get(0);
    if (row.type == ValueType::kNull) {
      std::string_view input = key;
      bool exact;
      ASSERT_TRUE(
          DecodeKeyColumn(&input, collation, descending, &row, &exact, &scratch)
              .ok());
    }
    ASSERT_TRUE(Identical(row, value))
        << Describe(row) << " " << Describe(value);
  }
}

}  // namespace
}  // namespace nori
