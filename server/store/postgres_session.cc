#include "store/postgres_session.h"

#include <poll.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "store/postgres_error.h"
#include "store/sql_text.h"

namespace fetchd::store {
namespace {

constexpr char kWhat[] = "job database";
constexpr int kOldestServer = 150000;
/// Answers to so many statements fit into what the kernel keeps: or the server would stop reading
/// while it waits for us to.
constexpr std::size_t kMostAwaited = 200;

// Plans are made once, not for what one run asks, and by indexes, as each statement here is meant:
// a table that is new has no statistics, and would be read as a whole. Nobody holds a lock for
// long: a process that is stopped within a transaction loses it. Accepted means durable, whatever
// the server's default.
constexpr auto kSettings = std::to_array(
    {"SET plan_cache_mode = force_generic_plan", "SET jit = off", "SET enable_seqscan = off",
     "SET enable_hashjoin = off", "SET enable_mergejoin = off", "SET enable_bitmapscan = off",
     "SET lock_timeout = '10s'", "SET statement_timeout = '15s'",
     "SET idle_in_transaction_session_timeout = '10s'",
     "SET default_transaction_isolation = 'read committed'", "SET client_min_messages = warning",
     "SELECT set_config('synchronous_commit', 'on', false)"
     " WHERE current_setting('synchronous_commit') = 'off'"});

std::int64_t BigEndian(const char* bytes, int size) {
  std::uint64_t value = 0;
  for (int i = 0; i < size; ++i) value = value << 8 | static_cast<unsigned char>(bytes[i]);
  // The sign of the shorter ones.
  const int unused = 64 - 8 * size;
  return unused > 0 && unused < 64 ? static_cast<std::int64_t>(value << unused) >> unused
                                   : static_cast<std::int64_t>(value);
}

bool IsAnswer(ExecStatusType status) {
  return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
}

}  // namespace

class PostgresStatement final : public Statement {
 public:
  PostgresStatement(PostgresSession& session, std::string sql, std::string name)
      : session_(session), sql_(std::move(sql)), name_(std::move(name)) {}

  absl::Status BindInt(std::int64_t value) override {
    Add(Concat(value), 0);
    return absl::OkStatus();
  }
  // As it is, for text and bytes alike.
  absl::Status BindText(std::string_view text) override {
    Add(std::string(text), 1);
    return absl::OkStatus();
  }
  absl::Status BindBlob(std::string_view bytes) override { return BindText(bytes); }
  absl::Status BindNull() override {
    Add(std::nullopt, 0);
    return absl::OkStatus();
  }

  absl::StatusOr<bool> Step() override {
    if (result_ == nullptr) {
      RETURN_IF_ERROR(Send(nullptr));
      ASSIGN_OR_RETURN(result_, session_.Answer());
      row_ = -1;
    }
    return ++row_ < PQntuples(result_.get());
  }
  absl::Status Run(std::int64_t* number) override {
    ++session_.writes_;
    RETURN_IF_ERROR(Send(number));
    const bool may_wait = session_.in_transaction_ && session_.awaited_.size() < kMostAwaited;
    return may_wait ? absl::OkStatus() : session_.Answer().status();
  }
  absl::StatusOr<std::int64_t> RunAndCount() override {
    ++session_.writes_;
    RETURN_IF_ERROR(Step().status());
    const auto rows = ParseDecimal<std::uint64_t>(PQcmdTuples(result_.get()));
    return static_cast<std::int64_t>(rows.value_or(0));
  }

  bool IsNull(int column) const override { return PQgetisnull(result_.get(), row_, column) != 0; }
  std::int64_t Int(int column) const override {
    return BigEndian(PQgetvalue(result_.get(), row_, column),
                     PQgetlength(result_.get(), row_, column));
  }
  std::string_view Text(int column) const override {
    if (IsNull(column)) return {};
    return {PQgetvalue(result_.get(), row_, column),
            static_cast<std::size_t>(PQgetlength(result_.get(), row_, column))};
  }
  void Reset() override {
    values_.clear();
    formats_.clear();
    result_.reset();
  }

 private:
  void Add(std::optional<std::string> value, int format) {
    values_.push_back(std::move(value));
    formats_.push_back(format);
  }
  absl::Status Send(std::int64_t* number);

