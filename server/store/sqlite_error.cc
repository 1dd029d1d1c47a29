#include "store/sqlite_error.h"

#include <cerrno>
#include <cstring>

#include "base/strings.h"

namespace fetchd::store {
namespace {

constexpr char kDiskFullHint[] = "; free space, or move data_dir to a larger volume";
constexpr char kPermissionHint[] =
    "; fetchd's user must be able to read and write data_dir and the files in it";
constexpr char kDamagedHint[] =
    "; stop fetchd, keep a copy of the file, and restore it from a backup";

bool MeansFull(int error) { return error == ENOSPC || error == EDQUOT || error == EFBIG; }

// errno of the last call that failed on the WAL or the database file. SQLite calls a file that
// reached a quota or size limit an I/O error; only errno tells.
int LastErrno(sqlite3* db) {
  if (db == nullptr) return 0;
  int error = 0;
  sqlite3_file* wal = nullptr;
  sqlite3_file_control(db, "main", SQLITE_FCNTL_JOURNAL_POINTER, static_cast<void*>(&wal));
  if (wal != nullptr && wal->pMethods != nullptr) {
    wal->pMethods->xFileControl(wal, SQLITE_FCNTL_LAST_ERRNO, &error);
  }
  if (error == 0) sqlite3_file_control(db, "main", SQLITE_FCNTL_LAST_ERRNO, &error);
  return error;
}

absl::Status IoError(sqlite3* db, const std::string& message) {
  const int error = LastErrno(db);
  return error == 0 ? absl::UnavailableError(message) : FileError(error, message);
}

}  // namespace

absl::Status FileError(int error, std::string_view what) {
  const std::string message = Concat(what, ": ", std::strerror(error));
  if (MeansFull(error)) return absl::ResourceExhaustedError(message + kDiskFullHint);
  if (error == EACCES || error == EPERM || error == EROFS) {
    return absl::PermissionDeniedError(message + kPermissionHint);
  }
  if (error == ENOENT || error == ENOTDIR) return absl::FailedPreconditionError(message);
  return absl::UnavailableError(message);
}

absl::Status SqliteError(sqlite3* db, int code, std::string_view what) {
  const char* text = db == nullptr ? sqlite3_errstr(code) : sqlite3_errmsg(db);
  const std::string message = Concat(what, ": ", text, " (SQLite ", code, ")");
  switch (code & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
      return absl::OkStatus();
    case SQLITE_FULL:
      return absl::ResourceExhaustedError(message + kDiskFullHint);
    case SQLITE_NOMEM:
      return absl::ResourceExhaustedError(message);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL:
      return absl::UnavailableError(message + "; another process holds the database");
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
    case SQLITE_CANTOPEN:
      return absl::PermissionDeniedError(message + kPermissionHint);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return absl::DataLossError(message + kDamagedHint);
    case SQLITE_IOERR:
      return IoError(db, message);
    default:
      return absl::InternalError(message);
  }
}

}  // namespace fetchd::store
