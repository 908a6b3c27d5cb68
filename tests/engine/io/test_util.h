// Helpers of the tests of file systems.

#ifndef NORI_TESTS_ENGINE_IO_TEST_UTIL_H_
#define NORI_TESTS_ENGINE_IO_TEST_UTIL_H_

#include <stdlib.h>

#include <cstdint>
#include <filesystem>
#include <iostream>
#include <memory>
#include <random>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/format/status_macros.h"
#include "engine/io/clock.h"
#include "engine/io/file_system.h"
#include "gtest/gtest.h"

namespace nori {

inline ::testing::AssertionResult IsOk(const char* expression,
                                       const absl::Status& status) {
  if (status.ok()) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << expression << ": " << status;
}
#define ASSERT_OK(expr) ASSERT_PRED_FORMAT1(::nori::IsOk, expr)
#define EXPECT_OK(expr) EXPECT_PRED_FORMAT1(::nori::IsOk, expr)

// The value, or a test failure and an exception.
template <typename T>
T Get(absl::StatusOr<T> s) {
  EXPECT_TRUE(s.ok()) << s.status();
  return std::move(s).value();
}

// A directory of the operating system that is removed with its content.
class TempDirectory {
 public:
  TempDirectory() {
    std::string name = ::testing::TempDir() + "/nori-io-XXXXXX";
    EXPECT_NE(::mkdtemp(name.data()), nullptr);
    path_ = name;
  }
  ~TempDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempDirectory(const TempDirectory&) = delete;
  TempDirectory& operator=(const TempDirectory&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// A fresh seed, or that of NORI_TEST_SEED; printed so that a run can be
// repeated.
inline uint64_t TestSeed() {
  uint64_t seed = std::random_device{}();
  if (const char* fixed = ::getenv("NORI_TEST_SEED")) {
    seed = ::strtoull(fixed, nullptr, 10);
  }
  std::cout << "NORI_TEST_SEED=" << seed << std::endl;
  return seed;
}

inline std::string RandomBytes(Random* random, size_t n) {
  std::string s(n, '\0');
  for (char& c : s) c = static_cast<char>(random->Next());
  return s;
}

inline absl::Status WriteNewFile(FileSystem* fs, const std::string& path,
                                 std::string_view content, bool sync) {
  NORI_ASSIGN_OR_RETURN(auto file, fs->CreateWritable(path));
  NORI_RETURN_IF_ERROR(file->Append(content));
  if (sync) NORI_RETURN_IF_ERROR(file->Sync());
  return file->Close();
}

}  // namespace nori

#endif  // NORI_TESTS_ENGINE_IO_TEST_UTIL_H_
