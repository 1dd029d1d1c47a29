// One SQLite connection, and statements on it.
#pragma once

#include <sqlite3.h>

#include <chrono>
#include <concepts>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>
#include <vector>

#include "base/status.h"
#include "base/time.h"

namespace fetchd::store {

/// A time as columns hold it: since the Unix epoch.
inline std::int64_t Nanoseconds(WallTime time) {
  return std::chrono::duration_cast<Duration>(time.time_since_epoch()).count();
}

/// Bytes, as opposed to text.
struct Blob {
  std::string_view bytes;
};

/// For columns that hold NULL where there is nothing.
inline std::optional<std::string> NullWhenEmpty(std::string text) {
  if (text.empty()) return std::nullopt;
  return text;
}

/// A parameter whose type is known only when the program runs.
using Value = std::variant<std::int64_t, std::string>;

/// A connection. One thread at a time. Statements are prepared once and kept.
class Database {
 public:
  enum class Mode { kReadWrite, kReadOnly };
  /// Opens `path`, which exists, and sets the connection up: WAL, synchronous=FULL, foreign keys.
  static absl::StatusOr<Database> Open(const std::filesystem::path& path, Mode mode);

  /// Runs statements that take no parameters and return no rows. Not kept.
  absl::Status Execute(const char* sql);
  /// Makes all that can be read durable. A process that died between the write of a commit and its
  /// flush leaves it in the log: whoever opens the database sees it, and a power failure takes it
  /// away again. Once something was read.
  absl::Status FlushLog();
  /// True while a transaction is open. SQLite ends one by itself on some errors.
  bool InTransaction() const { return sqlite3_get_autocommit(db_.get()) == 0; }
  sqlite3* handle() const { return db_.get(); }

 private:
  friend class Query;
  struct Close {
    void operator()(sqlite3* db) const { sqlite3_close_v2(db); }
  };
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
  };
  using Statement = std::unique_ptr<sqlite3_stmt, Finalize>;

  explicit Database(sqlite3* db) : db_(db) {}
  absl::StatusOr<Statement> Prepare(const std::string& sql, unsigned flags) const;
  absl::StatusOr<sqlite3_stmt*> PrepareOnce(const char* sql);

  std::unique_ptr<sqlite3, Close> db_;
  std::unordered_map<const char*, Statement> statements_;  // By their literals.
};

/// One run of one statement: bind in the constructor, Step() over the rows, read columns. A failure
/// to prepare or to bind is reported by the first Step(). At most one Query of the same text is
/// alive on a connection.
class Query {
 public:
  /// `sql` is a literal: its statement is kept by `database`.
  template <typename... Parameters>
  Query(Database& database, const char* sql, const Parameters&... parameters)
      : db_(database.handle()) {
    Adopt(database.PrepareOnce(sql));
    (Bind(parameters), ...);
  }
  /// `sql` was put together for this one run.
  Query(Database& database, const std::string& sql, const std::vector<Value>& parameters);
  ~Query();
  Query(const Query&) = delete;
  Query& operator=(const Query&) = delete;

  /// True: there is a row, and the columns may be read.
  absl::StatusOr<bool> Step();
  /// For statements without rows.
  absl::Status Run();

  bool IsNull(int column) const;
  std::int64_t Int(int column) const;
  std::string Text(int column) const;  ///< Blobs too. Empty for NULL.
  WallTime Time(int column) const;
  std::optional<WallTime> OptionalTime(int column) const;

 private:
  void Adopt(absl::StatusOr<sqlite3_stmt*> statement);
  void Check(int code);
  void BindInt(std::int64_t value);
  void BindText(std::string_view text);
  void BindNull();
  void Bind(std::integral auto value) { BindInt(static_cast<std::int64_t>(value)); }
  void Bind(std::string_view text) { BindText(text); }
  void Bind(const std::string& text) { BindText(text); }
  void Bind(const char* text) { BindText(text); }
  void Bind(const Blob& blob);
  void Bind(WallTime time);
  void Bind(const Value& value);
  template <typename T>
  void Bind(const std::optional<T>& value) {
    value ? Bind(*value) : BindNull();
  }

  sqlite3* db_;
  sqlite3_stmt* statement_ = nullptr;
  Database::Statement owned_;  // Set when the statement is not kept by the database.
  absl::Status status_;
  int next_parameter_ = 1;
};

}  // namespace fetchd::store
