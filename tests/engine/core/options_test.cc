#include "engine/options.h"

#include <cmath>
#include <set>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace nori {
namespace {

using ::testing::HasSubstr;

struct Case {
  const char* name;
  const char* value;
  const char* canonical;  // null: refused
};

class OptionText : public ::testing::TestWithParam<Case> {};

TEST_P(OptionText, IsTakenOrRefused) {
  const Case& c = GetParam();
  Options options;
  const std::string before = *GetOption(options, c.name);
  const absl::Status status = SetOption(&options, c.name, c.value);
  if (c.canonical != nullptr) {
    ASSERT_TRUE(status.ok()) << status;
    EXPECT_EQ(*GetOption(options, c.name), c.canonical);
    return;
  }
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr(c.name));
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("'" + std::string(c.value) + "'"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("expected "));
  EXPECT_EQ(*GetOption(options, c.name), before);
}

INSTANTIATE_TEST_SUITE_P(
    Sizes, OptionText,
    ::testing::Values(Case{"memtable_bytes", "8192", "8192"},
                      Case{"memtable_bytes", "8192B", "8192"},
                      Case{"memtable_bytes", "64MiB", "67108864"},
                      Case{"memtable_bytes", "64mib", "67108864"},
                      Case{"memtable_bytes", "64M", "67108864"},
                      Case{"memtable_bytes", " 64 m ", "67108864"},
                      Case{"memtable_bytes", "64MB", "64000000"},
                      Case{"memtable_bytes", "8k", "8192"},
                      Case{"memtable_bytes", "8KiB", "8192"},
                      Case{"memtable_bytes", "8KB", "8000"},
                      Case{"memtable_bytes", "1g", "1073741824"},
                      Case{"memtable_bytes", "1GB", "1000000000"},
                      Case{"memtable_bytes", "2GiB", "2147483648"},
                      Case{"block_cache_bytes", "0", "0"},
                      Case{"memtable_bytes", "0", nullptr},
                      Case{"memtable_bytes", "4095", nullptr},
                      Case{"memtable_bytes", "17GiB", nullptr},
                      Case{"memtable_bytes", "99999999999999999999", nullptr},
                      Case{"memtable_bytes", "18446744073709551615G", nullptr},
                      Case{"memtable_bytes", "17179869185G",
                           nullptr},  // wraps to 1G
                      Case{"memtable_bytes", "", nullptr},
                      Case{"memtable_bytes", "M", nullptr},
                      Case{"memtable_bytes", "-1", nullptr},
                      Case{"memtable_bytes", "+1M", nullptr},
                      Case{"memtable_bytes", "1.5M", nullptr},
                      Case{"memtable_bytes", "64Mi", nullptr},
                      Case{"memtable_bytes", "64MMB", nullptr},
                      Case{"memtable_bytes", "64X", nullptr},
                      Case{"memtable_bytes", "0x10000", nullptr}));

INSTANTIATE_TEST_SUITE_P(
    Others, OptionText,
    ::testing::Values(
        Case{"max_runs", "1", "1"}, Case{"max_runs", "64", "64"},
        Case{"max_runs", "0", nullptr}, Case{"max_runs", "65", nullptr},
        Case{"max_runs", "-3", nullptr}, Case{"max_runs", "4.0", nullptr},
        Case{"max_runs", "4K", nullptr},
        Case{"max_runs", "4294967300", nullptr},
        Case{"sync_interval_ms", "250", "250"},
        Case{"sync_interval_ms", "0", nullptr},
        Case{"stall_timeout_ms", "0", "0"},
        Case{"bandit_epsilon", "0.25", "0.25"},
        Case{"bandit_epsilon", "1e-3", "0.001"},
        Case{"bandit_epsilon", "0", "0"},
        Case{"bandit_epsilon", "1.01", nullptr},
        Case{"bandit_epsilon", "-0.1", nullptr},
        Case{"bandit_epsilon", "nan", nullptr},
        Case{"bandit_epsilon", "inf", nullptr},
        Case{"bandit_epsilon", "0.1x", nullptr},
        Case{"compression", "zstd", "zstd"}, Case{"compression", "LZ4", "lz4"},
        Case{"compression", "none", "none"},
        Case{"compression", "snappy", nullptr},
        Case{"compression", "none|lz4", nullptr},
        Case{"run_policy", "Fixed1", "fixed1"},
        Case{"run_policy", "fixed2", nullptr},
        Case{"scheduler", "round_robin", "round_robin"},
        Case{"scheduler", "", nullptr}));

TEST(Options, MessagesNameOptionValueAndRange) {
  Options options;
  EXPECT_EQ(SetOption(&options, "memtable_bytes", "1K").message(),
            "option memtable_bytes: '1K' is not allowed; expected bytes, 4KiB "
            "to 16GiB");
  EXPECT_EQ(SetOption(&options, "compression", "gzip").message(),
            "option compression: 'gzip' is not allowed; expected one of none, "
            "lz4, zstd");
  EXPECT_EQ(SetOption(&options, "max_runs", "x").message(),
            "option max_runs: 'x' is not allowed; expected an integer, 1 to "
            "64");
}

