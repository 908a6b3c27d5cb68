// Database where the pages of its ordinary tables are in the same engine.
//
// SQLite's journal undoes the pages and the module's savepoints undo the rows,
// so each has a list of changes of its own; the commit of the pages takes the
// rows with it. What is read lies over the state that the pager has pinned.
//
// Pages can be replaced by those of another time (sqlite3_backup into the
// database), and rows cannot follow. So every commit that changes rows counts,
// in nori_state and under kCountKey, and tables are used only where both agree.

#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/format/coding.h"
#include "engine/format/status_macros.h"
#include "sqlite_vfs/page_vfs.h"
#include "vtab/database.h"
#include "vtab/error_map.h"

namespace nori {
namespace {

// Beside the keys of pages (page_blocks.cc), whose prefix it has.
constexpr char kCountKey[] = {kPageKeyPrefix, 'r'};

std::string_view CountKey() { return {kCountKey, sizeof(kCountKey)}; }

}  // namespace

PageFile* Database::Pages() const {
  return PageFileOf(connection_->db(), schema_);
}

absl::StatusOr<uint64_t> Database::RowCommits(const SnapshotRef& view) const {
  PinnedValue value;
  NORI_ASSIGN_OR_RETURN(const bool found, Get(view, CountKey(), &value));
  if (!found) return 0;
  std::string_view rest = value.view();
  uint64_t count;
  if (!GetFixed64(&rest, &count) || !rest.empty()) {
    return absl::DataLossError("the count of commits is damaged");
  }
  return count;
}

absl::Status Database::OpenBesidePages() {
  const PageFile* const pages = Pages();
  SnapshotRef view;
  NORI_ASSIGN_OR_RETURN(const DatabaseState own,
                        ReadState([&] { view = pages->Snapshot(); }));
  if (own.identity != pages->engine()->identity()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "the pages of ", path_,
        " were copied from another database without the rows of its nori "
        "tables; DROP the tables, and copy them with INSERT ... SELECT"));
  }
  NORI_ASSIGN_OR_RETURN(shared_, EngineRegistry::Instance().Adopt(
                                     {pages->store(), pages->engine()}));
  NORI_ASSIGN_OR_RETURN(const uint64_t commits, RowCommits(view));
  if (commits == own.last_mixed) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      "the pages of ", path_, " end with change ", own.last_mixed,
      " of its nori tables and the rows with ", commits,
      ": a copy of the pages alone was put back; DROP the tables"));
}

absl::Status Database::RemoveLeftRows() {
  NORI_ASSIGN_OR_RETURN(const auto known, state_table_.ListTables());
  if (!known.empty()) return absl::OkStatus();
  const KeyRange rows{"", std::string(1, kPageKeyPrefix)};
  const auto it = NewIterator(nullptr, rows);
  it->SeekToFirst();
  NORI_RETURN_IF_ERROR(it->status());
  if (!it->Valid()) return absl::OkStatus();
  return changes_->DeleteRange(rows.begin, rows.end);
}

absl::Status Database::BeginBesidePages() {
  const PageFile* const pages = Pages();
  if (pages->level() <= SQLITE_LOCK_SHARED) {
    return absl::FailedPreconditionError(
        "rows are changed outside a write transaction of the database");
  }
  beside_pages_ = engine()->NewChanges(pages->Snapshot());
  changes_ = beside_pages_.get();
  committed_with_pages_ = false;
  return absl::OkStatus();
}

bool Database::IsCommitting() const {
  return sqlite3_get_autocommit(connection_->db()) != 0;
}

absl::Status Database::SyncBesidePages() {
  NORI_RETURN_IF_ERROR(CheckIsPresent());
  PageFile* const pages = Pages();
  if (changes_->empty()) {
    pages->CommitWith(nullptr);
    return absl::OkStatus();
  }
  if (prepared_ && pages->rows() == this) return absl::OkStatus();
  // Changes a page in any case, so that SQLite commits and other connections
  // see it.
  NORI_ASSIGN_OR_RETURN(const DatabaseState state, ReadState());
  const uint64_t commits = state.last_mixed + 1;
  NORI_RETURN_IF_ERROR(state_table_.WriteLastMixed(commits));
  std::string value;
  PutFixed64(&value, commits);
  NORI_RETURN_IF_ERROR(changes_->Put(CountKey(), value));
  pages->CommitWith(this);
  prepared_ = true;
  return absl::OkStatus();
}

void Database::Committed() {
  committed_with_pages_ = true;
  PublishMaxRowids();
}

void Database::LeavePages() {
  PageFile* const pages = Pages();
  // Under locking_mode=EXCLUSIVE nothing tells it that this is the end.
  if (pages != nullptr && pages->rows() == this) pages->CommitWith(nullptr);
}

absl::Status Database::CommitBesidePages() {
  const bool committed = committed_with_pages_ || changes_->empty();
  EndCommit(committed);
  if (committed) return absl::OkStatus();
  return absl::InternalError("the commit of the pages has failed");
}

}  // namespace nori