  PostgresSession& session_;
  const std::string sql_;
  const std::string name_;  // Empty: for one run.
  bool prepared_ = false;
  std::vector<std::optional<std::string>> values_;
  std::vector<int> formats_;  // 1 = binary.
  PostgresSession::Result result_;
  int row_ = -1;
};

absl::Status PostgresStatement::Send(std::int64_t* number) {
  RETURN_IF_ERROR(session_.failure_);
  PGconn* connection = session_.connection_.get();
  if (!name_.empty() && !prepared_) {
    RETURN_IF_ERROR(
        session_.Sent(PQsendPrepare(connection, name_.c_str(), sql_.c_str(), 0, nullptr)));
    RETURN_IF_ERROR(session_.Receive().status());
    prepared_ = true;
  }
  std::vector<const char*> values;
  std::vector<int> lengths;
  for (const std::optional<std::string>& value : values_) {
    values.push_back(value ? value->c_str() : nullptr);
    lengths.push_back(value ? static_cast<int>(value->size()) : 0);
  }
  const int count = static_cast<int>(values.size());
  constexpr int kBinary = 1;
  return session_.Sent(
      name_.empty() ? PQsendQueryParams(connection, sql_.c_str(), count, nullptr, values.data(),
                                        lengths.data(), formats_.data(), kBinary)
                    : PQsendQueryPrepared(connection, name_.c_str(), count, values.data(),
                                          lengths.data(), formats_.data(), kBinary),
      number);
}

PostgresSession::~PostgresSession() = default;

absl::StatusOr<std::unique_ptr<PostgresSession>> PostgresSession::Open(
    const PostgresAddress& address, SessionOptions options) {
  ASSIGN_OR_RETURN(auto parameters, ConnectionParameters(address));
  std::vector<const char*> names, values;
  for (const auto& [name, value] : parameters) {
    names.push_back(name.c_str());
    values.push_back(value.c_str());
  }
  names.push_back(nullptr);
  values.push_back(nullptr);
  std::unique_ptr<PostgresSession> session(
      new PostgresSession(PQconnectdbParams(names.data(), values.data(), 0), options));
  for (auto& [name, value] : parameters) Cleanse(value);
  RETURN_IF_ERROR(session->SetUp());
  return session;
}

absl::Status PostgresSession::SetUp() {
  PGconn* connection = connection_.get();
  if (PQstatus(connection) != CONNECTION_OK) {
    return ConnectionError(connection, "cannot connect to the job database");
  }
  if (PQserverVersion(connection) < kOldestServer) {
    return absl::FailedPreconditionError(Concat("the job database is on PostgreSQL ",
                                                PQserverVersion(connection) / 10000,
                                                "; version 15 or newer is needed"));
  }
  PQsetNoticeProcessor(connection, [](void*, const char*) {}, nullptr);
  backend_pid_ = PQbackendPID(connection);
  if (PQsetnonblocking(connection, 1) != 0 || PQenterPipelineMode(connection) != 1) {
    return ConnectionError(connection, kWhat);
  }
  for (const char* setting : kSettings) RETURN_IF_ERROR(SendText(setting));
  return Answer().status();
}

absl::StatusOr<std::unique_ptr<Statement>> PostgresSession::Prepare(const std::string& sql,
                                                                    bool kept) {
  std::string name = kept ? Concat("s", ++statements_) : std::string();
  return std::make_unique<PostgresStatement>(*this, ForPostgres(sql, !options_.read_only),
                                             std::move(name));
}

absl::Status PostgresSession::SendText(const char* sql) {
  RETURN_IF_ERROR(failure_);
  return Sent(PQsendQueryParams(connection_.get(), sql, 0, nullptr, nullptr, nullptr, nullptr, 1));
}

absl::Status PostgresSession::Execute(const char* sql) {
  if (in_transaction_) return Commit();
  if (broken_) return failure_;
  // Several statements go by the simple protocol only, and that not in a pipeline.
  RETURN_IF_ERROR(Drain());
  PGconn* connection = connection_.get();
  if (PQexitPipelineMode(connection) != 1) return Break(ConnectionError(connection, kWhat));
  const Result done(PQexec(connection, sql));
  const bool ok = IsAnswer(PQresultStatus(done.get()));
  const absl::Status status = ok ? absl::OkStatus() : PostgresError(done.get(), kWhat);
  // What a script began and did not end.
  if (PQtransactionStatus(connection) != PQTRANS_IDLE) PQclear(PQexec(connection, "ROLLBACK"));
  if (PQenterPipelineMode(connection) != 1) return Break(ConnectionError(connection, kWhat));
  return PQstatus(connection) == CONNECTION_OK ? status : Break(status);
}

absl::Status PostgresSession::Begin() {
  failure_ = broken_ ? failure_ : absl::OkStatus();
  sql_state_.clear();
  commit_is_unknown_ = false;
  RETURN_IF_ERROR(
      SendText(options_.read_only ? "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY" : "BEGIN"));
  in_transaction_ = true;
  return absl::OkStatus();
}

absl::Status PostgresSession::RollBack() {
  if (broken_) return failure_;
  failure_ = absl::OkStatus();
  in_transaction_ = false;
  RETURN_IF_ERROR(SendText("ROLLBACK"));
  return Synchronize().status();
}

absl::Status PostgresSession::RollBackToOne() {
  if (broken_) return failure_;
  failure_ = absl::OkStatus();
  RETURN_IF_ERROR(SendText("ROLLBACK TO SAVEPOINT one"));
  return Drain();
}

absl::Status PostgresSession::Commit() {
  RETURN_IF_ERROR(SendText("COMMIT"));
  const absl::StatusOr<Result> answer = Synchronize();
  commit_is_unknown_ = !answer.ok() && broken_;
  RETURN_IF_ERROR(answer.status());
  in_transaction_ = false;
  // Of a transaction that has failed the server says so here.
  if (*answer != nullptr && std::string_view(PQcmdStatus(answer->get())) == "COMMIT") {
    return absl::OkStatus();
  }
  return absl::InternalError("job database: the transaction was rolled back");
}

absl::Status PostgresSession::Sent(int accepted, std::int64_t* number) {
  if (accepted != 1) return Break(ConnectionError(connection_.get(), kWhat));
  awaited_.push_back(number);
  return absl::OkStatus();
}

void PostgresSession::Take(const PGresult* answer) {
  if (awaited_.empty()) return;
  std::int64_t* const number = awaited_.front();
  awaited_.pop_front();
  if (number == nullptr || PQntuples(answer) == 0) return;
  *number = BigEndian(PQgetvalue(answer, 0, 0), PQgetlength(answer, 0, 0));
}

absl::Status PostgresSession::Drain() { return awaited_.empty() ? failure_ : Receive().status(); }

// Outside of a transaction each statement is one.
absl::StatusOr<PostgresSession::Result> PostgresSession::Answer() {
  if (in_transaction_) return Receive();
  absl::StatusOr<Result> answer = Synchronize();
  if (!broken_) failure_ = absl::OkStatus();
  return answer;
}

absl::StatusOr<PostgresSession::Result> PostgresSession::Receive() {
  if (PQsendFlushRequest(connection_.get()) != 1) {
    return Break(ConnectionError(connection_.get(), kWhat));
  }
  Result last;
  while (!awaited_.empty()) {
    ASSIGN_OR_RETURN(Result answer, NextResult());
    if (answer == nullptr) continue;  // The end of one.
    if (!IsAnswer(PQresultStatus(answer.get()))) return Fail(answer.get());
    Take(answer.get());
    last = std::move(answer);
  }
  return last;
}

absl::StatusOr<PostgresSession::Result> PostgresSession::NextResult() {
  PGconn* connection = connection_.get();
  while (true) {
    if (PQflush(connection) < 0) return Break(ConnectionError(connection, kWhat));
    if (PQisBusy(connection) == 0) break;
    RETURN_IF_ERROR(WaitForSocket());
    if (PQconsumeInput(connection) != 1) return Break(ConnectionError(connection, kWhat));
  }
  Result result(PQgetResult(connection));
  if (PQstatus(connection) != CONNECTION_OK) {
    return Break(result == nullptr ? ConnectionError(connection, kWhat)
                                   : PostgresError(result.get(), kWhat));
  }
  return result;
}

absl::Status PostgresSession::WaitForSocket() {
  const bool unsent = PQflush(connection_.get()) == 1;
  pollfd waiting{PQsocket(connection_.get()),
                 static_cast<short>(unsent ? POLLIN | POLLOUT : POLLIN), 0};
  const int ready = poll(&waiting, 1, static_cast<int>(options_.answer_timeout.count()));
  if (ready > 0 || (ready < 0 && errno == EINTR)) return absl::OkStatus();
  if (ready < 0) return Break(absl::UnavailableError(Concat(kWhat, ": ", std::strerror(errno))));
  return Break(absl::UnavailableError(Concat(kWhat, ": the server does not answer")));
}

absl::StatusOr<PostgresSession::Result> PostgresSession::Synchronize() {
  if (PQpipelineSync(connection_.get()) != 1) {
    return Break(ConnectionError(connection_.get(), kWhat));
  }
  Result last;
  absl::Status error;
  while (true) {
    ASSIGN_OR_RETURN(Result answer, NextResult());
    if (answer == nullptr) continue;  // The end of one.
    const ExecStatusType status = PQresultStatus(answer.get());
    if (status == PGRES_PIPELINE_SYNC) break;
    if (status == PGRES_PIPELINE_ABORTED) continue;
    if (IsAnswer(status)) Take(answer.get());
    if (!IsAnswer(status) && error.ok()) {
      error = PostgresError(answer.get(), kWhat);
      sql_state_ = SqlState(answer.get());
    }
    last = std::move(answer);
  }
  awaited_.clear();
  if (error.ok()) return last;
  failure_ = std::move(error);
  return failure_;
}

absl::Status PostgresSession::Fail(const PGresult* result) {
  absl::Status why = PostgresError(result, kWhat);
  std::string state(SqlState(result));
  if (const auto end = Synchronize(); !end.ok()) return end.status();
  failure_ = std::move(why);
  sql_state_ = std::move(state);
  return failure_;
}

absl::Status PostgresSession::Break(absl::Status why) {
  broken_ = true;
  in_transaction_ = false;
  awaited_.clear();
  failure_ = absl::IsUnavailable(why) ? std::move(why) : absl::UnavailableError(why.message());
  sql_state_.clear();
  return failure_;
}

absl::StatusOr<std::optional<std::string>> PostgresSession::NextNotification() {
  if (PQconsumeInput(connection_.get()) != 1) {
    return Break(ConnectionError(connection_.get(), kWhat));
  }
  PGnotify* const notification = PQnotifies(connection_.get());
  if (notification == nullptr) return std::nullopt;
  std::string payload(notification->extra);
  PQfreemem(notification);
  return payload;
}

}  // namespace fetchd::store
