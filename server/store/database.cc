#include "store/database.h"

#include "store/sqlite_session.h"

namespace fetchd::store {

absl::StatusOr<Database> Database::Open(const std::filesystem::path& path, Mode mode) {
  ASSIGN_OR_RETURN(std::unique_ptr<Session> session,
                   OpenSqliteSession(path, mode == Mode::kReadOnly));
  return Database(std::move(session));
}

absl::StatusOr<Statement*> Database::PrepareOnce(const char* sql) {
  const auto found = statements_.find(sql);
  if (found != statements_.end()) return found->second.get();
  ASSIGN_OR_RETURN(std::unique_ptr<Statement> statement, session_->Prepare(sql, true));
  return statements_.emplace(sql, std::move(statement)).first->second.get();
}

Query::Query(Database& database, const std::string& sql, const std::vector<Value>& parameters) {
  auto statement = database.session().Prepare(sql, false);
  if (!statement.ok()) {
    status_ = statement.status();
    return;
  }
  owned_ = *std::move(statement);
  statement_ = owned_.get();
  for (const Value& parameter : parameters) Bind(parameter);
}

void Query::Adopt(absl::StatusOr<Statement*> statement) {
  if (statement.ok()) {
    statement_ = *statement;
  } else {
    status_ = statement.status();
  }
}

absl::StatusOr<bool> Query::Step() {
  RETURN_IF_ERROR(status_);
  absl::StatusOr<bool> found = statement_->Step();
  status_ = found.status();
  return found;
}

absl::Status Query::Run(std::int64_t* number) {
  RETURN_IF_ERROR(status_);
  return statement_->Run(number);
}

absl::StatusOr<std::int64_t> Query::RunAndCount() {
  RETURN_IF_ERROR(status_);
  return statement_->RunAndCount();
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
