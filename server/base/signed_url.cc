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
                                                                    "security-token",
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
/// one after the other. A ';' or a '?' may begin a parameter, or be a part of a value: one that is
/// secret goes on behind it, so that no half of it is shown.
template <typename See>
void ForEachSecret(std::string_view url, See see) {
  constexpr std::string_view kEndsName = "=&;?#", kEndsValue = "&;?#", kEndsSecret = "&#";
  std::size_t begin = url.find_first_of("?#");
  while (begin < url.size()) {
    const std::size_t name = begin + 1;
    const std::size_t equals = std::min(url.find_first_of(kEndsName, name), url.size());
    begin = equals;
    if (equals == url.size() || url[equals] != '=') continue;
    const std::size_t value = equals + 1;
    const bool secret = IsSecret(url.substr(name, equals - name));
    begin = std::min(url.find_first_of(secret ? kEndsSecret : kEndsValue, value), url.size());
    if (secret && begin > value) see(value, begin - value);
  }
}

}  // namespace

std::string HideSignatures(std::string_view url) {
  std::string hidden;
  std::size_t copied = 0;
  ForEachSecret(url, [&](std::size_t at, std::size_t size) {
    hidden.append(url.substr(copied, at - copied)).append(kRedacted);
    copied = at + size;
  });
  return hidden.append(url.substr(copied));
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
