#include "engine/io/fault_file_system.h"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <utility>

#include "engine/format/status_macros.h"

namespace nori {
namespace {

void FlipBit(char* bytes, uint64_t bit) {
  bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
}

bool Contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

}  // namespace

class FaultRandomAccessFile final : public RandomAccessFile {
 public:
  FaultRandomAccessFile(FaultFileSystem* owner, std::string path,
                        std::unique_ptr<RandomAccessFile> base)
      : owner_(owner), path_(std::move(path)), base_(std::move(base)) {}

  absl::Status Read(uint64_t offset, size_t n, char* scratch,
                    std::string_view* result) const override {
    const auto verdict = owner_->Decide(IoOperation::kRead, path_, n);
    NORI_RETURN_IF_ERROR(verdict.status);
    if (verdict.cut > 0) {
      return ShortReadError(path_, offset, n, n - verdict.cut);
    }
    NORI_RETURN_IF_ERROR(base_->Read(offset, n, scratch, result));
    if (verdict.flip.has_value()) {
      std::memmove(scratch, result->data(), result->size());
      FlipBit(scratch, *verdict.flip);
      *result = std::string_view(scratch, result->size());
    }
    return absl::OkStatus();
  }
  std::string_view Mapped() const override { return {}; }
  void Prefetch(uint64_t offset, size_t n) const override {
    base_->Prefetch(offset, n);
  }
  uint64_t Size() const override { return base_->Size(); }

 private:
  FaultFileSystem* const owner_;
  const std::string path_;
  const std::unique_ptr<RandomAccessFile> base_;
};

class FaultWritableFile final : public WritableFile {
 public:
  FaultWritableFile(FaultFileSystem* owner, std::string path,
                    std::unique_ptr<WritableFile> base)
      : owner_(owner), path_(std::move(path)), base_(std::move(base)) {}

  absl::Status Append(std::string_view data) override {
    NORI_RETURN_IF_ERROR(failure_);
    const auto verdict =
        owner_->Decide(IoOperation::kWrite, path_, data.size());
    if (!verdict.status.ok()) {
      base_->Append(data.substr(0, verdict.write_only.value_or(0)))
          .IgnoreError();
      return Remember(verdict.status);
    }
    return Remember(base_->Append(data));
  }
  absl::Status Sync() override {
    NORI_RETURN_IF_ERROR(failure_);
    NORI_RETURN_IF_ERROR(Remember(owner_->Check(IoOperation::kSync, path_)));
    return Remember(base_->Sync());
  }
  absl::Status Close() override {
    if (closed_) return failure_;
    closed_ = true;
    if (failure_.ok()) {
      Remember(owner_->Check(IoOperation::kClose, path_)).IgnoreError();
    }
    absl::Status s = base_->Close();
    return failure_.ok() ? Remember(std::move(s)) : failure_;
  }
  uint64_t Size() const override { return base_->Size(); }

 private:
  absl::Status Remember(absl::Status s) {
    if (!s.ok()) failure_ = s;
    return s;
  }

  FaultFileSystem* const owner_;
  const std::string path_;
  const std::unique_ptr<WritableFile> base_;
  absl::Status failure_;
  bool closed_ = false;
};

class FaultReadWriteFile final : public ReadWriteFile {
 public:
  FaultReadWriteFile(FaultFileSystem* owner, std::string path,
                     std::unique_ptr<ReadWriteFile> base)
      : owner_(owner), path_(std::move(path)), base_(std::move(base)) {}

  absl::Status WriteAt(uint64_t offset, std::string_view data) override {
    const auto verdict =
        owner_->Decide(IoOperation::kWrite, path_, data.size());
    if (verdict.status.ok()) return base_->WriteAt(offset, data);
    const size_t part = verdict.write_only.value_or(0);
    if (part > 0) base_->WriteAt(offset, data.substr(0, part)).IgnoreError();
    return verdict.status;
  }
  absl::Status ReadAt(uint64_t offset, size_t n, char* scratch,
                      std::string_view* result) const override {
    const auto verdict = owner_->Decide(IoOperation::kRead, path_, n);
    NORI_RETURN_IF_ERROR(verdict.status);
    NORI_RETURN_IF_ERROR(
        base_->ReadAt(offset, n - verdict.cut, scratch, result));
    // The end of the file may lie before the bit that was chosen.
    if (verdict.flip.has_value() && !result->empty()) {
      std::memmove(scratch, result->data(), result->size());
      FlipBit(scratch, *verdict.flip % (result->size() * 8));
      *result = std::string_view(scratch, result->size());
    }
    return absl::OkStatus();
  }
  absl::Status Sync() override {
    absl::MutexLock lock(&sync_mutex_);
    NORI_RETURN_IF_ERROR(sync_failure_);
    sync_failure_ = owner_->Check(IoOperation::kSync, path_);
    if (sync_failure_.ok()) sync_failure_ = base_->Sync();
    return sync_failure_;
  }
  absl::Status Truncate(uint64_t size) override {
    NORI_RETURN_IF_ERROR(owner_->Check(IoOperation::kTruncate, path_));
    return base_->Truncate(size);
  }
  absl::StatusOr<uint64_t> Size() const override {
    NORI_RETURN_IF_ERROR(owner_->Check(IoOperation::kStat, path_));
    return base_->Size();
  }

