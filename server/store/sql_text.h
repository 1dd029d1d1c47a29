// SQL that is written once for both engines, as each of them reads it.
#pragma once

#include <string>
#include <string_view>

namespace fetchd::store {

/// Without the lock at its end (FOR UPDATE, FOR UPDATE SKIP LOCKED): there is one writer.
std::string ForSqlite(std::string_view sql);

/// Parameters `?` and `?1` as `$1`, but for what is quoted; without INDEXED BY; and without the
/// lock at its end unless `locks`.
std::string ForPostgres(std::string_view sql, bool locks);

}  // namespace fetchd::store
