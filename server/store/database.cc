#include "store/database.h"

#include <utility>

#include "base/strings.h"
#include "store/sqlite_error.h"

namespace fetchd::store {
namespace {

// FULL: with WAL, each commit is fsynced before it returns. Mapped I/O stays off: an I/O error
// would be a SIGBUS. A busy timeout suffices for an operator's sqlite3 shell; fetchd itself has one
// writer.
constexpr char kPragmas[] =
    "PRAGMA busy_timeout = 2000;"
    "PRAGMA journal_mode = WAL;"
    "PRAGMA synchronous = FULL;"
    "PRAGMA foreign_keys = ON;"
    "PRAGMA wal_autocheckpoint = 4000;"  // Pages: some 16 MiB.
    "PRAGMA journal_size_limit = 67108864;"
    "PRAGMA mmap_size = 0;"
    "PRAGMA secure_delete = ON;"  // What was sealed with a key that is gone stays in no free page.
    "PRAGMA temp_store = MEMORY;"
    "PRAGMA cache_size = -32768;";  // KiB: the rows of some ten thousand jobs that are at work.

constexpr char kReadOnlyPragmas[] =
    "PRAGMA busy_timeout = 2000;"
    "PRAGMA query_only = ON;"
    "PRAGMA mmap_size = 0;"
    "PRAGMA temp_store = MEMORY;"
    "PRAGMA cache_size = -2048;";

/// Statements take their memory from here first, without the process's allocator.
constexpr int kLookasideBytes = 512, kLookasideSlots = 512;

// Before the first connection of the process. SQLite's own count of its memory costs a lock for
// each allocation, and nobody reads it.
void ConfigureOnce() {
  [[maybe_unused]] static const int configured = sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

}  // namespace

absl::StatusOr<Database> Database::Open(const std::filesystem::path& path, Mode mode) {
  ConfigureOnce();
  sqlite3* raw = nullptr;
  const int code =
      sqlite3_open_v2(path.c_str(), &raw,
                      SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, nullptr);
  Database database(raw);
  const std::string what = Concat("cannot open the job database ", path.native());
  if (code != SQLITE_OK) return SqliteError(raw, code, what);
  // Refused, it would only be slower.
  sqlite3_db_config(raw, SQLITE_DBCONFIG_LOOKASIDE, nullptr, kLookasideBytes, kLookasideSlots);
  const char* pragmas = mode == Mode::kReadWrite ? kPragmas : kReadOnlyPragmas;
  if (absl::Status status = database.Execute(pragmas); !status.ok())
    return WithPrefix(status, what);
  return database;
}

absl::Status Database::Execute(const char* sql) {
  const int code = sqlite3_exec(db_.get(), sql, nullptr, nullptr, nullptr);
  return code == SQLITE_OK ? absl::OkStatus() : SqliteError(db_.get(), code, "job database");
}

absl::Status Database::FlushLog() {
  sqlite3_file* log = nullptr;
  int code = sqlite3_file_control(db_.get(), "main", SQLITE_FCNTL_JOURNAL_POINTER,
                                  static_cast<void*>(&log));
  const bool is_open = log != nullptr && log->pMethods != nullptr;
  if (code == SQLITE_OK && is_open) code = log->pMethods->xSync(log, SQLITE_SYNC_NORMAL);
  return code == SQLITE_OK ? absl::OkStatus() : SqliteError(db_.get(), code, "job database");
}

absl::StatusOr<Database::Statement> Database::Prepare(const std::string& sql,
                                                      unsigned flags) const {
  sqlite3_stmt* raw = nullptr;
  const int code = sqlite3_prepare_v3(db_.get(), sql.c_str(), static_cast<int>(sql.size()) + 1,
                                      flags, &raw, nullptr);
  if (code != SQLITE_OK) return SqliteError(db_.get(), code, "job database");
  return Statement(raw);
}

absl::StatusOr<sqlite3_stmt*> Database::PrepareOnce(const char* sql) {
  const auto found = statements_.find(sql);
  if (found != statements_.end()) return found->second.get();
  ASSIGN_OR_RETURN(Statement statement, Prepare(sql, SQLITE_PREPARE_PERSISTENT));
  return statements_.emplace(sql, std::move(statement)).first->second.get();
}

Query::Query(Database& database, const std::string& sql, const std::vector<Value>& parameters)
    : db_(database.handle()) {
  auto statement = database.Prepare(sql, 0);
  if (!statement.ok()) {
    status_ = statement.status();
    return;
  }
  owned_ = *std::move(statement);
  statement_ = owned_.get();
  for (const Value& parameter : parameters) Bind(parameter);
}

Query::~Query() {
  if (statement_ == nullptr || owned_ != nullptr) return;
  // sqlite3_reset repeats the error that Step() has reported.
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
}

void Query::Adopt(absl::StatusOr<sqlite3_stmt*> statement) {
  if (statement.ok()) {
    statement_ = *statement;
  } else {
    status_ = statement.status();
  }
}

void Query::Check(int code) {
  if (code != SQLITE_OK && status_.ok()) status_ = SqliteError(db_, code, "job database");
}

void Query::BindInt(std::int64_t value) {
  if (status_.ok()) Check(sqlite3_bind_int64(statement_, next_parameter_++, value));
}

void Query::BindText(std::string_view text) {
  if (!status_.ok()) return;
  // A null pointer would bind NULL.
  const char* data = text.data() == nullptr ? "" : text.data();
  Check(sqlite3_bind_text64(statement_, next_parameter_++, data, text.size(), SQLITE_TRANSIENT,
                            SQLITE_UTF8));
}

void Query::BindNull() {
  if (status_.ok()) Check(sqlite3_bind_null(statement_, next_parameter_++));
}

void Query::Bind(const Blob& blob) {
  if (!status_.ok()) return;
  const char* data = blob.bytes.data() == nullptr ? "" : blob.bytes.data();
  Check(sqlite3_bind_blob64(statement_, next_parameter_++, data, blob.bytes.size(),
                            SQLITE_TRANSIENT));
}

void Query::Bind(WallTime time) { BindInt(Nanoseconds(time)); }

void Query::Bind(const Value& value) {
  if (const auto* number = std::get_if<std::int64_t>(&value)) {
    BindInt(*number);
  } else {
    BindText(std::get<std::string>(value));
  }
}

absl::StatusOr<bool> Query::Step() {
  RETURN_IF_ERROR(status_);
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  status_ = SqliteError(db_, code, "job database");
  return status_;
}

absl::Status Query::Run() { return Step().status(); }

bool Query::IsNull(int column) const {
  return sqlite3_column_type(statement_, column) == SQLITE_NULL;
}

std::int64_t Query::Int(int column) const { return sqlite3_column_int64(statement_, column); }

std::string Query::Text(int column) const {
  const void* data = sqlite3_column_blob(statement_, column);
  const int size = sqlite3_column_bytes(statement_, column);
  if (data == nullptr) return std::string();
  return std::string(static_cast<const char*>(data), static_cast<std::size_t>(size));
}

WallTime Query::Time(int column) const {
  const std::chrono::nanoseconds since_epoch(Int(column));
  return WallTime(std::chrono::duration_cast<WallTime::duration>(since_epoch));
}

std::optional<WallTime> Query::OptionalTime(int column) const {
  if (IsNull(column)) return std::nullopt;
  return Time(column);
}

}  // namespace fetchd::store
