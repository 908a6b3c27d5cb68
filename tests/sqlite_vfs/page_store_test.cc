// How databases of the VFS `nori` are made, found, shared and removed.

#include "sqlite_vfs/page_store.h"

#include <memory>
#include <string>
#include <utility>

#include "engine/io/fault_file_system.h"
#include "engine/io/memory_file_system.h"
#include "gmock/gmock.h"
#include "sqlite_vfs/marker_file.h"
#include "tests/engine/core/engine_fixture.h"

namespace nori {
namespace {

using ::testing::HasSubstr;

constexpr char kPath[] = "/app.db";

Options OptionsOver(FileSystem* files) {
  Options options = TinyOptions(files);
  options.background = BackgroundMode::kManual;
  return options;
}

void WriteFile(FileSystem* files, const std::string& path,
               const std::string& content) {
  auto file = files->CreateWritable(path);
  ASSERT_TRUE(file.ok()) << file.status();
  NORI_ASSERT_OK((*file)->Append(content));
  NORI_ASSERT_OK((*file)->Close());
}

TEST(MarkerFile, IsReadAsItWasWritten) {
  MemoryFileSystem disk;
  const std::string identity = Engine::NewIdentity();
  NORI_ASSERT_OK(WriteMarker(&disk, kPath, identity));
  const auto read = ReadMarker(&disk, kPath);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(*read, identity);
  EXPECT_FALSE(disk.Exists("/app.db-nori.new"));
  const auto text = disk.ReadFile(kPath);
  ASSERT_TRUE(text.ok());
  // A person who opens it is told what it is.
  EXPECT_THAT(*text, HasSubstr("vfs=nori"));
}

TEST(MarkerFile, AnythingElseIsRefused) {
  MemoryFileSystem disk;
  EXPECT_EQ(*ReadMarker(&disk, kPath), std::nullopt);
  WriteFile(&disk, kPath, "");
  EXPECT_EQ(*ReadMarker(&disk, kPath), std::nullopt);
  NORI_ASSERT_OK(WriteMarker(&disk, "/good", Engine::NewIdentity()));
  const std::string good = *disk.ReadFile("/good");
  for (const std::string& text :
       {std::string("text"), std::string(4096, '\0'), good.substr(0, 30),
        good.substr(0, good.find("identity: ") + 20),
        good.substr(0, good.find("identity: ") + 10) + std::string(32, 'g')}) {
    WriteFile(&disk, kPath, text);
    const auto read = ReadMarker(&disk, kPath);
    EXPECT_TRUE(absl::IsFailedPrecondition(read.status())) << text;
    EXPECT_THAT(std::string(read.status().message()), HasSubstr(kPath));
  }
}

class PageStoresTest : public ::testing::Test {
 protected:
  static void Put(const PageStoreRef& store) {
    WriteOptions durable;
    durable.durability = Durability::kSync;
    NORI_ASSERT_OK(store->engine()->Put(durable, "key", "value"));
  }
  void Make() {
    PageStores stores(OptionsOver(&disk_));
    auto store = stores.Open(kPath, /*create=*/true);
    ASSERT_TRUE(store.ok()) << store.status();
    Put(*store);
  }

