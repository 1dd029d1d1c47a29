// One connection to a database, and statements on it: the same for SQLite and PostgreSQL.
#pragma once

#include <chrono>
#include <concepts>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
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

enum class Engine { kSqlite, kPostgres };

/// A statement that is prepared on a session. Errors are those of jobs::Store.
class Statement {
 public:
  virtual ~Statement() = default;
  // Parameters in their order, before the first Step().
  virtual absl::Status BindInt(std::int64_t value) = 0;
  virtual absl::Status BindText(std::string_view text) = 0;
  virtual absl::Status BindBlob(std::string_view bytes) = 0;
  virtual absl::Status BindNull() = 0;
  /// True: there is a row, and its columns may be read.
  virtual absl::StatusOr<bool> Step() = 0;
  /// For statements whose rows nobody reads. Where an answer costs a round trip it is not waited
  /// for: an error is that of a later Step(), or of the commit. What the first column of the first
  /// row holds is in `number`, when there is one, once the transaction has ended.
  virtual absl::Status Run(std::int64_t* number) = 0;
  /// As Run, waits, and says how many rows were changed.
  virtual absl::StatusOr<std::int64_t> RunAndCount() = 0;
  virtual bool IsNull(int column) const = 0;
  virtual std::int64_t Int(int column) const = 0;
  virtual std::string_view Text(int column) const = 0;  ///< Empty for NULL.
  /// Forgets parameters and rows.
  virtual void Reset() = 0;
};

/// What an engine does for a Database. One thread at a time.
class Session {
 public:
  virtual ~Session() = default;
  virtual Engine engine() const = 0;
  /// `kept`: it will be run again and again.
  virtual absl::StatusOr<std::unique_ptr<Statement>> Prepare(const std::string& sql, bool kept) = 0;
  virtual absl::Status Execute(const char* sql) = 0;
  virtual absl::Status Begin() = 0;
  virtual absl::Status RollBack() = 0;
  virtual bool InTransaction() const = 0;
};

/// A connection. One thread at a time. Statements are prepared once and kept.
///
/// SQL is written once for both engines, with hints for each: an INDEXED BY is SQLite's (PostgreSQL
/// chooses by itself), a FOR UPDATE at the end PostgreSQL's (SQLite has one writer). Each engine
/// leaves out what is not its own; see sql_text.h.
class Database {
 public:
  enum class Mode { kReadWrite, kReadOnly };
  /// The SQLite database `path`, which exists. Sets the connection up: WAL, synchronous=FULL,
  /// foreign keys.
  static absl::StatusOr<Database> Open(const std::filesystem::path& path, Mode mode);
  explicit Database(std::unique_ptr<Session> session) : session_(std::move(session)) {}

  Engine engine() const { return session_->engine(); }
  /// Runs statements that take no parameters and return no rows. Not kept.
  absl::Status Execute(const char* sql) { return session_->Execute(sql); }
  absl::Status Begin() { return session_->Begin(); }
  absl::Status RollBack() { return session_->RollBack(); }
  /// True while a transaction is open. SQLite ends one by itself on some errors.
  bool InTransaction() const { return session_->InTransaction(); }
  Session& session() const { return *session_; }

 private:
  friend class Query;
  absl::StatusOr<Statement*> PrepareOnce(const char* sql);

  std::unique_ptr<Session> session_;
  std::unordered_map<const char*, std::unique_ptr<Statement>> statements_;  // By their literals.
};

/// One run of one statement: bind in the constructor, Step() over the rows, read columns. A failure
/// to prepare or to bind is reported by the first Step(). At most one Query of the same text is
/// alive on a connection.
class Query {
 public:
  /// `sql` is a literal: its statement is kept by `database`.
  template <typename... Parameters>
  Query(Database& database, const char* sql, const Parameters&... parameters) {
    Adopt(database.PrepareOnce(sql));
    (Bind(parameters), ...);
  }
  /// `sql` was put together for this one run.
  Query(Database& database, const std::string& sql, const std::vector<Value>& parameters);
  ~Query() {
    if (statement_ != nullptr && owned_ == nullptr) statement_->Reset();
  }
  Query(const Query&) = delete;
  Query& operator=(const Query&) = delete;

  /// True: there is a row, and the columns may be read.
  absl::StatusOr<bool> Step();
  /// For statements without rows: see Statement::Run.
  absl::Status Run(std::int64_t* number = nullptr);
  absl::StatusOr<std::int64_t> RunAndCount();

  bool IsNull(int column) const { return statement_->IsNull(column); }
  std::int64_t Int(int column) const { return statement_->Int(column); }
  /// Blobs too. Empty for NULL.
  std::string Text(int column) const { return std::string(statement_->Text(column)); }
  WallTime Time(int column) const;
  std::optional<WallTime> OptionalTime(int column) const;

 private:
  void Adopt(absl::StatusOr<Statement*> statement);
  void Bind(std::integral auto value) {
    if (status_.ok()) status_ = statement_->BindInt(static_cast<std::int64_t>(value));
  }
  void Bind(std::string_view text) {
    if (status_.ok()) status_ = statement_->BindText(text);
  }
  void Bind(const std::string& text) { Bind(std::string_view(text)); }
  void Bind(const char* text) { Bind(std::string_view(text)); }
  void Bind(const Blob& blob) {
    if (status_.ok()) status_ = statement_->BindBlob(blob.bytes);
  }
  void Bind(WallTime time) { Bind(Nanoseconds(time)); }
  void Bind(const Value& value) {
    std::visit([this](const auto& known) { Bind(known); }, value);
  }
  template <typename T>
  void Bind(const std::optional<T>& value) {
    if (value) {
      Bind(*value);
    } else if (status_.ok()) {
      status_ = statement_->BindNull();
    }
  }

  Statement* statement_ = nullptr;
  std::unique_ptr<Statement> owned_;  // Set when the statement is not kept by the database.
  absl::Status status_;
};

}  // namespace fetchd::store
