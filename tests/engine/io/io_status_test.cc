#include "engine/io/io_status.h"

#include <cerrno>
#include <set>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace nori {
namespace {

using ::testing::HasSubstr;

TEST(IoStatusTest, EveryOperationIsNamedAndFoundAgain) {
  std::set<std::string_view> names;
  for (size_t i = 0; i < kIoOperationCount; ++i) {
    const auto operation = static_cast<IoOperation>(i);
    names.insert(IoOperationName(operation));
    const absl::Status s = IoError(operation, "/a/path", EIO);
    EXPECT_EQ(IoOperationOf(s), operation);
    const std::string message(s.message());
    EXPECT_THAT(message, HasSubstr("/a/path"));
    EXPECT_THAT(message, HasSubstr("Input/output error"));
    EXPECT_THAT(message, HasSubstr(std::string(IoOperationName(operation))));
  }
  EXPECT_EQ(names.size(), kIoOperationCount);
  EXPECT_EQ(IoOperationOf(absl::InternalError("x")), std::nullopt);
  EXPECT_EQ(IoOperationOf(absl::OkStatus()), std::nullopt);
}

TEST(IoStatusTest, Codes) {
  using absl::StatusCode;
  EXPECT_EQ(CodeOfErrno(ENOSPC), StatusCode::kResourceExhausted);
  EXPECT_EQ(CodeOfErrno(EDQUOT), StatusCode::kResourceExhausted);
  EXPECT_EQ(CodeOfErrno(ENOENT), StatusCode::kNotFound);
  EXPECT_EQ(CodeOfErrno(EACCES), StatusCode::kPermissionDenied);
  EXPECT_EQ(CodeOfErrno(EROFS), StatusCode::kPermissionDenied);
  EXPECT_EQ(CodeOfErrno(ELOOP), StatusCode::kPermissionDenied);
  EXPECT_EQ(CodeOfErrno(EEXIST), StatusCode::kAlreadyExists);
  EXPECT_EQ(CodeOfErrno(ENOTEMPTY), StatusCode::kFailedPrecondition);
  EXPECT_EQ(CodeOfErrno(EIO), StatusCode::kInternal);
}

TEST(IoStatusTest, ShortReadTellsWhere) {
  const absl::Status s = ShortReadError("p", 4096, 100, 7);
  EXPECT_EQ(s.code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(IoOperationOf(s), IoOperation::kRead);
  EXPECT_THAT(std::string(s.message()), HasSubstr("4096"));
}

}  // namespace
}  // namespace nori