 private:
  FaultFileSystem* const owner_;
  const std::string path_;
  const std::unique_ptr<ReadWriteFile> base_;
  absl::Mutex sync_mutex_;
  absl::Status sync_failure_ ABSL_GUARDED_BY(sync_mutex_);
};

FaultFileSystem::FaultFileSystem(FileSystem* base, uint64_t seed)
    : base_(base), random_(seed) {}
FaultFileSystem::~FaultFileSystem() = default;

void FaultFileSystem::AddFault(Fault fault) {
  assert(fault.nth > 0);
  assert(fault.code != absl::StatusCode::kOk);
  absl::MutexLock lock(&mutex_);
  faults_.push_back({std::move(fault), 0});
}

void FaultFileSystem::ClearFaults() {
  absl::MutexLock lock(&mutex_);
  faults_.clear();
}

uint64_t FaultFileSystem::hits() const {
  absl::MutexLock lock(&mutex_);
  return hits_;
}

void FaultFileSystem::SetSpace(std::optional<uint64_t> bytes) {
  absl::MutexLock lock(&mutex_);
  space_ = bytes;
}

uint64_t FaultFileSystem::Calls(const IoOperationSet& operations) const {
  absl::MutexLock lock(&mutex_);
  uint64_t sum = 0;
  for (size_t i = 0; i < kIoOperationCount; ++i) {
    if (operations.contains(static_cast<IoOperation>(i))) sum += calls_[i];
  }
  return sum;
}

void FaultFileSystem::SetObserver(
    std::function<void(IoOperation, std::string_view)> observer) {
  absl::MutexLock lock(&mutex_);
  observer_ =
      observer == nullptr
          ? nullptr
          : std::make_shared<
                const std::function<void(IoOperation, std::string_view)>>(
                std::move(observer));
}

FaultFileSystem::Verdict FaultFileSystem::Decide(IoOperation operation,
                                                 std::string_view path,
                                                 size_t size,
                                                 std::string_view other) {
  std::shared_ptr<const std::function<void(IoOperation, std::string_view)>>
      observer;
  {
    absl::MutexLock lock(&mutex_);
    observer = observer_;
  }
  // Without the mutex, so that an observer may look at the counters.
  if (observer != nullptr) (*observer)(operation, path);

  Verdict verdict;
  absl::MutexLock lock(&mutex_);
  ++calls_[static_cast<size_t>(operation)];
  bool decided = false;
  for (Armed& armed : faults_) {
    const Fault& f = armed.fault;
    if (!f.operations.contains(operation)) continue;
    if (f.effect != Fault::Effect::kFail && operation != IoOperation::kRead) {
      continue;
    }
    if (!Contains(path, f.path_contains) &&
        (other.empty() || !Contains(other, f.path_contains))) {
      continue;
    }
    ++armed.seen;
    const bool hit = f.from_then_on ? armed.seen >= f.nth : armed.seen == f.nth;
    // Later faults still count the call.
    if (hit && !decided) {
      decided = true;
      Hit(f, operation, path, size, &verdict);
    }
  }
  if (operation == IoOperation::kWrite) UseSpace(path, size, &verdict);
  return verdict;
}

void FaultFileSystem::Hit(const Fault& fault, IoOperation operation,
                          std::string_view path, size_t size,
                          Verdict* verdict) {
  switch (fault.effect) {
    case Fault::Effect::kFail:
      verdict->status = IoError(operation, path, fault.code, fault.cause);
      if (operation == IoOperation::kWrite && size > 0) {
        verdict->write_only = random_.OneIn(2) ? 0 : random_.Uniform(size);
      }
      break;
    case Fault::Effect::kShortRead:
      if (size == 0) return;
      verdict->cut = 1 + random_.Uniform(size);
      break;
    case Fault::Effect::kFlipBit:
      if (size == 0) return;
      verdict->flip = random_.Uniform(size * 8);
      break;
  }
  ++hits_;
}

void FaultFileSystem::UseSpace(std::string_view path, size_t size,
                               Verdict* verdict) {
  if (!space_.has_value()) return;
  const size_t wanted = verdict->write_only.value_or(size);
  if (wanted <= *space_) {
    *space_ -= wanted;
    return;
  }
  verdict->write_only = *space_;
  space_ = 0;
  // A call that fails anyway keeps its reason.
  if (!verdict->status.ok()) return;
  verdict->status =
      IoError(IoOperation::kWrite, path, absl::StatusCode::kResourceExhausted,
              "injected: no space left on device");
  ++hits_;
}

absl::StatusOr<std::unique_ptr<RandomAccessFile>>
FaultFileSystem::OpenRandomAccess(const std::string& path) {
  NORI_RETURN_IF_ERROR(Check(IoOperation::kOpen, path));
  NORI_ASSIGN_OR_RETURN(auto base, base_->OpenRandomAccess(path));
  return std::make_unique<FaultRandomAccessFile>(this, path, std::move(base));
}

absl::StatusOr<std::unique_ptr<WritableFile>> FaultFileSystem::CreateWritable(
    const std::string& path) {
  NORI_RETURN_IF_ERROR(Check(IoOperation::kCreate, path));
  NORI_ASSIGN_OR_RETURN(auto base, base_->CreateWritable(path));
  return std::make_unique<FaultWritableFile>(this, path, std::move(base));
}

absl::StatusOr<std::unique_ptr<ReadWriteFile>> FaultFileSystem::OpenReadWrite(
    const std::string& path, bool create) {
  NORI_RETURN_IF_ERROR(
      Check(create ? IoOperation::kCreate : IoOperation::kOpen, path));
  NORI_ASSIGN_OR_RETURN(auto base, base_->OpenReadWrite(path, create));
  return std::make_unique<FaultReadWriteFile>(this, path, std::move(base));
}

absl::StatusOr<std::string> FaultFileSystem::ReadFile(const std::string& path) {
  NORI_RETURN_IF_ERROR(Check(IoOperation::kOpen, path));
  NORI_ASSIGN_OR_RETURN(std::string content, base_->ReadFile(path));
  const Verdict verdict = Decide(IoOperation::kRead, path, content.size());
  NORI_RETURN_IF_ERROR(verdict.status);
  if (verdict.flip.has_value()) FlipBit(content.data(), *verdict.flip);
  content.resize(content.size() - verdict.cut);
  return content;
}

absl::Status FaultFileSystem::CreateDirectory(const std::string& path) {
  NORI_RETURN_IF_ERROR(Check(IoOperation::kMakeDirectory, path));
  return base_->CreateDirectory(path);
}

absl::Status FaultFileSystem::RemoveDirectory(const std::string& path) {
  NORI_RETURN_IF_ERROR(Check(IoOperation::kDelete, path));
  return base_->RemoveDirectory(path);
}

absl::StatusOr<std::vector<std::string>> FaultFileSystem::ListDirectory(
    const std::string& path) {
  NORI_RETURN_IF_ERROR(Check(IoOperation::kList, path));
  return base_->ListDirectory(path);
}

bool FaultFileSystem::Exists(const std::string& path) {
  return base_->Exists(path);
}

absl::StatusOr<bool> FaultFileSystem::IsDirectory(const std::string& path) {
  NORI_RETURN_IF_ERROR(Check(IoOperation::kStat, path));
  return base_->IsDirectory(path);
}

absl::StatusOr<uint64_t> FaultFileSystem::FileSize(const std::string& path) {
  NORI_RETURN_IF_ERROR(Check(IoOperation::kStat, path));
  return base_->FileSize(path);
}

absl::StatusOr<FileIdentity> FaultFileSystem::Identity(
    const std::string& path) {
  NORI_RETURN_IF_ERROR(Check(IoOperation::kStat, path));
  return base_->Identity(path);
}

absl::Status FaultFileSystem::RemoveFile(const std::string& path) {
  NORI_RETURN_IF_ERROR(Check(IoOperation::kDelete, path));
  return base_->RemoveFile(path);
}

absl::Status FaultFileSystem::RenameFile(const std::string& from,
                                         const std::string& to) {
  NORI_RETURN_IF_ERROR(Check(IoOperation::kRename, from, to));
  return base_->RenameFile(from, to);
}

absl::Status FaultFileSystem::LinkFile(const std::string& from,
                                       const std::string& to) {
  NORI_RETURN_IF_ERROR(Check(IoOperation::kLink, from, to));
  return base_->LinkFile(from, to);
}

absl::Status FaultFileSystem::SyncDirectory(const std::string& path) {
  NORI_RETURN_IF_ERROR(Check(IoOperation::kSyncDirectory, path));
  return base_->SyncDirectory(path);
}

absl::StatusOr<std::unique_ptr<DirectoryLock>> FaultFileSystem::LockDirectory(
    const std::string& path) {
  NORI_RETURN_IF_ERROR(Check(IoOperation::kLock, path));
  return base_->LockDirectory(path);
}

}  // namespace nori
