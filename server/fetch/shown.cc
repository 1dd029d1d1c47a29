#include "fetch/shown.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "base/signed_url.h"
#include "base/strings.h"

namespace fetchd::fetch {
namespace {

constexpr std::array<std::string_view, 12> kSecret = {
    "authentication-info", "authorization",        "set-cookie",      "set-cookie2",
    "x-access-token",      "x-amz-security-token", "x-api-key",       "x-auth-token",
    "x-csrf-token",        "x-refresh-token",      "x-subject-token", "x-xsrf-token"};

bool IsSecret(std::string_view name) {
  const std::string lower = AsciiLower(name);
  return lower.starts_with("proxy-") || std::ranges::find(kSecret, lower) != kSecret.end();
}

}  // namespace

std::string ShownUrl(const Url& answered, const Url& asked) {
  return answered == asked ? HideSignatures(answered.ToString()) : answered.Redacted();
}

std::vector<std::pair<std::string, std::string>> ShownHeaders(const http::Headers& headers) {
  std::vector<std::pair<std::string, std::string>> shown;
  for (std::size_t i = 0; i < headers.size(); ++i) {
    const auto [name, value] = headers.at(i);
    if (!IsSecret(name)) shown.emplace_back(name, value);
  }
  return shown;
}

}  // namespace fetchd::fetch
