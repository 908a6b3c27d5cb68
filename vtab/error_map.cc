#include "vtab/error_map.h"

#include <optional>
#include <string>

#include "absl/strings/cord.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "engine/io/io_status.h"
#include "sqlite_vfs/status_code.h"

namespace nori {
namespace {

constexpr char kCodePayload[] = "nori.sqlite_code";
constexpr char kNativePayload[] = "nori.native_wording";

absl::StatusCode StatusCodeOfSqlite(int code) {
  if (code == SQLITE_BUSY_SNAPSHOT) return absl::StatusCode::kAborted;
  switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return absl::StatusCode::kUnavailable;
    case SQLITE_FULL:
    case SQLITE_NOMEM:
      return absl::StatusCode::kResourceExhausted;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return absl::StatusCode::kDataLoss;
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
      return absl::StatusCode::kPermissionDenied;
    case SQLITE_CANTOPEN:
      return absl::StatusCode::kNotFound;
    case SQLITE_IOERR:
      return absl::StatusCode::kInternal;
    default:
      return absl::StatusCode::kUnknown;
  }
}

int CodeOfIoOperation(IoOperation operation) {
  switch (operation) {
    case IoOperation::kOpen:
    case IoOperation::kCreate:
      return SQLITE_CANTOPEN;
    case IoOperation::kRead:
      return SQLITE_IOERR_READ;
    case IoOperation::kWrite:
      return SQLITE_IOERR_WRITE;
    case IoOperation::kSync:
      return SQLITE_IOERR_FSYNC;
    case IoOperation::kClose:
      return SQLITE_IOERR_CLOSE;
    case IoOperation::kTruncate:
      return SQLITE_IOERR_TRUNCATE;
    case IoOperation::kDelete:
      return SQLITE_IOERR_DELETE;
    case IoOperation::kList:
    case IoOperation::kStat:
      return SQLITE_IOERR_FSTAT;
    case IoOperation::kSyncDirectory:
      return SQLITE_IOERR_DIR_FSYNC;
    case IoOperation::kLock:
      return SQLITE_IOERR_LOCK;
    case IoOperation::kRename:
    case IoOperation::kLink:
    case IoOperation::kMakeDirectory:
      return SQLITE_IOERR;
  }
  return SQLITE_IOERR;
}

}  // namespace

absl::Status SqliteError(int code, const std::string& message) {
  absl::Status status(StatusCodeOfSqlite(code), message);
  status.SetPayload(kCodePayload, absl::Cord(absl::StrCat(code)));
  return status;
}

absl::Status NativeError(int code, const std::string& message) {
  absl::Status status = SqliteError(code, message);
  status.SetPayload(kNativePayload, absl::Cord());
  return status;
}

absl::Status StatusOfSqlite(sqlite3* db, int code, const char* what) {
  if (code == SQLITE_OK || code == SQLITE_ROW || code == SQLITE_DONE) {
    return absl::OkStatus();
  }
  if (code == SQLITE_INTERRUPT) return NativeError(code, "interrupted");
  // The message belongs to the last call, which may not be the one that failed.
  const char* message = (sqlite3_errcode(db) & 0xff) == (code & 0xff)
                            ? sqlite3_errmsg(db)
                            : sqlite3_errstr(code);
  return SqliteError(code, absl::StrCat(what, ": ", message));
}

int SqliteCodeOfStatus(const absl::Status& status) {
  if (status.ok()) return SQLITE_OK;
  if (const auto payload = status.GetPayload(kCodePayload)) {
    int code;
    if (absl::SimpleAtoi(std::string(*payload), &code)) return code;
  }
  const std::optional<IoOperation> operation = IoOperationOf(status);
  switch (status.code()) {
    case absl::StatusCode::kDataLoss:
      return SQLITE_CORRUPT_VTAB;
    case absl::StatusCode::kInternal:
      return operation ? CodeOfIoOperation(*operation) : SQLITE_IOERR;
    case absl::StatusCode::kNotFound:
      return SQLITE_CANTOPEN;
    case absl::StatusCode::kPermissionDenied:
      return operation == IoOperation::kOpen ||
                     operation == IoOperation::kCreate ||
                     operation == IoOperation::kList
                 ? SQLITE_CANTOPEN
                 : SQLITE_READONLY;
    case absl::StatusCode::kFailedPrecondition:
      return SQLITE_READONLY;
    case absl::StatusCode::kOutOfRange:
      return SQLITE_TOOBIG;
    default:
      return SqliteCodeOf(status.code()).value_or(SQLITE_ERROR);
  }
}

int ReportMessage(sqlite3_vtab* table, int code, const std::string& message) {
  if (table != nullptr) {
    sqlite3_free(table->zErrMsg);
    table->zErrMsg = sqlite3_mprintf("%.*s", static_cast<int>(message.size()),
                                     message.data());
  }
  return code;
}

namespace {

std::string MessageOf(const absl::Status& status) {
  const bool is_native = status.GetPayload(kNativePayload).has_value();
  return absl::StrCat(is_native ? "" : "nori: ", status.message());
}

}  // namespace

int ReportError(sqlite3_vtab* table, const absl::Status& status) {
  return ReportMessage(table, SqliteCodeOfStatus(status), MessageOf(status));
}

void ReportStatus(sqlite3_context* context, const absl::Status& status) {
  const std::string message = MessageOf(status);
  sqlite3_result_error(context, message.data(),
                       static_cast<int>(message.size()));
  sqlite3_result_error_code(context, SqliteCodeOfStatus(status));
}

}  // namespace nori
