// A file system whose operations fail on demand.

#ifndef NORI_ENGINE_IO_FAULT_FILE_SYSTEM_H_
#define NORI_ENGINE_IO_FAULT_FILE_SYSTEM_H_

#include <array>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "engine/io/clock.h"
#include "engine/io/file_system.h"
#include "engine/io/io_status.h"

namespace nori {

// A set of operations.
class IoOperationSet {
 public:
  constexpr IoOperationSet(std::initializer_list<IoOperation> operations) {
    for (IoOperation o : operations) bits_ |= Bit(o);
  }
  static constexpr IoOperationSet All() {
    IoOperationSet all({});
    all.bits_ = (uint32_t{1} << kIoOperationCount) - 1;
    return all;
  }
  // Everything that changes what is on the disk, or makes it durable.
  static constexpr IoOperationSet Changes() {
    using enum IoOperation;
    return {kCreate, kWrite, kSync,          kClose,         kTruncate, kDelete,
            kRename, kLink,  kSyncDirectory, kMakeDirectory, kLock};
  }
  constexpr bool contains(IoOperation o) const { return (bits_ & Bit(o)) != 0; }

 private:
  static constexpr uint32_t Bit(IoOperation o) {
    return uint32_t{1} << static_cast<uint32_t>(o);
  }
  uint32_t bits_ = 0;
};

struct Fault {
  enum class Effect {
    // The call fails with `code` and does nothing; a write may write a random
    // part of its data first, as a device does.
    kFail,
    // Only for reads: a random number of bytes too few. RandomAccessFile::Read
    // answers kDataLoss, the others what there was.
    kShortRead,
    // Only for reads: one random bit is wrong.
    kFlipBit,
  };

  // The calls counted and hit. For kShortRead and kFlipBit the rest of the set
  // but kRead is of no account.
  IoOperationSet operations = IoOperationSet::All();
  // Only paths that contain this. Of a rename or link either path counts.
  std::string path_contains = {};
  // The first call to hit, counted from 1 when the fault is added.
  uint64_t nth = 1;
  // Hit every later call too, not only the nth.
  bool from_then_on = false;
  Effect effect = Effect::kFail;
  // Of kFail; must not be kOk.
  absl::StatusCode code = absl::StatusCode::kInternal;
  std::string cause = "injected fault";
};

// Hands every operation on to `base` unless a fault hits it. Mapped() of its
// files is empty, so that every read passes through Read and can be hit. A
// ReadFile is a kOpen and a kRead, Exists is never hit. After a failed Sync
// file objects keep failing as file_system.h asks.
//
// Thread-safe. It must outlive its files, and `base` must outlive it.
class FaultFileSystem final : public FileSystem {
 public:
  // `seed` decides which bits flip and how much of a failing write is written.
  FaultFileSystem(FileSystem* base, uint64_t seed);
  ~FaultFileSystem() override;

  // Adds to the faults there are; the first that hits a call decides it.
  void AddFault(Fault fault);
  // Removes all faults; the space is not changed.
  void ClearFaults();
  // How many times a fault, or missing space, has hit a call.
  uint64_t hits() const;

  // Lets `bytes` more be written; what exceeds them fails with
  // kResourceExhausted after the part that fits. nullopt: no bound, as at the
  // start. Removing files gives nothing back.
  void SetSpace(std::optional<uint64_t> bytes);

  // Calls of these operations since construction, failed ones included.
  uint64_t Calls(const IoOperationSet& operations) const;

  // Calls `observer` before every operation (and before it can be hit), on the
  // thread that does it, for example to take a picture of the disk at every
  // step. It must not use this file system. Null: none.
  void SetObserver(
      std::function<void(IoOperation, std::string_view path)> observer);

  absl::StatusOr<std::unique_ptr<RandomAccessFile>> OpenRandomAccess(
      const std::string& path) override;
  absl::StatusOr<std::unique_ptr<WritableFile>> CreateWritable(
      const std::string& path) override;
  absl::StatusOr<std::unique_ptr<ReadWriteFile>> OpenReadWrite(
      const std::string& path, bool create) override;
  absl::StatusOr<std::string> ReadFile(const std::string& path) override;
  absl::Status CreateDirectory(const std::string& path) override;
  absl::Status RemoveDirectory(const std::string& path) override;
  absl::StatusOr<std::vector<std::string>> ListDirectory(
      const std::string& path) override;
  bool Exists(const std::string& path) override;
  absl::StatusOr<bool> IsDirectory(const std::string& path) override;
  absl::StatusOr<uint64_t> FileSize(const std::string& path) override;
  absl::StatusOr<FileIdentity> Identity(const std::string& path) override;
  absl::Status RemoveFile(const std::string& path) override;
  absl::Status RenameFile(const std::string& from,
                          const std::string& to) override;
  absl::Status LinkFile(const std::string& from,
                        const std::string& to) override;
  absl::Status SyncDirectory(const std::string& path) override;
  absl::StatusOr<std::unique_ptr<DirectoryLock>> LockDirectory(
      const std::string& path) override;

 private:
  friend class FaultRandomAccessFile;
  friend class FaultWritableFile;
  friend class FaultReadWriteFile;

  struct Armed {
    Fault fault;
    uint64_t seen = 0;
  };
  // What is to become of a call.
  struct Verdict {
    absl::Status status;  // of kFail
    // Reads: bytes to leave out, and the bit to flip.
    size_t cut = 0;
    std::optional<uint64_t> flip;
    // Writes: how much to write, if not all. Then `status` is not OK.
    std::optional<size_t> write_only;
  };

  // Counts a call and decides it. `size` is that of a read or write. `other`
  // is the second path of a rename or link.
  Verdict Decide(IoOperation operation, std::string_view path, size_t size = 0,
                 std::string_view other = {});
  // For operations that fail or do not.
  absl::Status Check(IoOperation operation, std::string_view path,
                     std::string_view other = {}) {
    return Decide(operation, path, 0, other).status;
  }
  void Hit(const Fault& fault, IoOperation operation, std::string_view path,
           size_t size, Verdict* verdict) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void UseSpace(std::string_view path, size_t size, Verdict* verdict)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  FileSystem* const base_;
  mutable absl::Mutex mutex_;
  Random random_ ABSL_GUARDED_BY(mutex_);
  std::vector<Armed> faults_ ABSL_GUARDED_BY(mutex_);
  std::optional<uint64_t> space_ ABSL_GUARDED_BY(mutex_);
  uint64_t hits_ ABSL_GUARDED_BY(mutex_) = 0;
  std::array<uint64_t, kIoOperationCount> calls_ ABSL_GUARDED_BY(mutex_) = {};
  std::shared_ptr<const std::function<void(IoOperation, std::string_view)>>
      observer_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace nori

#endif  // NORI_ENGINE_IO_FAULT_FILE_SYSTEM_H_