TEST(Options, UnknownNamesGetASuggestion) {
  Options options;
  EXPECT_EQ(SetOption(&options, "memtable_size", "1").message(),
            "unknown option 'memtable_size'; did you mean 'memtable_bytes'?");
  EXPECT_EQ(GetOption(options, "maxruns").status().message(),
            "unknown option 'maxruns'; did you mean 'max_runs'?");
  EXPECT_EQ(SetOption(&options, "epsilon", "1").code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(Options, NamesInAnyCase) {
  Options options;
  ASSERT_TRUE(SetOption(&options, "Max_Runs", "7").ok());
  EXPECT_EQ(options.max_runs, 7);
  EXPECT_EQ(*GetOption(options, "MAX_RUNS"), "7");
}

TEST(Options, EveryOptionReadsBackWhatItGives) {
  std::set<std::string> names;
  const Options defaults;
  for (const OptionInfo& info : OptionInfos()) {
    EXPECT_TRUE(names.insert(info.name).second);
    EXPECT_THAT(info.help, HasSubstr("("));
    EXPECT_EQ(info.help.find('\n'), std::string::npos);
    Options options;
    const auto text = GetOption(options, info.name);
    ASSERT_TRUE(text.ok());
    ASSERT_TRUE(SetOption(&options, info.name, *text).ok()) << info.name;
    EXPECT_EQ(*GetOption(options, info.name), *text);
  }
  EXPECT_EQ(names.size(), 25u);
  EXPECT_EQ(names.count("seed"), 0u);
}

TEST(Options, SetsTheMemberOfItsName) {
  Options o;
  ASSERT_TRUE(SetOption(&o, "slot_bytes", "128M").ok());
  ASSERT_TRUE(SetOption(&o, "l0_hard_limit", "20").ok());
  ASSERT_TRUE(SetOption(&o, "compression", "zstd").ok());
  ASSERT_TRUE(SetOption(&o, "heat_half_life_s", "2.5").ok());
  ASSERT_TRUE(SetOption(&o, "scheduler", "greedy").ok());
  EXPECT_EQ(o.slot_bytes, uint64_t{128} << 20);
  EXPECT_EQ(o.l0_hard_limit, 20);
  EXPECT_EQ(o.compression, Compression::kZstd);
  EXPECT_EQ(o.heat_half_life_s, 2.5);
  EXPECT_EQ(o.scheduler, "greedy");
}

TEST(Options, DefaultsAreValid) {
  EXPECT_TRUE(ValidateOptions({}).ok()) << ValidateOptions({});
}

TEST(Options, ValidateChecksRangesOfMembersSetDirectly) {
  const auto broken = [](auto change) {
    Options options;
    change(options);
    const absl::Status status = ValidateOptions(options);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    return std::string(status.message());
  };
  EXPECT_THAT(broken([](Options& o) { o.max_runs = 0; }),
              HasSubstr("max_runs: '0'"));
  EXPECT_THAT(broken([](Options& o) { o.bandit_c = std::nan(""); }),
              HasSubstr("bandit_c"));
  EXPECT_THAT(broken([](Options& o) { o.run_policy = "warm"; }),
              HasSubstr("run_policy: 'warm'"));
  EXPECT_THAT(
      broken([](Options& o) { o.compression = static_cast<Compression>(9); }),
      HasSubstr("compression"));
  EXPECT_THAT(broken([](Options& o) { o.file_system = nullptr; }),
              HasSubstr("file_system"));
  EXPECT_THAT(broken([](Options& o) { o.clock = nullptr; }),
              HasSubstr("clock"));
}

TEST(Options, ValidateChecksRelations) {
  const auto broken = [](auto change) {
    Options options;
    change(options);
    return std::string(ValidateOptions(options).message());
  };
  EXPECT_EQ(broken([](Options& o) { o.l0_trigger = 9; }),
            "option l0_trigger (9) must not exceed l0_soft_limit (8)");
  EXPECT_THAT(broken([](Options& o) { o.l0_hard_limit = 8; }),
              HasSubstr("l0_hard_limit (8)"));
  EXPECT_THAT(broken([](Options& o) { o.table_bytes = uint64_t{65} << 20; }),
              HasSubstr("slot_bytes"));
  EXPECT_THAT(broken([](Options& o) {
                o.block_bytes = 1 << 20;
                o.table_bytes = 1 << 19;
              }),
              HasSubstr("block_bytes"));
  EXPECT_THAT(
      broken([](Options& o) { o.memory_limit_bytes = uint64_t{191} << 20; }),
      HasSubstr("memory_limit_bytes"));
}

}  // namespace
}  // namespace nori