  MemoryFileSystem disk_;
};

TEST_F(PageStoresTest, AreSharedAndClosedWithTheLastReference) {
  PageStores stores(OptionsOver(&disk_));
  EXPECT_TRUE(absl::IsNotFound(stores.Open(kPath, false).status()));
  auto one = stores.Open(kPath, true);
  ASSERT_TRUE(one.ok()) << one.status();
  auto two = stores.Open(kPath, false);
  ASSERT_TRUE(two.ok()) << two.status();
  EXPECT_EQ(*one, *two);
  // As another process: who has it is named.
  PageStores others(OptionsOver(&disk_));
  const absl::Status taken = others.Open(kPath, true).status();
  EXPECT_TRUE(absl::IsUnavailable(taken)) << taken;
  EXPECT_THAT(std::string(taken.message()), HasSubstr("process"));
  EXPECT_TRUE(absl::IsUnavailable(others.Remove(kPath).status()));
  one->reset();
  two->reset();
  EXPECT_TRUE(others.Open(kPath, false).ok());
}

TEST_F(PageStoresTest, OneWriterAtATime) {
  PageStores stores(OptionsOver(&disk_));
  const auto store = stores.Open(kPath, true);
  ASSERT_TRUE(store.ok()) << store.status();
  int one, two;
  EXPECT_TRUE((*store)->TakeWriter(&one));
  EXPECT_TRUE((*store)->TakeWriter(&one));
  EXPECT_FALSE((*store)->TakeWriter(&two));
  (*store)->GiveWriter(&two);
  EXPECT_FALSE((*store)->TakeWriter(&two));
  (*store)->GiveWriter(&one);
  EXPECT_TRUE((*store)->TakeWriter(&two));
}

TEST_F(PageStoresTest, WhatIsMissingIsNamed) {
  Make();
  NORI_ASSERT_OK(disk_.RenameFile("/app.db-nori", "/elsewhere"));
  PageStores stores(OptionsOver(&disk_));
  for (const bool create : {false, true}) {
    const absl::Status missing = stores.Open(kPath, create).status();
    EXPECT_TRUE(absl::IsNotFound(missing)) << missing;
    EXPECT_THAT(std::string(missing.message()), HasSubstr("/app.db-nori"));
  }
  WriteFile(&disk_, "/app.db-nori", "a file");
  EXPECT_FALSE(stores.Open(kPath, true).ok());
  NORI_ASSERT_OK(disk_.RemoveFile(kPath));
  const absl::Status in_the_way = stores.Open(kPath, true).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(in_the_way)) << in_the_way;
  EXPECT_EQ(*disk_.ReadFile("/app.db-nori"), "a file");
}

// Removing it is stopped by a power loss or an error at each of its steps: the
// database is there as a whole or not at all, and a new one can be made.
TEST_F(PageStoresTest, RemovalIsWholeOrNotAtAll) {
  Make();
  bool removed = false;
  for (uint64_t step = 1; !removed; ++step) {
    for (const bool power_loss : {true, false}) {
      const auto disk = disk_.Clone();
      FaultFileSystem faults(disk.get(), step);
      std::unique_ptr<MemoryFileSystem> left;
      uint64_t calls = 0;
      faults.SetObserver([&](IoOperation, std::string_view) {
        if (++calls == step) left = disk->Clone();
      });
      if (!power_loss) {
        Fault fault;
        fault.operations = IoOperationSet::Changes();
        fault.nth = step;
        faults.AddFault(fault);
      }
      const auto result = PageStores(OptionsOver(&faults)).Remove(kPath);
      faults.SetObserver(nullptr);
      if (power_loss) {
        EXPECT_TRUE(result.ok() && *result) << result.status();
        removed = left == nullptr;
      }
      if (left == nullptr || !power_loss) left = disk->Clone();
      Random random(step);
      left->Crash(&random);
      PageStores stores(OptionsOver(left.get()));
      auto found = stores.Open(kPath, /*create=*/false);
      if (found.ok()) {
        EXPECT_EQ(GetOr((*found)->engine(), "key"), "value");
        EXPECT_FALSE(removed);
        found->reset();
        const auto again = stores.Remove(kPath);
        EXPECT_TRUE(again.ok() && *again) << again.status();
      } else {
        EXPECT_THAT(std::string(found.status().message()),
                    HasSubstr("there is no database"));
      }
      const auto fresh = stores.Open(kPath, /*create=*/true);
      ASSERT_TRUE(fresh.ok()) << fresh.status() << " step " << step;
      EXPECT_EQ(GetOr((*fresh)->engine(), "key"), "<none>");
    }
  }
}

TEST_F(PageStoresTest, WhatIsNoDatabaseIsNotRemoved) {
  PageStores stores(OptionsOver(&disk_));
  const auto none = stores.Remove(kPath);
  EXPECT_TRUE(none.ok() && !*none);
  WriteFile(&disk_, kPath, std::string(4096, 'x'));
  const auto other = stores.Remove(kPath);
  EXPECT_TRUE(other.ok() && !*other);
  EXPECT_TRUE(disk_.Exists(kPath));
}

}  // namespace
}  // namespace nori
