// What every file system must do, run over all of them.

#include "engine/io/file_system.h"

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "engine/io/fault_file_system.h"
#include "engine/io/io_status.h"
#include "engine/io/memory_file_system.h"
#include "engine/io/posix_file_system.h"
#include "gmock/gmock.h"
#include "tests/engine/io/test_util.h"

namespace nori {
namespace {

using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

// A file system to test, and a directory in it to use.
class Subject {
 public:
  virtual ~Subject() = default;
  virtual FileSystem* fs() = 0;
  virtual std::string directory() = 0;
  virtual bool maps() const { return true; }
};

class PosixSubject : public Subject {
 public:
  FileSystem* fs() override { return PosixFileSystem(); }
  std::string directory() override { return temp_.path(); }

 private:
  TempDirectory temp_;
};

class MemorySubject : public Subject {
 public:
  MemorySubject() { EXPECT_OK(fs_.CreateDirectory("/d")); }
  FileSystem* fs() override { return &fs_; }
  std::string directory() override { return "/d"; }

 private:
  MemoryFileSystem fs_;
};

// Without faults the wrapper must change nothing.
class FaultSubject : public MemorySubject {
 public:
  FileSystem* fs() override { return &fault_; }
  bool maps() const override { return false; }

 private:
  FaultFileSystem fault_{MemorySubject::fs(), 1};
};

struct SubjectKind {
  std::string name;
  std::function<std::unique_ptr<Subject>()> make;
};

class FileSystemTest : public ::testing::TestWithParam<SubjectKind> {
 protected:
  std::string Path(std::string_view name) const {
    return JoinPath(directory_, name);
  }
  void Write(const std::string& name, std::string_view content) {
    ASSERT_OK(WriteNewFile(fs_, Path(name), content, false));
  }
  std::string Read(const std::string& name) {
    return Get(fs_->ReadFile(Path(name)));
  }

