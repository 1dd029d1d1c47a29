// A connection to PostgreSQL.
#pragma once

#include <libpq-fe.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "store/database.h"
#include "store/postgres_url.h"

namespace fetchd::store {

struct SessionOptions {
  bool read_only = false;
  /// A server from which nothing comes for so long while an answer is due is gone. It gives up on
  /// locks and statements before that.
  std::chrono::milliseconds answer_timeout = std::chrono::seconds(20);
};

/// Statements go out in libpq's pipeline mode: one whose rows nobody reads (Statement::Run) is not
/// waited for, and its error is that of the next one that is. After an error nothing more is sent
/// until RollBack() or RollBackTo().
///
/// No call waits for a silent server for longer than `answer_timeout`, but for scripts and to
/// connect. UNAVAILABLE with broken(): the connection is gone, for good.
class PostgresSession final : public Session {
 public:
  /// Blocks. FAILED_PRECONDITION: a server before version 15; PERMISSION_DENIED, UNAVAILABLE.
  static absl::StatusOr<std::unique_ptr<PostgresSession>> Open(const PostgresAddress& address,
                                                               SessionOptions options);
  ~PostgresSession() override;

  Engine engine() const override { return Engine::kPostgres; }
  absl::StatusOr<std::unique_ptr<Statement>> Prepare(const std::string& sql, bool kept) override;
  /// Outside of transactions a script, for which there is no timeout. In one, "COMMIT" alone.
  absl::Status Execute(const char* sql) override;
  absl::Status Begin() override;
  absl::Status RollBack() override;
  bool InTransaction() const override { return in_transaction_; }

  /// Ends the transaction. An error with `commit_is_unknown()` tells nothing about what became of
  /// it.
  absl::Status Commit();
  bool commit_is_unknown() const { return commit_is_unknown_; }
  /// To where "SAVEPOINT one" was run, and on from there.
  absl::Status RollBackToOne();
  /// Waits for what has not been waited for.
  absl::Status Drain();
  /// Why nothing more is sent; OK: nothing has failed.
  const absl::Status& failure() const { return failure_; }
  /// Of `failure()`; empty when the connection is gone.
  const std::string& sql_state() const { return sql_state_; }
  bool broken() const { return broken_; }
  /// Statements so far whose rows nobody reads: of a change, whether it may have written.
  std::uint64_t writes() const { return writes_; }
  int backend_pid() const { return backend_pid_; }  ///< Also when the connection is gone.

  // For waiting on notifications. LISTEN is executed by the owner.
  int socket() const { return PQsocket(connection_.get()); }
  /// Reads what has come in; the payload of the next notification, or nullopt.
  absl::StatusOr<std::optional<std::string>> NextNotification();

 private:
  friend class PostgresStatement;
  struct Finish {
    void operator()(PGconn* connection) const { PQfinish(connection); }
  };
  struct Clear {
    void operator()(PGresult* result) const { PQclear(result); }
  };
  using Result = std::unique_ptr<PGresult, Clear>;

  PostgresSession(PGconn* connection, SessionOptions options)
      : connection_(connection), options_(options) {}
  absl::Status SetUp();
  /// Of a statement that was sent: whether libpq took it, and for whom its first number is.
  absl::Status Sent(int accepted, std::int64_t* number = nullptr);
  /// The answer to the first one that is awaited.
  void Take(const PGresult* answer);
  absl::Status SendText(const char* sql);
  /// Waits for all that was sent; the last answer.
  absl::StatusOr<Result> Receive();
  /// As Receive, and ends the transaction of a statement that has one for itself.
  absl::StatusOr<Result> Answer();
  absl::StatusOr<Result> NextResult();
  absl::Status WaitForSocket();
  /// Ends the pipeline, so that the server listens again after an error. Returns the last answer of
  /// those that were awaited, or the first error among them.
  absl::StatusOr<Result> Synchronize();
  absl::Status Fail(const PGresult* result);
  absl::Status Break(absl::Status why);

  std::unique_ptr<PGconn, Finish> connection_;
  const SessionOptions options_;
  std::deque<std::int64_t*> awaited_;  // Of each: where its first number goes, or null.
  std::uint64_t statements_ = 0;       // Names of those that are prepared.
  std::uint64_t writes_ = 0;
  int backend_pid_ = 0;
  bool in_transaction_ = false, broken_ = false, commit_is_unknown_ = false;
  absl::Status failure_;
  std::string sql_state_;
};

}  // namespace fetchd::store
