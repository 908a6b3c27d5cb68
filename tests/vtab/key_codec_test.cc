#include "vtab/key_codec.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "tests/vtab/hostile_values.h"
#include "tests/vtab/sqlite_database.h"
#include "vtab/number_text.h"

namespace nori {
namespace {

struct Order {
  Collation collation;
  bool descending;
};

constexpr Order kOrders[] = {
    {Collation::kBinary, false}, {Collation::kBinary, true},
    {Collation::kNocase, false}, {Collation::kNocase, true},
    {Collation::kRtrim, false},  {Collation::kRtrim, true}};

std::string Encode(const Value& value, const Order& order) {
  std::string bytes;
  EncodeKeyColumn(value, order.collation, order.descending, &bytes);
  return bytes;
}

std::string Hex(std::string_view bytes) { return Describe(Value::Blob(bytes)); }

// Fixed values and as many random ones as asked for.
std::vector<Value> Pool(HostileValues& values, int random) {
  std::vector<Value> pool = values.Fixed();
  for (int i = 0; i < random; ++i) pool.push_back(values.Next());
  for (int i = 0; i < random; ++i) {
    pool.push_back(Value::Text(values.Keep(values.NextText())));
  }
  return pool;
}

// In the order of the encodings all neighbours compare as their bytes do, which
// with a total order means all pairs; and none begins with another.
TEST(KeyCodecTest, BytesOrderAsValuesAndNoneIsAPrefix) {
  HostileValues values(TestSeed());
  const std::vector<Value> pool = Pool(values, 20000);
  for (const Order& order : kOrders) {
    std::vector<std::pair<std::string, const Value*>> encoded;
    for (const Value& value : pool) {
      encoded.emplace_back(Encode(value, order), &value);
    }
    std::sort(encoded.begin(), encoded.end());
    for (size_t i = 1; i < encoded.size(); ++i) {
      const auto& [a_bytes, a] = encoded[i - 1];
      const auto& [b_bytes, b] = encoded[i];
      const int want = CompareValues(*a, *b, order.collation);
      if (a_bytes == b_bytes) {
        ASSERT_EQ(want, 0) << Describe(*a) << " " << Describe(*b);
      } else {
        ASSERT_EQ(want, order.descending ? 1 : -1)
            << Describe(*a) << " " << Describe(*b);
        ASSERT_FALSE(b_bytes.starts_with(a_bytes))
            << Describe(*a) << " " << Describe(*b);
      }
    }
  }
}

TEST(KeyCodecTest, RandomPairsOrderAsValues) {
  HostileValues values(TestSeed() + 1);
  const std::vector<Value> pool = Pool(values, 500);
  for (const Order& order : kOrders) {
    for (int i = 0; i < 50000; ++i) {
      const Value& a = pool[values.NextBits() % pool.size()];
      const Value& b = pool[values.NextBits() % pool.size()];
      const int bytes = Encode(a, order).compare(Encode(b, order));
      const int want = CompareValues(a, b, order.collation);
      ASSERT_EQ((bytes > 0) - (bytes < 0), order.descending ? -want : want)
          << Describe(a) << " " << Describe(b);
    }
  }
}

// SQLite sorts; the encodings must come out sorted too.
TEST(KeyCodecTest, OrdersAsSqliteOrderBy) {
  HostileValues values(TestSeed() + 2);
  const std::vector<Value> pool = Pool(values, 3000);
  SqliteDatabase db;
  ASSERT_EQ(db.Execute("CREATE TABLE t(id INTEGER PRIMARY KEY, v)"), "");
  ASSERT_EQ(db.Execute("BEGIN"), "");
  SqliteStatement insert(db.handle(), "INSERT INTO t VALUES(?1, ?2)");
  for (size_t i = 0; i < pool.size(); ++i) {
    insert.Bind(1, Value::Integer(static_cast<int64_t>(i)));
    insert.Bind(2, pool[i]);
    insert.Step();
    ASSERT_TRUE(insert.ok());
    insert.Reset();
  }
  ASSERT_EQ(db.Execute("COMMIT"), "");
  for (const Order& order : kOrders) {
    SqliteStatement select(db.handle(),
                           "SELECT id FROM t ORDER BY v COLLATE " +
                               std::string(CollationName(order.collation)) +
                               (order.descending ? " DESC" : ""));
    std::string previous;
    size_t rows = 0;
    for (; select.Step(); ++rows) {
      const Value& value = pool[static_cast<size_t>(select.Get(0).integer)];
      std::string bytes = Encode(value, order);
      ASSERT_LE(previous, bytes) << "at " << Describe(value);
      previous = std::move(bytes);
    }
    EXPECT_EQ(rows, pool.size());
  }
}

TEST(KeyCodecTest, CompositeKeysOrderAsSqliteOrderBy) {
  HostileValues values(TestSeed() + 3);
  SqliteDatabase db;
  ASSERT_EQ(db.Execute("CREATE TABLE t(id INTEGER PRIMARY KEY, a, b, c)"), "");
  ASSERT_EQ(db.Execute("BEGIN"), "");
  SqliteStatement insert(db.handle(), "INSERT INTO t VALUES(?1, ?2, ?3, ?4)");
  // Few distinct values, so that later columns decide.
  std::vector<Value> few = {Value::Integer(1),
                            Value::Real(1),
                            Value::Real(1.5),
                            Value::Null(),
                            Value::Text(std::string_view("a\0", 2)),
                            Value::Text("A"),
                            Value::Text("a "),
                            Value::Text("a"),
                            Value::Text(""),
                            Value::Blob(""),
                            Value::Blob(std::string_view("\0\xff", 2))};
  std::vector<std::string> keys;
  constexpr int kRows = 5000;
  for (int i = 0; i < kRows; ++i) {
    const Value row[] = {few[values.NextBits() % few.size()],
                         few[values.NextBits() % few.size()], values.Next()};
    std::string& key = keys.emplace_back();
    EncodeKeyColumn(row[0], Collation::kNocase, true, &key);
    EncodeKeyColumn(row[1], Collation::kRtrim, false, &key);
    EncodeKeyColumn(row[2], Collation::kBinary, true, &key);
    insert.Bind(1, Value::Integer(i));
    for (int c = 0; c < 3; ++c) insert.Bind(c + 2, row[c]);
    insert.Step();
    ASSERT_TRUE(insert.ok());
    insert.Reset();
  }
  ASSERT_EQ(db.Execute("COMMIT"), "");
  SqliteStatement select(db.handle(),
                         "SELECT id FROM t ORDER BY a COLLATE NOCASE DESC, "
                         "b COLLATE RTRIM, c DESC");
  const std::string* previous = nullptr;
  int rows = 0;
  for (; select.Step(); ++rows) {
    const std::string& key = keys[static_cast<size_t>(select.Get(0).integer)];
    if (previous != nullptr) {
      ASSERT_LE(*previous, key);
    }
    previous = &key;
  }
  EXPECT_EQ(rows, kRows);
}

TEST(KeyCodecTest, DecodesWhatItEncodes) {
  HostileValues values(TestSeed() + 4);
  const std::vector<Value> pool = Pool(values, 5000);
  std::string scratch;
  for (const Order& order : kOrders) {
    for (const Value& value : pool) {
      SCOPED_TRACE(Describe(value));
      const std::string bytes = Encode(value, order) + "rest";
      std::string_view input = bytes;
      Value decoded;
      bool exact = false;
      ASSERT_TRUE(DecodeKeyColumn(&input, order.collation, order.descending,
                                  &decoded, &exact, &scratch)
                      .ok());
      ASSERT_EQ(input, "rest");
      const bool kept = KeyEncodingIsExact(value, order.collation);
      ASSERT_EQ(Identical(decoded, value), kept) << Describe(decoded);
      if (exact) {
        ASSERT_TRUE(kept);
      }
      const bool is_cut = order.collation == Collation::kNocase &&
                          value.type == ValueType::kText &&
                          value.bytes.find('\0') != std::string_view::npos;
      if (!is_cut) {
        ASSERT_EQ(CompareValues(decoded, value, order.collation), 0);
        ASSERT_TRUE(KeyEncodingIsExact(decoded, order.collation));
      }
      input = bytes;
      ASSERT_TRUE(SkipKeyColumn(&input, order.descending).ok());
      ASSERT_EQ(input, "rest");
    }
  }
}

TEST(KeyCodecTest, ExactnessOfDecodedValues) {
  const auto decode = [](const Value& value, Collation collation) {
    const std::string bytes = Encode(value, {collation, false});
    std::string_view input = bytes;
    std::string scratch;
    Value decoded;
    bool exact = false;
    EXPECT_TRUE(
        DecodeKeyColumn(&input, collation, false, &decoded, &exact, &scratch)
            .ok());
    return exact;
  };
  EXPECT_TRUE(decode(Value::Null(), Collation::kNocase));
  EXPECT_FALSE(decode(Value::Integer(5), Collation::kBinary));
  EXPECT_TRUE(decode(Value::Real(5.5), Collation::kBinary));
  EXPECT_TRUE(decode(Value::Real(-INFINITY), Collation::kBinary));
  EXPECT_TRUE(decode(Value::Text("a"), Collation::kBinary));
  EXPECT_FALSE(decode(Value::Text("a"), Collation::kNocase));
  EXPECT_FALSE(decode(Value::Text("a"), Collation::kRtrim));
  EXPECT_TRUE(decode(Value::Blob("a"), Collation::kRtrim));
  EXPECT_TRUE(KeyEncodingIsExact(Value::Integer(5), Collation::kBinary));
  EXPECT_FALSE(KeyEncodingIsExact(Value::Real(5), Collation::kBinary));
  EXPECT_FALSE(KeyEncodingIsExact(Value::Real(-0.0), Collation::kBinary));
  EXPECT_TRUE(KeyEncodingIsExact(Value::Text("a1"), Collation::kNocase));
  EXPECT_FALSE(KeyEncodingIsExact(Value::Text("aB"), Collation::kNocase));
  EXPECT_FALSE(KeyEncodingIsExact(Value::Text("a "), Collation::kRtrim));
}

// Every accepted input is what the encoder writes for what was decoded; so no
// malformed input is accepted.
void CheckHostile(std::string_view bytes, const Order& order) {
  std::string scratch;
  std::string_view input = bytes;
  Value decoded;
  bool exact = false;
  const absl::Status status = DecodeKeyColumn(
      &input, order.collation, order.descending, &decoded, &exact, &scratch);
  std::string_view skipped = bytes;
  const absl::Status skip_status = SkipKeyColumn(&skipped, order.descending);
  if (!status.ok()) {
    ASSERT_EQ(status.code(), absl::StatusCode::kDataLoss);
    return;
  }
  ASSERT_TRUE(skip_status.ok());
  ASSERT_EQ(skipped.size(), input.size());
  const std::string_view used = bytes.substr(0, bytes.size() - input.size());
  const std::string again = Encode(decoded, order);
  if (again == used) return;
  // Only NOCASE text that is cut at a NUL is not encoded again alike.
  ASSERT_TRUE(order.collation == Collation::kNocase &&
              decoded.type == ValueType::kText && !exact)
      << Hex(used) << " " << Hex(again);
}

TEST(KeyCodecTest, TruncatedInputIsRefused) {
  HostileValues values(TestSeed() + 5);
  const std::vector<Value> pool = Pool(values, 1000);
  std::string scratch;
  for (const Order& order : kOrders) {
    for (const Value& value : pool) {
      const std::string bytes = Encode(value, order);
      for (size_t n = 0; n < bytes.size(); ++n) {
        // A copy of the exact size, so that a sanitizer sees reads beyond.
        const std::vector<char> cut(bytes.begin(),
                                    bytes.begin() + static_cast<long>(n));
        std::string_view input(cut.data(), n);
        Value decoded;
        bool exact;
        ASSERT_EQ(DecodeKeyColumn(&input, order.collation, order.descending,
                                  &decoded, &exact, &scratch)
                      .code(),
                  absl::StatusCode::kDataLoss);
        input = {cut.data(), n};
        ASSERT_EQ(SkipKeyColumn(&input, order.descending).code(),
                  absl::StatusCode::kDataLoss);
      }
    }
  }
}

TEST(KeyCodecTest, DamagedInputIsRefusedOrConsistent) {
  HostileValues values(TestSeed() + 6);
  const std::vector<Value> pool = Pool(values, 500);
  for (int i = 0; i < 200000; ++i) {
    const Order& order = kOrders[values.NextBits() % std::size(kOrders)];
    std::string bytes = Encode(pool[values.NextBits() % pool.size()], order);
    const size_t flips = 1 + values.NextBits() % 3;
    for (size_t f = 0; f < flips; ++f) {
      bytes[values.NextBits() % bytes.size()] ^=
          static_cast<char>(1 << (values.NextBits() % 8));
    }
    CheckHostile(bytes, order);
    if (HasFatalFailure()) return;
  }
  for (int i = 0; i < 200000; ++i) {
    std::string bytes(values.NextBits() % 24, '\0');
    for (char& c : bytes) c = static_cast<char>(values.NextBits());
    CheckHostile(bytes, kOrders[values.NextBits() % std::size(kOrders)]);
    if (HasFatalFailure()) return;
  }
}

TEST(KeyCodecTest, Sizes) {
  const auto size = [](const Value& value) {
    return Encode(value, kOrders[0]).size();
  };
  for (int64_t sign : {1, -1}) {
    EXPECT_EQ(size(Value::Integer(sign * 47)), 1u);
    EXPECT_EQ(size(Value::Integer(sign * 48)), 2u);
    EXPECT_EQ(size(Value::Integer(sign * 127)), 2u);
    EXPECT_EQ(size(Value::Integer(sign * 128)), 3u);
    EXPECT_EQ(size(Value::Integer(sign * 32767)), 3u);
    EXPECT_EQ(size(Value::Integer(sign * 8388607)), 4u);
  }
  EXPECT_EQ(size(Value::Integer(INT64_MIN)), 9u);
  EXPECT_EQ(size(Value::Integer(INT64_MAX)), 9u);
  EXPECT_EQ(size(Value::Real(0.5)), 9u);
  EXPECT_EQ(size(Value::Real(1e300)), 9u);
  EXPECT_EQ(size(Value::Real(4503599627370495.5)), 16u);
  EXPECT_EQ(size(Value::Null()), 1u);
  EXPECT_EQ(size(Value::Text("abc")), 5u);
  EXPECT_EQ(size(Value::Blob(std::string_view("\0\1\2", 3))), 7u);
}

// Whatever follows the bytes that it names, the text is no number; and of a
// number it names none.
TEST(KeyCodecTest, NoNumberBeginsWithSuchPrefixes) {
  std::mt19937_64 random(TestSeed());
  const auto uniform = [&](size_t n) { return random() % n; };
  const std::string_view alphabet = " \t+-.0123456789eE:xX\x01";
  const auto next = [&](size_t most) {
    std::string text;
    for (size_t n = uniform(most + 1); n > 0; --n) {
      text += alphabet[uniform(alphabet.size())];
    }
    return text;
  };
  const auto is_number = [](std::string_view text) {
    int64_t integer;
    double real;
    return ParseNumber(text, &integer, &real) != NumberKind::kNone;
  };
  int prefixes = 0;
  for (int i = 0; i < 20000; ++i) {
    const Order& order = kOrders[uniform(std::size(kOrders))];
    const std::string text = next(10);
    const std::string key = Encode(Value::Text(text), order);
    const size_t size = NoNumberPrefix(key, order.descending);
    ASSERT_LE(size, key.size());
    if (size == 0) continue;
    ++prefixes;
    ASSERT_FALSE(is_number(text)) << text;
    for (int j = 0; j < 5; ++j) {
      const std::string other = text.substr(0, size - 1) + next(6);
      if (!Encode(Value::Text(other), order)
               .starts_with(std::string_view(key).substr(0, size))) {
        continue;
      }
      ASSERT_FALSE(is_number(other)) << text << " and " << other;
    }
  }
  EXPECT_GT(prefixes, 1000);
  EXPECT_EQ(
      NoNumberPrefix(Encode(Value::Text("1995-01-02"), kOrders[0]), false), 6U);
  EXPECT_EQ(NoNumberPrefix(Encode(Value::Integer(5), kOrders[0]), false), 0U);
  EXPECT_EQ(NoNumberPrefix("", false), 0U);
}

TEST(KeyCodecTest, Rowids) {
  HostileValues values(TestSeed() + 7);
  std::vector<std::pair<int64_t, std::string>> rowids;
  for (int i = 0; i < 20000; ++i) {
    rowids.emplace_back(values.NextInteger(), "");
  }
  rowids.emplace_back(INT64_MIN, "");
  rowids.emplace_back(INT64_MAX, "");
  for (auto& [rowid, bytes] : rowids) {
    EncodeRowid(rowid, &bytes);
    ASSERT_LE(bytes.size(), 9u);
    std::string_view input = bytes;
    int64_t decoded;
    ASSERT_TRUE(DecodeRowid(&input, &decoded));
    ASSERT_EQ(decoded, rowid);
    ASSERT_TRUE(input.empty());
    input = std::string_view(bytes).substr(0, bytes.size() - 1);
    ASSERT_FALSE(DecodeRowid(&input, &decoded));
  }
  std::sort(rowids.begin(), rowids.end());
  for (size_t i = 1; i < rowids.size(); ++i) {
    ASSERT_LE(rowids[i - 1].second, rowids[i].second);
  }
  for (const Value& other : {Value::Null(), Value::Real(1.5), Value::Text("1"),
                             Value::Real(1e300)}) {
    const std::string bytes = Encode(other, kOrders[0]);
    std::string_view input = bytes;
    int64_t decoded;
    EXPECT_FALSE(DecodeRowid(&input, &decoded));
  }
}

TEST(KeyCodecTest, IndexPrefixesOrderAndDelimitThemselves) {
  HostileValues values(TestSeed() + 8);
  std::vector<std::pair<std::pair<uint64_t, uint32_t>, std::string>> prefixes;
  for (int i = 0; i < 20000; ++i) {
    const uint64_t table = values.NextBits() >> (values.NextBits() % 64);
    const auto index = static_cast<uint32_t>(values.NextBits() >>
                                             (32 + values.NextBits() % 32));
    prefixes.push_back({{table, index}, ""});
  }
  prefixes.push_back({{UINT64_MAX, UINT32_MAX}, ""});
  prefixes.push_back({{0, 0}, ""});
  std::sort(prefixes.begin(), prefixes.end());
  for (auto& [ids, bytes] : prefixes) {
    EncodeIndexPrefix(ids.first, ids.second, &bytes);
    ASSERT_GE(static_cast<uint8_t>(bytes[0]), 0x80);
    std::string_view input = bytes;
    uint64_t table;
    uint32_t index;
    ASSERT_TRUE(DecodeIndexPrefix(&input, &table, &index));
    ASSERT_EQ(table, ids.first);
    ASSERT_EQ(index, ids.second);
    ASSERT_TRUE(input.empty());
    input = std::string_view(bytes).substr(0, bytes.size() - 1);
    ASSERT_FALSE(DecodeIndexPrefix(&input, &table, &index));
  }
  for (size_t i = 1; i < prefixes.size(); ++i) {
    if (prefixes[i - 1].first == prefixes[i].first) continue;
    ASSERT_LT(prefixes[i - 1].second, prefixes[i].second);
    ASSERT_FALSE(prefixes[i].second.starts_with(prefixes[i - 1].second));
  }
  EXPECT_EQ(prefixes.front().second.size(), 2u);
}

TEST(KeyCodecTest, MalformedIndexPrefixesAreRefused) {
  std::vector<std::string> prefixes = {"", "\x05", "x"};
  for (const Value& value :
       {Value::Integer(-1), Value::Real(1.5), Value::Real(1e300),
        Value::Text("a"), Value::Integer(int64_t{1} << 32)}) {
    prefixes.push_back("\x81" + Encode(value, kOrders[0]));
    std::string& prefix = prefixes.emplace_back();
    EncodeIndexPrefix(1, 0, &prefix);
    prefix = prefix.substr(0, 1) + Encode(value, kOrders[0]);
  }
  for (const std::string& prefix : prefixes) {
    std::string_view input = prefix;
    uint64_t table;
    uint32_t index;
    EXPECT_FALSE(DecodeIndexPrefix(&input, &table, &index)) << Hex(prefix);
  }
}

TEST(KeyCodecTest, PrefixSuccessor) {
  EXPECT_EQ(PrefixSuccessor("ab"), "ac");
  EXPECT_EQ(PrefixSuccessor("a\xff\xff"), "b");
  EXPECT_EQ(PrefixSuccessor("\xff\xff"), "");
  EXPECT_EQ(PrefixSuccessor(""), "");
  EXPECT_EQ(PrefixSuccessor("a\x7f"), "a\x80");
}

}  // namespace
}  // namespace nori
