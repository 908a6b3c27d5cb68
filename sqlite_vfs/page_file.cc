#include "sqlite_vfs/page_file.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "engine/format/status_macros.h"
#include "sqlite_vfs/sqlite.h"

namespace nori {
namespace {

constexpr uint32_t kUsualBlock = 4096;

// Where SQLite's header keeps what WAL mode leaves there.
constexpr size_t kHeaderBytes = 100;
constexpr size_t kWriteVersion = 18;
constexpr size_t kReadVersion = 19;
constexpr size_t kChangeCounter = 24;
constexpr size_t kVersionValidFor = 92;

// A backup copies the header of a database in WAL mode as it is, and SQLite
// would then look for a log that there cannot be. The counter is moved so that
// no cached copy of the page is taken for this one.
void TakeOutOfWalMode(std::string* page) {
  (*page)[kWriteVersion] = 1;
  (*page)[kReadVersion] = 1;
  for (const size_t counter : {kChangeCounter, kVersionValidFor}) {
    for (size_t i = counter + 4; i-- > counter;) {
      (*page)[i] = static_cast<char>((*page)[i] + 1);
      if ((*page)[i] != 0) break;
    }
  }
}

}  // namespace

absl::StatusOr<bool> PageFile::Get(const SnapshotRef& snapshot,
                                   std::string_view key,
                                   PinnedValue* value) const {
  if (transaction_ != nullptr) return transaction_->Get(key, value);
  return engine()->Get({.snapshot = snapshot}, key, value);
}

absl::Status PageFile::CheckProcess() const {
  if (owner_ == CurrentProcess()) return absl::OkStatus();
  return absl::FailedPreconditionError(
      "this connection was opened before a fork; open a new one in the child");
}

absl::StatusOr<PageFile::View> PageFile::CurrentView() const {
  NORI_RETURN_IF_ERROR(CheckProcess());
  if (transaction_ != nullptr) return View{committed_.snapshot, geometry_};
  if (level_ > SQLITE_LOCK_NONE) return committed_;
  View view;
  view.snapshot = Snapshot();
  NORI_ASSIGN_OR_RETURN(view.geometry, ReadGeometry([&](std::string_view key,
                                                        PinnedValue* value) {
                          return Get(view.snapshot, key, value);
                        }));
  return view;
}

absl::Status PageFile::Lock(int level) {
  if (level <= level_) return absl::OkStatus();
  NORI_RETURN_IF_ERROR(CheckProcess());
  if (level_ == SQLITE_LOCK_NONE) {
    NORI_ASSIGN_OR_RETURN(committed_, CurrentView());
    level_ = SQLITE_LOCK_SHARED;
  }
  if (level > SQLITE_LOCK_SHARED && level_ <= SQLITE_LOCK_SHARED) {
    if (!store_->TakeWriter(this)) {
      return absl::UnavailableError("another connection is writing");
    }
    if (engine()->LastSequence() != committed_.snapshot->sequence()) {
      store_->GiveWriter(this);
      return absl::AbortedError("others have committed since the first read");
    }
  }
  level_ = level;
  return absl::OkStatus();
}

void PageFile::Unlock(int level) {
  if (owner_ != CurrentProcess()) Abandon();
  if (level >= level_) return;
  if (level_ > SQLITE_LOCK_SHARED && level <= SQLITE_LOCK_SHARED) {
    Discard();
    given_up_ = false;
    store_->GiveWriter(this);
  }
  if (level == SQLITE_LOCK_NONE) committed_ = {};
  level_ = level;
}

void PageFile::Abandon() {
  static_cast<void>(transaction_.release());
  if (committed_.snapshot != nullptr) {
    static_cast<void>(new SnapshotRef(std::move(committed_.snapshot)));
  }
  committed_ = {};
  prepared_ = given_up_ = false;
  durability_ = Durability::kNone;
  rows_ = nullptr;
  level_ = SQLITE_LOCK_NONE;
}

void PageFile::Discard() {
  if (owner_ != CurrentProcess()) Abandon();
  if (transaction_ != nullptr) {
    if (const absl::Status status = transaction_->Rollback(); !status.ok()) {
      sqlite3_log(SQLITE_IOERR, "nori: undoing a transaction: %s",
                  std::string(status.message()).c_str());
    }
  }
  transaction_.reset();
  prepared_ = false;
  prepared_with_ = nullptr;
  durability_ = Durability::kNone;
  rows_ = nullptr;
}

SnapshotRef PageFile::Snapshot() const {
  if (level_ > SQLITE_LOCK_NONE) return committed_.snapshot;
  return fixed_ != nullptr ? fixed_ : engine()->GetSnapshot();
}

void PageFile::CommitWith(RowChanges* rows) {
  EndRollback();
  if (transaction_ != nullptr) transaction_->Include(nullptr);
  rows_ = rows;
  changed_since_rows_ = false;
}

absl::Status PageFile::ReadPart(const View& view, uint64_t number, size_t at,
                                size_t size, char* buffer) const {
  return ReadBlock(
      [&](std::string_view key, PinnedValue* value) {
        return Get(view.snapshot, key, value);
      },
      view.geometry.block, number, at, size, buffer);
}

absl::StatusOr<size_t> PageFile::Read(uint64_t offset, size_t size,
                                      char* buffer) {
  // The pager looks for changes by others only as it begins to read. Under
  // locking_mode=EXCLUSIVE it tells in no other way that it gave up a
  // transaction without playing back a journal.
  if (offset == kChangeCounter && size == 16) {
    Discard();
    given_up_ = false;
  }
  EndRollback();
  NORI_ASSIGN_OR_RETURN(const View view, CurrentView());
  const uint64_t end = std::min(view.geometry.size, offset + size);
  const size_t inside = end > offset ? end - offset : 0;
  std::memset(buffer + inside, 0, size - inside);
  for (size_t done = 0; done < inside;) {
    const uint64_t number = (offset + done) / view.geometry.block;
    const size_t at = (offset + done) % view.geometry.block;
    const size_t part = std::min(inside - done, view.geometry.block - at);
    NORI_RETURN_IF_ERROR(ReadPart(view, number, at, part, buffer + done));
    done += part;
  }
  return inside;
}

absl::StatusOr<uint64_t> PageFile::Size() {
  NORI_ASSIGN_OR_RETURN(const View view, CurrentView());
  return view.geometry.size;
}

absl::Status PageFile::BeginChange() {
  if (level_ <= SQLITE_LOCK_SHARED) {
    return absl::FailedPreconditionError("a write without a lock for writing");
  }
  prepared_ = false;
  if (transaction_ != nullptr) return absl::OkStatus();
  TransactionOptions options;
  options.read_snapshot = committed_.snapshot;
  NORI_ASSIGN_OR_RETURN(transaction_, engine()->BeginTransaction(options));
  geometry_ = committed_.geometry;
  return absl::OkStatus();
}

// A rollback writes nothing but what is committed already.
absl::Status PageFile::CompareBlock(uint64_t number, std::string_view data) {
  if (rows_ == nullptr || changed_since_rows_) return absl::OkStatus();
  std::string before(data.size(), '\0');
  if (committed_.geometry.block == data.size()) {
    const auto source = [&](std::string_view key, PinnedValue* value) {
      return engine()->Get({.snapshot = committed_.snapshot}, key, value);
    };
    NORI_RETURN_IF_ERROR(ReadBlock(source, committed_.geometry.block, number, 0,
                                   before.size(), before.data()));
  }
  changed_since_rows_ = before != data;
  return absl::OkStatus();
}

absl::Status PageFile::PutBlock(uint64_t number, std::string_view data) {
  NORI_RETURN_IF_ERROR(CompareBlock(number, data));
  return WriteBlock(number, data, transaction_.get());
}

absl::Status PageFile::WritePart(uint64_t number, size_t at,
                                 std::string_view data) {
  if (data.size() == geometry_.block) return PutBlock(number, data);
  std::string block(geometry_.block, '\0');
  NORI_RETURN_IF_ERROR(ReadPart({committed_.snapshot, geometry_}, number, 0,
                                block.size(), block.data()));
  block.replace(at, data.size(), data);
  return PutBlock(number, block);
}

absl::Status PageFile::Write(uint64_t offset, std::string_view data) {
  if (given_up_) return absl::OkStatus();
  EndRollback();
  NORI_RETURN_IF_ERROR(BeginChange());
  if (geometry_.block == 0) {
    const bool is_page = std::has_single_bit(data.size()) &&
                         data.size() >= kSmallestBlock &&
                         data.size() <= kLargestBlock;
    geometry_.block =
        is_page ? static_cast<uint32_t>(data.size()) : kUsualBlock;
  }
  std::string patched;
  if (offset == 0 && data.size() >= kHeaderBytes && data[kReadVersion] == 2) {
    patched = data;
    TakeOutOfWalMode(&patched);
    data = patched;
  }
  const uint64_t end = offset + data.size();
  while (!data.empty()) {
    const size_t at = offset % geometry_.block;
    const size_t part = std::min(data.size(), geometry_.block - at);
    NORI_RETURN_IF_ERROR(
        WritePart(offset / geometry_.block, at, data.substr(0, part)));
    data.remove_prefix(part);
    offset += part;
  }
  geometry_.size = std::max(geometry_.size, end);
  return absl::OkStatus();
}

absl::Status PageFile::Truncate(uint64_t size) {
  if (given_up_) return absl::OkStatus();
  NORI_RETURN_IF_ERROR(BeginChange());
  if (size < geometry_.size) {
    const uint64_t number = size / geometry_.block;
    const size_t at = size % geometry_.block;
    if (at != 0) {
      const std::string zeros(geometry_.block - at, '\0');
      NORI_RETURN_IF_ERROR(WritePart(number, at, zeros));
    }
    NORI_RETURN_IF_ERROR(
        CutBlocks(at != 0 ? number + 1 : number, transaction_.get()));
  }
  geometry_.size = size;
  if (size == 0) geometry_.block = 0;
  if (size != 0 && geometry_.block == 0) geometry_.block = kUsualBlock;
  return absl::OkStatus();
}

absl::Status PageFile::StageGeometry() {
  if (geometry_ == committed_.geometry) return absl::OkStatus();
  return WriteGeometry(geometry_, transaction_.get());
}

absl::Status PageFile::Prepare(RowChanges* with, Durability durability) {
  NORI_RETURN_IF_ERROR(StageGeometry());
  transaction_->Include(with == nullptr ? nullptr : with->changes());
  NORI_RETURN_IF_ERROR(transaction_->Prepare(PrepareMode::kCommitsUnlessAborted,
                                             /*mixed_number=*/0, durability));
  prepared_with_ = with;
  return absl::OkStatus();
}

absl::Status PageFile::BeginSync(bool is_part) {
  // The end of the journal's playback.
  if (std::exchange(given_up_, false)) return absl::OkStatus();
  return is_part ? Sync() : absl::OkStatus();
}

absl::Status PageFile::Sync() {
  if (transaction_ == nullptr || prepared_) return absl::OkStatus();
  NORI_RETURN_IF_ERROR(CheckProcess());
  const bool with_rows =
      rows_ != nullptr && changed_since_rows_ && rows_->IsCommitting();
  const absl::Status status =
      Prepare(with_rows ? rows_ : nullptr, sync_durability_);
  if (status.ok()) {
    prepared_ = true;
    durability_ = sync_durability_;
    return status;
  }
  Discard();
  given_up_ = true;
  return status;
}

absl::Status PageFile::CommitPhaseTwo() {
  NORI_RETURN_IF_ERROR(CheckProcess());
  if (given_up_) return absl::InternalError("the transaction was given up");
  if (transaction_ == nullptr && rows_ == nullptr) return absl::OkStatus();
  RowChanges* const rows = rows_;
  const Durability durability = durability_;
  absl::Status status;
  // A file that shrinks is cut after its sync.
  if (!prepared_ || prepared_with_ != rows) {
    status = BeginChange();
    if (status.ok() && durability != Durability::kNone) {
      status = Prepare(rows, durability);
    } else if (status.ok()) {
      status = StageGeometry();
      transaction_->Include(rows == nullptr ? nullptr : rows->changes());
    }
  }
  if (status.ok()) {
    status = transaction_->Commit(durability);
    transaction_.reset();
  }
  Discard();
  if (!status.ok()) return status;
  // The writer's place is still held: the newest commit is this one.
  committed_ = {engine()->GetSnapshot(), geometry_};
  if (rows != nullptr) rows->Committed();
  return absl::OkStatus();
}

}  // namespace nori
