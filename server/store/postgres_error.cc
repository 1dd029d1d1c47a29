#include "store/postgres_error.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "base/strings.h"

namespace fetchd::store {
namespace {

using absl::StatusCode;

struct Rule {
  std::string_view prefix;  ///< Of the SQLSTATE: a class has two characters.
  StatusCode code;
  const char* hint = "";
};

// The first that fits.
constexpr auto kRules = std::to_array<Rule>({
    {"08", StatusCode::kUnavailable},
    {"23505", StatusCode::kUnavailable},
    {"25006", StatusCode::kUnavailable, "; store.url should name the primary, not a standby"},
    {"25P03", StatusCode::kUnavailable},
    {"28", StatusCode::kPermissionDenied, "; check the user and the password of store.url"},
    {"3D000", StatusCode::kUnavailable, "; create the database, or choose another"},
    {"3F000", StatusCode::kUnavailable, "; create the schema, or choose another"},
    {"40", StatusCode::kUnavailable},
    {"42501", StatusCode::kPermissionDenied,
     "; the user of store.url must be able to create and use tables in its schema"},
    {"53100", StatusCode::kResourceExhausted, "; free space on the database server"},
    {"53300", StatusCode::kUnavailable, "; raise max_connections of the database server"},
    {"53", StatusCode::kResourceExhausted},
    {"55P03", StatusCode::kUnavailable},
    {"57", StatusCode::kUnavailable},
    {"58", StatusCode::kUnavailable},
    {"XX001", StatusCode::kDataLoss, "; restore the database from a backup"},
    {"XX002", StatusCode::kDataLoss, "; rebuild the index"},
});

std::string_view HintOf(std::string_view sql_state) {
  const auto* rule = std::ranges::find(kRules, sql_state, &Rule::prefix);
  return rule == kRules.end() ? "" : rule->hint;
}

std::string_view Trimmed(const char* text) {
  std::string_view trimmed = text == nullptr ? "" : text;
  while (trimmed.ends_with('\n')) trimmed.remove_suffix(1);
  return trimmed;
}

}  // namespace

std::string_view SqlState(const PGresult* result) {
  const char* state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
  return state == nullptr ? std::string_view() : state;
}

bool IsConflict(std::string_view sql_state) {
  // Serialization failures, deadlocks; and a key that another transaction took meanwhile.
  return sql_state.starts_with("40") || sql_state == "23505";
}

absl::Status PostgresError(const PGresult* result, std::string_view what) {
  const std::string_view state = SqlState(result);
  const std::string message =
      Concat(what, ": ", Trimmed(PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY)),
             " (SQLSTATE ", state.empty() ? "none" : state, ")");
  if (state.empty())
    return absl::UnavailableError(message);  // libpq's own: the connection is gone.
  for (const Rule& rule : kRules) {
    if (state.starts_with(rule.prefix)) return {rule.code, message + rule.hint};
  }
  return absl::InternalError(message);
}

bool IsOfServer(std::string_view sql_state) {
  constexpr auto kClasses = std::to_array<std::string_view>({"25", "53", "55", "57", "58", "XX"});
  return std::ranges::any_of(kClasses, [&](auto it) { return sql_state.starts_with(it); });
}

absl::Status ConnectionError(const PGconn* connection, std::string_view what) {
  const std::string_view text = Trimmed(PQerrorMessage(connection));
  // Before a connection is made libpq has no SQLSTATE to give: the server's words have to do. For
  // hints alone: what a server refuses now it may admit later, and jobs wait for that.
  constexpr auto kWords = std::to_array<std::pair<std::string_view, std::string_view>>(
      {{"authentication failed", "28"},
       {"no password supplied", "28"},
       {"no pg_hba.conf", "28"},
       {"\" does not exist", "3D000"},
       {"session is read-only", "25006"},
       {"server is in hot standby mode", "25006"},
       {"too many connections", "53300"}});
  std::string_view hint;
  for (const auto& [words, state] : kWords) {
    if (hint.empty() && text.find(words) != std::string_view::npos) hint = HintOf(state);
  }
  return absl::UnavailableError(Concat(what, ": ", text, hint));
}

}  // namespace fetchd::store
