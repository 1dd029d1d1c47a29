#include "store/sql_text.h"

#include <algorithm>
#include <cctype>

#include "base/strings.h"

namespace fetchd::store {
namespace {

constexpr std::string_view kLock = " FOR UPDATE";
constexpr std::string_view kIndexedBy = " INDEXED BY ";

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsNameCharacter(char c) { return c == '_' || std::isalnum(static_cast<unsigned char>(c)); }

/// Where it ends that begins at `from` and goes on while `belongs`.
std::size_t EndOf(std::string_view sql, std::size_t from, bool (*belongs)(char)) {
  while (from < sql.size() && belongs(sql[from])) ++from;
  return from;
}

std::string_view WithoutLock(std::string_view sql) { return sql.substr(0, sql.rfind(kLock)); }

}  // namespace

std::string ForSqlite(std::string_view sql) { return std::string(WithoutLock(sql)); }

std::string ForPostgres(std::string_view sql, bool locks) {
  if (!locks) sql = WithoutLock(sql);
  std::string text;
  text.reserve(sql.size() + 32);
  bool quoted = false;
  int parameters = 0;
  for (std::size_t at = 0; at < sql.size();) {
    const char c = sql[at];
    if (c == '\'') quoted = !quoted;
    if (!quoted && c == '?') {
      const std::size_t end = EndOf(sql, at + 1, IsDigit);
      const std::string_view number = sql.substr(at + 1, end - at - 1);
      text += '$';
      text += number.empty() ? Concat(++parameters) : std::string(number);
      at = end;
    } else if (!quoted && sql.substr(at).starts_with(kIndexedBy)) {
      at = EndOf(sql, at + kIndexedBy.size(), IsNameCharacter);
    } else {
      text += c;
      ++at;
    }
  }
  return text;
}

}  // namespace fetchd::store
