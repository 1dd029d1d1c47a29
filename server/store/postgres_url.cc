#include "store/postgres_url.h"

#include <libpq-fe.h>

#include <algorithm>
#include <array>
#include <memory>

#include "base/strings.h"
#include "base/url_text.h"

namespace fetchd::store {
namespace {

constexpr auto kSchemes = std::to_array<std::string_view>({"postgres://", "postgresql://"});

struct FreeOptions {
  void operator()(PQconninfoOption* options) const { PQconninfoFree(options); }
};
using Options = std::unique_ptr<PQconninfoOption, FreeOptions>;

struct FreeText {
  void operator()(char* text) const { PQfreemem(text); }
};

/// Where the password is in the URL: in its userinfo, or a parameter.
struct Span {
  std::size_t begin = 0, end = 0;
};
std::vector<Span> PasswordsIn(std::string_view url) {
  std::vector<Span> found;
  const std::size_t begin = url.find("://") + 3;
  // A password may hold whatever ends an authority elsewhere: rather too much is hidden.
  std::size_t at = url.rfind('@');
  if (at == std::string_view::npos || at < begin) at = begin;
  const std::size_t colon = url.find(':', begin);
  if (colon < at) found.push_back({colon + 1, at});
  for (std::size_t from = url.find('?', begin); from < url.size();) {
    const std::size_t name = from + 1;
    const std::size_t value = url.find('=', name);
    from = std::min(url.find('&', name), url.size());
    const bool hidden = colon < at && value < at;
    if (!hidden && value < from &&
        PercentDecode(url.substr(name, value - name)).ends_with("password")) {
      found.push_back({value + 1, from});
    }
  }
  return found;
}

Options Parse(const std::string& url, std::string& error) {
  char* why = nullptr;
  Options options(PQconninfoParse(url.c_str(), &why));
  const std::unique_ptr<char, FreeText> freed(why);
  if (options == nullptr) error = why == nullptr ? "out of memory" : why;
  while (error.ends_with('\n')) error.pop_back();
  return options;
}

}  // namespace

bool IsPostgresUrl(std::string_view url) {
  return std::ranges::any_of(kSchemes, [&](std::string_view it) { return url.starts_with(it); });
}

std::string WithoutPassword(const std::string& url) {
  if (!IsPostgresUrl(url)) return url;
  std::string shown = url;
  std::vector<Span> passwords = PasswordsIn(url);
  std::ranges::sort(passwords, std::greater<>(), &Span::begin);
  for (const Span& span : passwords) shown.replace(span.begin, span.end - span.begin, kRedacted);
  return shown;
}

absl::Status CheckPostgresUrl(const std::string& url) {
  std::string error;
  if (IsPostgresUrl(url) && Parse(url, error) != nullptr) return absl::OkStatus();
  // libpq repeats what it cannot read.
  const bool may_show = !error.empty() && PasswordsIn(url).empty();
  return absl::InvalidArgumentError(
      Concat("expects postgres://USER@HOST:PORT/DATABASE, as libpq reads it",
             may_show ? Concat(": ", error) : std::string(),
             "; what is special in a user or a password is percent-encoded"));
}

absl::StatusOr<std::vector<std::pair<std::string, std::string>>> ConnectionParameters(
    const PostgresAddress& address) {
  RETURN_IF_ERROR(CheckPostgresUrl(address.url));
  std::string error;
  const Options options = Parse(address.url, error);
  std::vector<std::pair<std::string, std::string>> parameters;
  const auto has = [&parameters](std::string_view name) {
    return std::ranges::any_of(parameters, [&](const auto& it) { return it.first == name; });
  };
  for (const PQconninfoOption* option = options.get(); option->keyword != nullptr; ++option) {
    const bool replaced =
        std::string_view(option->keyword) == "password" && !address.password.empty();
    if (option->val != nullptr && !replaced) parameters.emplace_back(option->keyword, option->val);
  }
  if (!address.password.empty()) parameters.emplace_back("password", address.password.Reveal());
  // A server that is gone without a word is found out by these.
  constexpr auto kDefaults =
      std::to_array<std::pair<const char*, const char*>>({{"application_name", "fetchd"},
                                                          {"connect_timeout", "5"},
                                                          {"target_session_attrs", "read-write"},
                                                          {"keepalives_idle", "10"},
                                                          {"keepalives_interval", "5"},
                                                          {"keepalives_count", "3"},
                                                          {"tcp_user_timeout", "15000"}});
  for (const auto& [name, value] : kDefaults) {
    if (!has(name)) parameters.emplace_back(name, value);
  }
  return parameters;
}

}  // namespace fetchd::store
