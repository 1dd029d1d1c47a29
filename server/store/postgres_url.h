// Where a PostgreSQL database is.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/secret.h"
#include "base/status.h"

namespace fetchd::store {

/// postgres:// or postgresql://, which need not be right otherwise.
bool IsPostgresUrl(std::string_view url);
/// INVALID_ARGUMENT with what libpq makes of it, but for a password, which is in no message.
absl::Status CheckPostgresUrl(const std::string& url);
/// Without its password, to be shown.
std::string WithoutPassword(const std::string& url);

struct PostgresAddress {
  std::string url;
  Secret password;  ///< Instead of one in the URL; empty = that one, or as libpq finds it
                    ///< (PGPASSFILE).
};
/// What libpq connects by, with fetchd's choices where the URL has none. Holds the password.
absl::StatusOr<std::vector<std::pair<std::string, std::string>>> ConnectionParameters(
    const PostgresAddress& address);

}  // namespace fetchd::store
