#include "base/signed_url.h"

#include <algorithm>
#include <array>

#include "base/secret.h"
#include "base/strings.h"
#include "base/url.h"
#include "base/url_text.h"

namespace fetchd {
namespace {

constexpr auto kSecretParameters = std::to_array<std::string_view>({"x-amz-signature",
                                                                    "x-amz-security-token",
                                                                    "x-goog-signature",
                                                                    "x-oss-signature",
                                                                    "x-oss-security-token",
                                                                    "x-cos-security-token",
                                                                    "q-signature",
                                                                    "signature",
                                                                    "sig",
                                                                    "sign",
                                                                    "token",
                                                                    "access_token",
                                                                    "refresh_token",
                                                                    "id_token",
                                                                    "auth_token",
                                                                    "authtoken",
                                                                    "private_token",
                                                                    "job_token",
                                                                    "api_key",
                                                                    "apikey",
                                                                    "api-key",
                                                                    "client_secret",
                                                                    "secret",
                                                                    "password",
                                                                    "passwd",
                                                                    "pwd",
                                                                    "auth",
                                                                    "authorization",
                                                                    "jwt",
                                                                    "hdnea",
                                                                    "hdnts",
                                                                    "hdntl",
                                                                    "__token__"});

bool IsSecret(std::string_view name) {
  const std::string plain = AsciiLower(PercentDecode(name));
  return std::ranges::find(kSecretParameters, plain) != kSecretParameters.end();
}

/// Calls `see(value_at, value_size)` for the value of each parameter that is secret and not empty,
/// the last one first.
template <typename See>
void ForEachSecret(std::string_view url, See see) {
  constexpr std::string_view kBegins = "?&;#";
  const std::size_t query = url.find_first_of("?#");
  for (std::size_t end = url.size(); query < end;) {
    const std::size_t begin = url.find_last_of(kBegins, end - 1);
    if (begin == std::string_view::npos || begin < query) return;
    const std::string_view parameter = url.substr(begin + 1, end - begin - 1);
    const std::size_t equals = parameter.find('=');
    if (equals != std::string_view::npos && equals + 1 < parameter.size() &&
        IsSecret(parameter.substr(0, equals))) {
      see(begin + 1 + equals + 1, parameter.size() - equals - 1);
    }
    end = begin;
  }
}

}  // namespace

std::string HideSignatures(std::string_view url) {
  std::string hidden(url);
  ForEachSecret(
      url, [&hidden](std::size_t at, std::size_t size) { hidden.replace(at, size, kRedacted); });
  return hidden;
}

bool HasSignature(std::string_view url) {
  bool has = false;
  ForEachSecret(
      url, [&](std::size_t at, std::size_t size) { has |= url.substr(at, size) != kRedacted; });
  return has;
}

bool HasHiddenSignature(std::string_view url) {
  bool has = false;
  ForEachSecret(
      url, [&](std::size_t at, std::size_t size) { has |= url.substr(at, size) == kRedacted; });
  return has;
}

std::string WithoutUserinfo(std::string_view text) {
  const std::size_t slashes = text.find("//");
  const std::size_t begin = slashes == std::string_view::npos ? 0 : slashes + 2;
  const auto cut = [&](std::size_t end) {
    const std::size_t at = text.substr(0, end).rfind('@');
    const bool has = at != std::string_view::npos && at >= begin;
    return has ? Concat(text.substr(0, begin), text.substr(at + 1)) : std::string(text);
  };
  std::string shown = cut(std::min(text.find_first_of("/?#", begin), text.size()));
  const bool is_url = Url::ParseSource(shown, {.ipv4_forms = Ipv4Forms::kWhatwg}).ok();
  // "name:password", whatever the password is of.
  const std::string_view spread = text.substr(begin, text.rfind('@') - begin);
  const bool has_password = text.contains('@') && spread.contains(':');
  return is_url || !has_password ? shown : cut(text.size());
}

}  // namespace fetchd