  const std::unique_ptr<Subject> subject_ = GetParam().make();
  FileSystem* const fs_ = subject_->fs();
  const std::string directory_ = subject_->directory();
};

TEST_P(FileSystemTest, AppendsOfManySizesReadBack) {
  Random random(TestSeed());
  std::string model;
  auto file = Get(fs_->CreateWritable(Path("f")));
  for (int i = 0; i < 60; ++i) {
    const std::string piece =
        RandomBytes(&random, random.OneIn(5) ? random.Uniform(400'000)
                                             : random.Uniform(3000));
    ASSERT_OK(file->Append(piece));
    model += piece;
    EXPECT_EQ(file->Size(), model.size());
    if (random.OneIn(10)) {
      ASSERT_OK(file->Sync());
      EXPECT_EQ(Get(fs_->FileSize(Path("f"))), model.size());
    }
  }
  ASSERT_OK(file->Close());
  EXPECT_OK(file->Close());
  EXPECT_TRUE(Read("f") == model);

  auto reader = Get(fs_->OpenRandomAccess(Path("f")));
  EXPECT_EQ(reader->Size(), model.size());
  EXPECT_TRUE(reader->Mapped() == (subject_->maps() ? model : ""));
  reader->Prefetch(10, 1000);
  std::string scratch(5000, '\0');
  for (int i = 0; i < 200; ++i) {
    const size_t n = random.Uniform(scratch.size());
    const uint64_t offset = random.Uniform(model.size() - n + 1);
    std::string_view result;
    ASSERT_OK(reader->Read(offset, n, scratch.data(), &result));
    EXPECT_TRUE(result == std::string_view(model).substr(offset, n));
  }
}

TEST_P(FileSystemTest, DestructorOfWritableFileClosesIt) {
  {
    auto file = Get(fs_->CreateWritable(Path("f")));
    ASSERT_OK(file->Append("abc"));
  }
  EXPECT_EQ(Read("f"), "abc");
}

TEST_P(FileSystemTest, AppendsAreBufferedUntilClose) {
  auto file = Get(fs_->CreateWritable(Path("f")));
  ASSERT_OK(file->Append("abc"));
  EXPECT_EQ(Read("f"), "");
  ASSERT_OK(file->Close());
  EXPECT_EQ(Read("f"), "abc");
}

TEST_P(FileSystemTest, CreateTruncates) {
  Write("f", "long content");
  Write("f", "short");
  EXPECT_EQ(Read("f"), "short");
}

TEST_P(FileSystemTest, ReadBeyondTheEndIsDataLoss) {
  Write("f", "0123456789");
  auto file = Get(fs_->OpenRandomAccess(Path("f")));
  char scratch[16];
  std::string_view result;
  const absl::Status s = file->Read(5, 6, scratch, &result);
  EXPECT_EQ(s.code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(IoOperationOf(s), IoOperation::kRead);
  EXPECT_THAT(std::string(s.message()), HasSubstr(Path("f")));
  EXPECT_TRUE(absl::IsDataLoss(file->Read(100, 1, scratch, &result)));
  EXPECT_OK(file->Read(10, 0, scratch, &result));
  EXPECT_TRUE(result.empty());
}

TEST_P(FileSystemTest, EmptyFileMapsToNothing) {
  Write("f", "");
  auto file = Get(fs_->OpenRandomAccess(Path("f")));
  EXPECT_TRUE(file->Mapped().empty());
  EXPECT_EQ(file->Size(), 0u);
}

TEST_P(FileSystemTest, MappingOutlivesTheName) {
  Random random(TestSeed());
  const std::string content = RandomBytes(&random, 100'000);
  Write("f", content);
  auto file = Get(fs_->OpenRandomAccess(Path("f")));
  auto unmapped_before = Get(fs_->OpenRandomAccess(Path("f")));
  const std::string_view mapped = file->Mapped();
  ASSERT_OK(fs_->RemoveFile(Path("f")));
  Write("f", "another file of the same name");
  EXPECT_TRUE(mapped == (subject_->maps() ? content : ""));
  EXPECT_TRUE(unmapped_before->Mapped() == mapped);
  std::string scratch(content.size(), '\0');
  std::string_view result;
  ASSERT_OK(file->Read(0, content.size(), scratch.data(), &result));
  EXPECT_TRUE(result == content);
}

TEST_P(FileSystemTest, MappingSurvivesGrowth) {
  Write("f", "first");
  auto reader = Get(fs_->OpenRandomAccess(Path("f")));
  const std::string_view mapped = reader->Mapped();
  auto writer = Get(fs_->OpenReadWrite(Path("f"), false));
  ASSERT_OK(writer->WriteAt(5, std::string(1 << 20, 'x')));
  EXPECT_EQ(mapped, subject_->maps() ? "first" : "");
  EXPECT_EQ(reader->Size(), 5u);
}

TEST_P(FileSystemTest, ReadWriteFileAgainstModel) {
  Random random(TestSeed());
  std::string model;
  auto file = Get(fs_->OpenReadWrite(Path("f"), true));
  std::string scratch(20'000, '\0');
  for (int i = 0; i < 400; ++i) {
    const uint64_t offset = random.Uniform(50'000);
    switch (random.Uniform(5)) {
      case 0:
      case 1: {
        const std::string data = RandomBytes(&random, random.Uniform(5000));
        ASSERT_OK(file->WriteAt(offset, data));
        if (!data.empty()) {
          if (model.size() < offset + data.size()) {
            model.resize(offset + data.size(), '\0');
          }
          model.replace(offset, data.size(), data);
        }
        break;
      }
      case 2:
        if (random.OneIn(4)) {
          ASSERT_OK(file->Truncate(offset));
          model.resize(offset, '\0');
        }
        break;
      case 3:
        if (random.OneIn(4)) {
          ASSERT_OK(file->Sync());
        }
        break;
      default: {
        std::string_view result;
        const size_t n = random.Uniform(scratch.size());
        ASSERT_OK(file->ReadAt(offset, n, scratch.data(), &result));
        const std::string_view expected =
            offset < model.size() ? std::string_view(model).substr(offset, n)
                                  : "";
        ASSERT_TRUE(result == expected);
      }
    }
    ASSERT_EQ(Get(file->Size()), model.size());
  }
  EXPECT_TRUE(Read("f") == model);
}

TEST_P(FileSystemTest, OpenReadWriteCreatesOnlyIfAsked) {
  const auto missing = fs_->OpenReadWrite(Path("f"), false);
  EXPECT_TRUE(absl::IsNotFound(missing.status())) << missing.status();
  EXPECT_EQ(IoOperationOf(missing.status()), IoOperation::kOpen);
  Write("f", "kept");
  EXPECT_OK(fs_->OpenReadWrite(Path("f"), true).status());
  EXPECT_EQ(Read("f"), "kept");
}

TEST_P(FileSystemTest, MissingFilesAreNotFound) {
  const std::string path = Path("no");
  for (const absl::Status& s :
       {fs_->OpenRandomAccess(path).status(), fs_->ReadFile(path).status(),
        fs_->FileSize(path).status(), fs_->Identity(path).status(),
        fs_->IsDirectory(path).status(), fs_->RemoveFile(path),
        fs_->RemoveDirectory(path), fs_->ListDirectory(path).status(),
        fs_->SyncDirectory(path), fs_->RenameFile(path, Path("x")),
        fs_->LinkFile(path, Path("x")),
        fs_->CreateWritable(Path("no/f")).status(),
        fs_->CreateDirectory(Path("no/d")),
        fs_->LockDirectory(Path("no/LOCK")).status()}) {
    EXPECT_EQ(s.code(), absl::StatusCode::kNotFound) << s;
    EXPECT_THAT(std::string(s.message()), HasSubstr(path));
    EXPECT_TRUE(IoOperationOf(s).has_value()) << s;
  }
  EXPECT_FALSE(fs_->Exists(path));
}

TEST_P(FileSystemTest, Directories) {
  ASSERT_OK(fs_->CreateDirectory(Path("a")));
  EXPECT_OK(fs_->CreateDirectory(Path("a")));
  ASSERT_OK(fs_->CreateDirectory(Path("a/b")));
  Write("a/f", "x");
  EXPECT_THAT(Get(fs_->ListDirectory(Path("a"))),
              UnorderedElementsAre("b", "f"));
  EXPECT_TRUE(Get(fs_->IsDirectory(Path("a"))));
  EXPECT_FALSE(Get(fs_->IsDirectory(Path("a/f"))));
  EXPECT_TRUE(absl::IsAlreadyExists(fs_->CreateDirectory(Path("a/f"))));
  EXPECT_TRUE(absl::IsFailedPrecondition(fs_->RemoveDirectory(Path("a"))));
  EXPECT_FALSE(fs_->RemoveFile(Path("a/b")).ok());
  EXPECT_FALSE(fs_->RemoveDirectory(Path("a/f")).ok());
  EXPECT_FALSE(fs_->OpenRandomAccess(Path("a")).ok());
  EXPECT_FALSE(fs_->CreateWritable(Path("a")).ok());
  EXPECT_TRUE(absl::IsNotFound(fs_->ReadFile(Path("a/f/g")).status()));
  ASSERT_OK(fs_->RemoveFile(Path("a/f")));
  ASSERT_OK(fs_->RemoveDirectory(Path("a/b")));
  EXPECT_OK(fs_->SyncDirectory(Path("a")));
  ASSERT_OK(fs_->RemoveDirectory(Path("a")));
  EXPECT_FALSE(fs_->Exists(Path("a")));
}

TEST_P(FileSystemTest, RenameReplacesAndMoves) {
  Write("a", "new");
  Write("b", "old");
  auto old_reader = Get(fs_->OpenRandomAccess(Path("b")));
  ASSERT_OK(fs_->RenameFile(Path("a"), Path("b")));
  EXPECT_FALSE(fs_->Exists(Path("a")));
  EXPECT_EQ(Read("b"), "new");
  char scratch[3];
  std::string_view result;
  ASSERT_OK(old_reader->Read(0, 3, scratch, &result));
  EXPECT_EQ(result, "old");

  ASSERT_OK(fs_->CreateDirectory(Path("d")));
  ASSERT_OK(fs_->CreateDirectory(Path("e")));
  ASSERT_OK(fs_->RenameFile(Path("b"), Path("d/c")));
  EXPECT_EQ(Read("d/c"), "new");
  EXPECT_FALSE(fs_->RenameFile(Path("d"), Path("d/inside")).ok());
  EXPECT_FALSE(fs_->RenameFile(Path("e"), Path("d/c")).ok());
  EXPECT_FALSE(fs_->RenameFile(Path("d/c"), Path("e")).ok());
  EXPECT_TRUE(
      absl::IsFailedPrecondition(fs_->RenameFile(Path("e"), Path("d"))));
  ASSERT_OK(fs_->RenameFile(Path("d"), Path("e")));
  EXPECT_EQ(Read("e/c"), "new");
}

TEST_P(FileSystemTest, HardLinksShareOneFile) {
  Write("a", "one");
  ASSERT_OK(fs_->LinkFile(Path("a"), Path("b")));
  EXPECT_TRUE(absl::IsAlreadyExists(fs_->LinkFile(Path("a"), Path("b"))));
  EXPECT_EQ(Get(fs_->Identity(Path("a"))), Get(fs_->Identity(Path("b"))));
  auto file = Get(fs_->OpenReadWrite(Path("a"), false));
  ASSERT_OK(file->WriteAt(0, "ONE"));
  EXPECT_EQ(Read("b"), "ONE");
  EXPECT_OK(fs_->RenameFile(Path("a"), Path("b")));  // does nothing
  EXPECT_TRUE(fs_->Exists(Path("a")));
  ASSERT_OK(fs_->RemoveFile(Path("a")));
  EXPECT_EQ(Read("b"), "ONE");
}

TEST_P(FileSystemTest, IdentityTellsFilesApart) {
  ASSERT_OK(fs_->CreateDirectory(Path("a")));
  ASSERT_OK(fs_->CreateDirectory(Path("b")));
  EXPECT_FALSE(Get(fs_->Identity(Path("a"))) == Get(fs_->Identity(Path("b"))));
  EXPECT_EQ(Get(fs_->Identity(Path("a"))),
            Get(fs_->Identity(Path("b/../a/./"))));
}

TEST_P(FileSystemTest, LockExcludesAndIsReleased) {
  auto lock = Get(fs_->LockDirectory(Path("LOCK")));
  const auto second = fs_->LockDirectory(Path("LOCK"));
  EXPECT_EQ(second.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(IoOperationOf(second.status()), IoOperation::kLock);
  EXPECT_THAT(
      std::string(second.status().message()),
      HasSubstr("engine directory '" + directory_ + "' is in use by process " +
                std::to_string(::getpid())));
  auto other = Get(fs_->LockDirectory(Path("OTHER")));
  lock.reset();
  auto again = Get(fs_->LockDirectory(Path("LOCK")));
  EXPECT_FALSE(fs_->LockDirectory(Path("LOCK")).ok());
}

TEST_P(FileSystemTest, ThreadsUseItAtOnce) {
  std::vector<std::thread> threads;
  auto shared = Get(fs_->OpenReadWrite(Path("shared"), true));
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      const std::string name = "t" + std::to_string(t);
      for (int i = 0; i < 50; ++i) {
        EXPECT_OK(WriteNewFile(fs_, Path(name + ".tmp"), name, false));
        EXPECT_OK(fs_->RenameFile(Path(name + ".tmp"), Path(name)));
        EXPECT_EQ(Get(fs_->ReadFile(Path(name))), name);
        EXPECT_OK(shared->WriteAt(static_cast<uint64_t>(t) * 2, name));
        if (i % 10 == 0) {
          EXPECT_OK(shared->Sync());
        }
        auto reader = Get(fs_->OpenRandomAccess(Path("shared")));
        EXPECT_EQ(reader->Mapped().empty(), !subject_->maps());
      }
    });
  }
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(Read("shared"), "t0t1t2t3");
}

INSTANTIATE_TEST_SUITE_P(
    All, FileSystemTest,
    ::testing::Values(
        SubjectKind{"Posix", [] { return std::make_unique<PosixSubject>(); }},
        SubjectKind{"Memory", [] { return std::make_unique<MemorySubject>(); }},
        SubjectKind{"Fault", [] { return std::make_unique<FaultSubject>(); }}),
    [](const auto& suite_info) { return suite_info.param.name; });

TEST(JoinPathTest, ExactlyOneSlash) {
  EXPECT_EQ(JoinPath("a", "b"), "a/b");
  EXPECT_EQ(JoinPath("a/", "b"), "a/b");
  EXPECT_EQ(JoinPath("a", "/b"), "a/b");
  EXPECT_EQ(JoinPath("/", "b"), "/b");
  EXPECT_EQ(JoinPath("", "b"), "b");
}

}  // namespace
}  // namespace nori
