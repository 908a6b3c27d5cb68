// What the tests of the log share.

#ifndef NORI_TESTS_ENGINE_WAL_LOG_TEST_UTIL_H_
#define NORI_TESTS_ENGINE_WAL_LOG_TEST_UTIL_H_

#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "engine/wal/log.h"
#include "gtest/gtest.h"
#include "tests/engine/wal/test_file_system.h"

namespace nori {

struct TestRecord {
  LogPosition position;
  std::string payload;
  friend bool operator==(const TestRecord&, const TestRecord&) = default;
};

class LogTestBase : public ::testing::Test {
 protected:
  LogOptions Options(uint64_t segment_bytes = 4096) {
    LogOptions options;
    options.file_system = &fs_;
    options.directory = "/log";
    options.segment_bytes = segment_bytes;
    return options;
  }

  static std::string Path(uint64_t number) {
    return "/log/" + LogSegmentName(number);
  }

  std::unique_ptr<LogWriter> Create(const LogOptions& options,
                                    uint64_t next_segment = 1,
                                    LogPosition recovered_end = {}) {
    auto writer = LogWriter::Create(options, next_segment, recovered_end);
    EXPECT_TRUE(writer.ok()) << writer.status();
    return writer.ok() ? *std::move(writer) : nullptr;
  }

  // Appends to the log and to `written`.
  void Append(LogWriter* writer, std::string payload,
              std::vector<TestRecord>* written) {
    const auto end = writer->Append({payload});
    ASSERT_TRUE(end.ok()) << end.status();
    const uint64_t bytes = (32 + payload.size() + 7) / 8 * 8;
    written->push_back(
        {{end->segment, end->offset - bytes}, std::move(payload)});
  }

  absl::StatusOr<LogRecoveryReport> Read(const LogOptions& options,
                                         uint64_t first,
                                         std::vector<TestRecord>* records) {
    records->clear();
    return ReadLog(options, first,
                   [&](LogPosition position, std::string_view payload) {
                     records->push_back({position, std::string(payload)});
                     return absl::OkStatus();
                   });
  }

  static std::string RandomBytes(std::mt19937_64* random, size_t n) {
    std::string result(n, '\0');
    for (char& c : result) c = static_cast<char>((*random)());
    return result;
  }

  TestFileSystem fs_;
};

}  // namespace nori

#endif  // NORI_TESTS_ENGINE_WAL_LOG_TEST_UTIL_H_
