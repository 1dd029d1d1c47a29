#include "store/sqlite_session.h"

#include <utility>

#include "base/strings.h"
#include "store/sql_text.h"
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

class SqliteStatement final : public Statement {
 public:
  SqliteStatement(sqlite3* db, sqlite3_stmt* statement) : db_(db), statement_(statement) {}

  absl::Status BindInt(std::int64_t value) override {
    return Checked(sqlite3_bind_int64(statement_.get(), next_parameter_++, value));
  }
  absl::Status BindText(std::string_view text) override {
    // A null pointer would bind NULL.
    const char* data = text.data() == nullptr ? "" : text.data();
    return Checked(sqlite3_bind_text64(statement_.get(), next_parameter_++, data, text.size(),
                                       SQLITE_TRANSIENT, SQLITE_UTF8));
  }
  absl::Status BindBlob(std::string_view bytes) override {
    const char* data = bytes.data() == nullptr ? "" : bytes.data();
    return Checked(sqlite3_bind_blob64(statement_.get(), next_parameter_++, data, bytes.size(),
                                       SQLITE_TRANSIENT));
  }
  absl::Status BindNull() override {
    return Checked(sqlite3_bind_null(statement_.get(), next_parameter_++));
  }

  absl::StatusOr<bool> Step() override {
    const int code = sqlite3_step(statement_.get());
    if (code == SQLITE_ROW) return true;
    if (code == SQLITE_DONE) return false;
    return SqliteError(db_, code, "job database");
  }
  absl::Status Run(std::int64_t* number) override {
    ASSIGN_OR_RETURN(const bool found, Step());
    if (found && number != nullptr) *number = Int(0);
    return absl::OkStatus();
  }
  absl::StatusOr<std::int64_t> RunAndCount() override {
    RETURN_IF_ERROR(Step().status());
    return sqlite3_changes64(db_);
  }

  bool IsNull(int column) const override {
    return sqlite3_column_type(statement_.get(), column) == SQLITE_NULL;
  }
  std::int64_t Int(int column) const override {
    return sqlite3_column_int64(statement_.get(), column);
  }
  std::string_view Text(int column) const override {
    const void* data = sqlite3_column_blob(statement_.get(), column);
    const int size = sqlite3_column_bytes(statement_.get(), column);
    if (data == nullptr) return {};
    return {static_cast<const char*>(data), static_cast<std::size_t>(size)};
  }
  void Reset() override {
    // sqlite3_reset repeats the error that Step() has reported.
    sqlite3_reset(statement_.get());
    sqlite3_clear_bindings(statement_.get());
    next_parameter_ = 1;
  }

 private:
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
  };

  absl::Status Checked(int code) const {
    return code == SQLITE_OK ? absl::OkStatus() : SqliteError(db_, code, "job database");
  }

  sqlite3* const db_;
  const std::unique_ptr<sqlite3_stmt, Finalize> statement_;
  int next_parameter_ = 1;
};

class SqliteSession final : public Session {
 public:
  explicit SqliteSession(sqlite3* db, bool read_only) : db_(db), read_only_(read_only) {}

  Engine engine() const override { return Engine::kSqlite; }
  absl::StatusOr<std::unique_ptr<Statement>> Prepare(const std::string& sql, bool kept) override {
    const std::string text = ForSqlite(sql);
    sqlite3_stmt* raw = nullptr;
    const int code = sqlite3_prepare_v3(db_.get(), text.c_str(), static_cast<int>(text.size()) + 1,
                                        kept ? SQLITE_PREPARE_PERSISTENT : 0, &raw, nullptr);
    if (code != SQLITE_OK) return SqliteError(db_.get(), code, "job database");
    return std::make_unique<SqliteStatement>(db_.get(), raw);
  }
  absl::Status Execute(const char* sql) override {
    const int code = sqlite3_exec(db_.get(), sql, nullptr, nullptr, nullptr);
    return code == SQLITE_OK ? absl::OkStatus() : SqliteError(db_.get(), code, "job database");
  }
  absl::Status Begin() override { return Execute(read_only_ ? "BEGIN" : "BEGIN IMMEDIATE"); }
  absl::Status RollBack() override { return Execute("ROLLBACK"); }
  bool InTransaction() const override { return sqlite3_get_autocommit(db_.get()) == 0; }
  sqlite3* handle() const { return db_.get(); }

 private:
  struct Close {
    void operator()(sqlite3* db) const { sqlite3_close_v2(db); }
  };
  const std::unique_ptr<sqlite3, Close> db_;
  const bool read_only_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Session>> OpenSqliteSession(const std::filesystem::path& path,
                                                           bool read_only) {
  ConfigureOnce();
  sqlite3* raw = nullptr;
  const int code =
      sqlite3_open_v2(path.c_str(), &raw,
                      SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, nullptr);
  auto session = std::make_unique<SqliteSession>(raw, read_only);
  const std::string what = Concat("cannot open the job database ", path.native());
  if (code != SQLITE_OK) return SqliteError(raw, code, what);
  // Refused, it would only be slower.
  sqlite3_db_config(raw, SQLITE_DBCONFIG_LOOKASIDE, nullptr, kLookasideBytes, kLookasideSlots);
  const absl::Status status = session->Execute(read_only ? kReadOnlyPragmas : kPragmas);
  if (!status.ok()) return WithPrefix(status, what);
  return session;
}

sqlite3* SqliteHandle(const Database& database) {
  return static_cast<SqliteSession&>(database.session()).handle();
}

absl::Status FlushLog(const Database& database) {
  sqlite3* const db = SqliteHandle(database);
  sqlite3_file* log = nullptr;
  int code =
      sqlite3_file_control(db, "main", SQLITE_FCNTL_JOURNAL_POINTER, static_cast<void*>(&log));
  const bool is_open = log != nullptr && log->pMethods != nullptr;
  if (code == SQLITE_OK && is_open) code = log->pMethods->xSync(log, SQLITE_SYNC_NORMAL);
  return code == SQLITE_OK ? absl::OkStatus() : SqliteError(db, code, "job database");
}

}  // namespace fetchd::store
