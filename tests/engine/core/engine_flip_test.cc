// A single flipped bit in any file is reported, when the engine is opened or by
// Verify, and never changes what is read.
//
// NORI_TEST_BITS sets how many bits of each byte are flipped, one after the
// other, up to 8.

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/io/fault_file_system.h"
#include "engine/io/memory_file_system.h"
#include "gmock/gmock.h"
#include "tests/engine/core/engine_fixture.h"

namespace nori {
namespace {

using ::testing::HasSubstr;

constexpr char kDirectory[] = "/db";

// The marks of a clean end, behind everything that says anything: a log record
// with one byte of payload and its padding, and a version edit with a few.
// Damaged, they are taken for what a crash has cut off.
constexpr uint64_t kLogMarkBytes = 40;
constexpr uint64_t kManifestMarkBytes = 16 + 3;

class FlipTest : public ::testing::Test {
 protected:
  FlipTest() {
    std::unique_ptr<Engine> engine = Open(&disk_);
    Fill(engine.get(), 0, 40);
    WriteBatch range;
    range.DeleteRange("key10", "key12");
    NORI_EXPECT_OK(engine->Write({}, range));
    NORI_EXPECT_OK(engine->Flush());
    NORI_EXPECT_OK(engine->CompactRange({}));
    Fill(engine.get(), 30, 50);
    NORI_EXPECT_OK(engine->Flush());
    Fill(engine.get(), 60, 65);
    expected_ = ReadAll(engine.get());
  }

  static Options OptionsOf(FileSystem* disk) {
    Options options = TinyOptions(disk);
    options.background = BackgroundMode::kManual;
    return options;
  }
  static std::unique_ptr<Engine> Open(FileSystem* disk) {
    auto engine = Engine::Open(OptionsOf(disk), kDirectory, {});
    EXPECT_TRUE(engine.ok()) << engine.status();
    return *std::move(engine);
  }
  static void Fill(Engine* engine, int begin, int end) {
    for (int i = begin; i < end; ++i) {
      WriteBatch batch;
      batch.Put(absl::StrCat("key", i), absl::StrCat("value ", i, " ", begin));
      NORI_EXPECT_OK(engine->Write({}, batch));
    }
  }
  static std::map<std::string, std::string> ReadAll(Engine* engine) {
    std::map<std::string, std::string> rows;
    for (int i = 0; i < 70; ++i) {
      const std::string key = absl::StrCat("key", i);
      rows[key] = GetOr(engine, key);
    }
    return rows;
  }
  static std::vector<std::string> Files(FileSystem* disk) {
    std::vector<std::string> names = *disk->ListDirectory(kDirectory);
    std::sort(names.begin(), names.end());
    return names;
  }
  static void Flip(FileSystem* disk, const std::string& path, uint64_t at,
                   int bit) {
    const auto file = disk->OpenReadWrite(path, false);
    ASSERT_TRUE(file.ok());
    char scratch[1];
    std::string_view byte;
    NORI_ASSERT_OK((*file)->ReadAt(at, 1, scratch, &byte));
    const char flipped = static_cast<char>(byte[0] ^ (1 << bit));
    NORI_ASSERT_OK((*file)->WriteAt(at, {&flipped, 1}));
  }
  static void ExpectNamed(const absl::Status& status, const std::string& path) {
    EXPECT_TRUE(absl::IsDataLoss(status)) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(path));
    EXPECT_THAT(std::string(status.message()), HasSubstr("offset"));
  }

  // Behind this a log holds zeros that were written ahead of its records.
  static uint64_t EndOf(FileSystem* disk, const std::string& path) {
    const std::string content = *disk->ReadFile(path);
    if (!path.ends_with(".log")) return content.size();
    return (content.find_last_not_of('\0') + 8) / 8 * 8;
  }

  // Of each file all that is before its end, and a little behind it.
  template <typename F>
  static void ForEachBit(FileSystem* disk, F f) {
    uint64_t flips = 0;
    const int bits = static_cast<int>(EnvOr("NORI_TEST_BITS", 1));
    for (const std::string& name : Files(disk)) {
      // Holds the owner's process id, for messages.
      if (name == "LOCK") continue;
      const std::string path = JoinPath(kDirectory, name);
      const uint64_t size = *disk->FileSize(path);
      const uint64_t end = EndOf(disk, path);
      for (uint64_t at = 0; at < std::min(size, end + 64); ++at) {
        for (int bit = 0; bit < bits; ++bit) {
          SCOPED_TRACE(absl::StrCat(path, " of ", end, " at ", at));
          f(path, at, end, (static_cast<int>(at) + bit) % 8);
          if (::testing::Test::HasFailure()) return;
          ++flips;
        }
      }
    }
    EXPECT_GT(flips, 1000u);
  }

  MemoryFileSystem disk_;
  std::map<std::string, std::string> expected_;
};

TEST_F(FlipTest, WhileTheEngineIsClosed) {
  uint64_t in_marks = 0;
  ForEachBit(
      &disk_, [&](const std::string& path, uint64_t at, uint64_t end, int bit) {
        const auto copy = disk_.Clone();
        Flip(copy.get(), path, at, bit);
        auto engine = Engine::Open(OptionsOf(copy.get()), kDirectory, {});
        if (!engine.ok()) return ExpectNamed(engine.status(), path);
        const absl::Status status = (*engine)->Verify();
        if (!status.ok()) return ExpectNamed(status, path);
        EXPECT_EQ(ReadAll(engine->get()), expected_);
        if (at >= end) return;
        const bool log = path.ends_with(".log");
        EXPECT_TRUE(log || path.find("MANIFEST") != std::string::npos);
        EXPECT_GE(at, end - (log ? kLogMarkBytes : kManifestMarkBytes));
        ++in_marks;
      });
  EXPECT_LE(in_marks, 8 * (kLogMarkBytes + kManifestMarkBytes));
}

TEST_F(FlipTest, WhileTheEngineIsOpen) {
  // Maps no file: what is mapped in memory does not change.
  FaultFileSystem unmapped(&disk_, 1);
  const std::unique_ptr<Engine> engine = Open(&unmapped);
  Fill(engine.get(), 65, 68);
  NORI_ASSERT_OK(engine->Verify());
  ForEachBit(&disk_,
             [&](const std::string& path, uint64_t at, uint64_t end, int bit) {
               if (at >= end) return;
               Flip(&disk_, path, at, bit);
               ExpectNamed(engine->Verify(), path);
               Flip(&disk_, path, at, bit);
             });
  NORI_EXPECT_OK(engine->Verify());
}

}  // namespace
}  // namespace nori
