// What only the posix file system has: processes, modes, links, limits.

#include "engine/io/posix_file_system.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "engine/io/io_status.h"
#include "gmock/gmock.h"
#include "tests/engine/io/test_util.h"

namespace nori {
namespace {

using ::testing::HasSubstr;

mode_t ModeOf(const std::string& path) {
  struct stat st = {};
  EXPECT_EQ(::stat(path.c_str(), &st), 0);
  return st.st_mode & 07777;
}

// Runs `f` in a forked child; its result is the exit code.
template <typename F>
int InChild(F f) {
  const pid_t pid = ::fork();
  if (pid == 0) ::_exit(f());
  int status = 0;
  EXPECT_EQ(::waitpid(pid, &status, 0), pid);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

class PosixFileSystemTest : public ::testing::Test {
 protected:
  std::string Path(std::string_view name) const {
    return JoinPath(temp_.path(), name);
  }
  TempDirectory temp_;
  FileSystem* const fs_ = PosixFileSystem();
};

TEST_F(PosixFileSystemTest, AnotherProcessIsRefusedTheLock) {
  auto lock = Get(fs_->LockDirectory(Path("LOCK")));
  const std::string owner =
      "is in use by process " + std::to_string(::getpid());
  const auto try_lock = [&] {
    const auto s = fs_->LockDirectory(Path("LOCK")).status();
    if (s.ok()) return 1;
    if (!absl::IsUnavailable(s)) return 2;
    return std::string(s.message()).find(owner) != std::string::npos ? 0 : 3;
  };
  EXPECT_EQ(InChild(try_lock), 0);
  // A child that drops what it has inherited does not free the parent's lock.
  EXPECT_EQ(InChild([&] {
              lock.reset();
              return try_lock();
            }),
            0);
  EXPECT_EQ(InChild(try_lock), 0);
  lock.reset();
  EXPECT_EQ(InChild(try_lock), 1);
}

TEST_F(PosixFileSystemTest, LockOfADeadProcessIsFree) {
  int to_parent[2], to_child[2];
  ASSERT_EQ(::pipe(to_parent), 0);
  ASSERT_EQ(::pipe(to_child), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    auto lock = fs_->LockDirectory(Path("LOCK"));
    char c = lock.ok() ? 'y' : 'n';
    if (::write(to_parent[1], &c, 1) != 1) ::_exit(1);
    while (::read(to_child[0], &c, 1) < 0) {
    }
    ::_exit(0);
  }
  char c = 0;
  ASSERT_EQ(::read(to_parent[0], &c, 1), 1);
  ASSERT_EQ(c, 'y');
  const auto refused = fs_->LockDirectory(Path("LOCK"));
  EXPECT_TRUE(absl::IsUnavailable(refused.status()));
  EXPECT_THAT(std::string(refused.status().message()),
              HasSubstr("is in use by process " + std::to_string(child)));
  ASSERT_EQ(::kill(child, SIGKILL), 0);
  int status;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_OK(fs_->LockDirectory(Path("LOCK")).status());
  for (int fd : {to_parent[0], to_parent[1], to_child[0], to_child[1]}) {
    ::close(fd);
  }
}

TEST_F(PosixFileSystemTest, FailedSecondLockKeepsTheFirst) {
  auto lock = Get(fs_->LockDirectory(Path("LOCK")));
  ASSERT_EQ(::link(Path("LOCK").c_str(), Path("ALIAS").c_str()), 0);
  // Under any name, and through any instance.
  EXPECT_FALSE(fs_->LockDirectory(Path("ALIAS")).ok());
  auto other = NewPosixFileSystem({});
  EXPECT_FALSE(other->LockDirectory(Path("LOCK")).ok());
  EXPECT_EQ(
      InChild([&] {
        return absl::IsUnavailable(fs_->LockDirectory(Path("LOCK")).status())
                   ? 0
                   : 1;
      }),
      0);
}

TEST_F(PosixFileSystemTest, DescriptorsAreCloseOnExecAndAboveStandardError) {
  EXPECT_EQ(InChild([&] {
              ::close(STDIN_FILENO);
              ::close(STDOUT_FILENO);
              auto file = fs_->OpenReadWrite(Path("f"), true);
              auto lock = fs_->LockDirectory(Path("LOCK"));
              if (!file.ok() || !lock.ok()) return 1;
              if (::fcntl(STDIN_FILENO, F_GETFD) != -1) return 2;
              if (::fcntl(STDOUT_FILENO, F_GETFD) != -1) return 3;
              int seen = 0;
              for (int fd = 3; fd < 1024; ++fd) {
                struct stat st, wanted;
                if (::fstat(fd, &st) != 0) continue;
                for (const char* name : {"f", "LOCK"}) {
                  if (::stat(Path(name).c_str(), &wanted) != 0 ||
                      st.st_ino != wanted.st_ino) {
                    continue;
                  }
                  ++seen;
                  if ((::fcntl(fd, F_GETFD) & FD_CLOEXEC) == 0) return 4;
                }
              }
              return seen == 2 ? 0 : 5;
            }),
            0);
}

TEST_F(PosixFileSystemTest, ModesAreExactIfGiven) {
  const mode_t old_mask = ::umask(027);
  ASSERT_OK(WriteNewFile(fs_, Path("default"), "x", false));
  ASSERT_OK(fs_->CreateDirectory(Path("default.d")));
  PosixFileOptions options;
  options.file_mode = 0664;
  auto exact = NewPosixFileSystem(options);
  ASSERT_OK(WriteNewFile(exact.get(), Path("exact"), "x", false));
  ASSERT_OK(exact->CreateDirectory(Path("exact.d")));
  EXPECT_OK(exact->OpenReadWrite(Path("rw"), true).status());
  EXPECT_OK(exact->LockDirectory(Path("LOCK")).status());
  // A file that is there keeps what it has.
  ASSERT_OK(WriteNewFile(exact.get(), Path("default"), "y", false));
  ::umask(old_mask);
  EXPECT_EQ(ModeOf(Path("default")), 0640u);
  EXPECT_EQ(ModeOf(Path("default.d")), 0750u);
  EXPECT_EQ(ModeOf(Path("exact")), 0664u);
  EXPECT_EQ(ModeOf(Path("exact.d")), 0775u);
  EXPECT_EQ(ModeOf(Path("rw")), 0664u);
  EXPECT_EQ(ModeOf(Path("LOCK")), 0664u);
}

TEST_F(PosixFileSystemTest, SymbolicLinksAreNotWrittenThrough) {
  ASSERT_OK(WriteNewFile(fs_, Path("victim"), "precious", false));
  ASSERT_EQ(::symlink("victim", Path("link").c_str()), 0);
  PosixFileOptions options;
  options.file_mode = 0600;
  auto exact = NewPosixFileSystem(options);
  for (FileSystem* fs : {fs_, exact.get()}) {
    for (const absl::Status& s :
         {fs->CreateWritable(Path("link")).status(),
          fs->OpenReadWrite(Path("link"), true).status(),
          fs->OpenReadWrite(Path("link"), false).status(),
          fs->LockDirectory(Path("link")).status()}) {
      EXPECT_EQ(s.code(), absl::StatusCode::kPermissionDenied) << s;
    }
  }
  EXPECT_EQ(Get(fs_->ReadFile(Path("victim"))), "precious");
}

TEST_F(PosixFileSystemTest, PermissionIsDenied) {
  if (::geteuid() == 0) {
    // Root may do anything, so let a child become nobody.
    ASSERT_EQ(::chmod(temp_.path().c_str(), 0755), 0);
  }
  ASSERT_OK(WriteNewFile(fs_, Path("f"), "x", false));
  ASSERT_EQ(::chmod(Path("f").c_str(), 0), 0);
  EXPECT_EQ(InChild([&] {
              if (::geteuid() == 0 && ::setuid(65534) != 0) return 1;
              const auto s = fs_->OpenRandomAccess(Path("f")).status();
              return absl::IsPermissionDenied(s) ? 0 : 2;
            }),
            0);
}

TEST_F(PosixFileSystemTest, AFullDiskIsResourceExhausted) {
  if (::access("/dev/full", W_OK) != 0) GTEST_SKIP() << "no /dev/full";
  auto file = Get(fs_->CreateWritable("/dev/full"));
  ASSERT_OK(file->Append("buffered"));
  const absl::Status s = file->Sync();
  EXPECT_EQ(s.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(IoOperationOf(s), IoOperation::kWrite);
  EXPECT_EQ(file->Append("more"), s);
  EXPECT_EQ(file->Sync(), s);
  EXPECT_EQ(file->Close(), s);
}

TEST_F(PosixFileSystemTest, AFailedWriteIsInternal) {
  EXPECT_EQ(InChild([&] {
              ::signal(SIGXFSZ, SIG_IGN);
              const struct rlimit limit = {1000, 1000};
              if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) return 1;
              auto file = fs_->OpenReadWrite(Path("f"), true);
              if (!file.ok()) return 2;
              const absl::Status s =
                  (*file)->WriteAt(0, std::string(2000, 'x'));
              if (s.code() != absl::StatusCode::kInternal) return 3;
              // The part before the limit is there: the loop went on after
              // the short write.
              return *(*file)->Size() == 1000 ? 0 : 4;
            }),
            0);
}

TEST_F(PosixFileSystemTest, FailedSyncIsNotForgotten) {
  // A pipe cannot be synced; its other end is needed for the open only.
  ASSERT_EQ(::mkfifo(Path("fifo").c_str(), 0600), 0);
  auto file = Get(fs_->OpenReadWrite(Path("fifo"), false));
  const absl::Status s = file->Sync();
  EXPECT_EQ(s.code(), absl::StatusCode::kInternal);
  EXPECT_EQ(IoOperationOf(s), IoOperation::kSync);
  EXPECT_EQ(file->Sync(), s);
}

}  // namespace
}  // namespace nori
