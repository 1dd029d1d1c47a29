// What PostgreSQL answers as absl::Status: the one place where that is translated.
#pragma once

#include <libpq-fe.h>

#include <string_view>

#include "base/status.h"

namespace fetchd::store {

/// Of an answer that is an error. Without what the server says of values, which may be anybody's.
absl::Status PostgresError(const PGresult* result, std::string_view what);
/// UNAVAILABLE, with what to do where the words tell.
absl::Status ConnectionError(const PGconn* connection, std::string_view what);

/// The SQLSTATE of an answer; empty for none.
std::string_view SqlState(const PGresult* result);
/// Another transaction was in the way, and the same one again may well succeed.
bool IsConflict(std::string_view sql_state);
/// It is the server that cannot, whatever is asked: too busy, full, locked, going down, a standby.
bool IsOfServer(std::string_view sql_state);

}  // namespace fetchd::store
