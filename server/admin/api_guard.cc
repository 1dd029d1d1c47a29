#include "admin/api_guard.h"

#include <string_view>
#include <vector>

#include "base/strings.h"

namespace fetchd::admin {
namespace {

/// "[::1]:7071" without its port.
std::string_view HostName(std::string_view host) {
  const std::size_t colon = host.rfind(':');
  const bool has_port = colon != std::string_view::npos && !host.ends_with(']');
  return has_port ? host.substr(0, colon) : host;
}

bool IsOfThisMachine(std::string_view host, const ApiGuard& guard) {
  const std::string_view name = HostName(host);
  return EqualsIgnoreCase(name, "localhost") || name == "127.0.0.1" || name == "[::1]" ||
         name == guard.listen_host;
}

/// Browsers say which page a request is of, and pages cannot lie in it.
bool IsOfAnotherSite(const HttpRequest& request, std::string_view host) {
  for (const std::string_view site : request.Values("sec-fetch-site")) {
    if (site != "same-origin" && site != "none") return true;
  }
  for (const std::string_view origin : request.Values("origin")) {
    const std::size_t slashes = origin.find("://");
    if (slashes == std::string_view::npos) return true;
    if (!EqualsIgnoreCase(origin.substr(slashes + 3), host)) return true;
  }
  return false;
}

}  // namespace

std::optional<Answer> CheckPlace(const HttpRequest& request, const ApiGuard& guard,
                                 bool has_certificate) {
  if (guard.access == ApiAccess::kClosed) {
    return Answer{403,
                  "the API is not served here: others reach this address, and it takes "
                  "callers.file and admin.tls to ask who they are"};
  }
  const auto host = request.Value("host");
  if (!host) return Answer{400, "a request has one Host"};
  if (guard.access == ApiAccess::kOpen) {
    if (!IsOfThisMachine(*host, guard)) {
      return Answer{403,
                    "call it by localhost or its address: nobody is asked who calls here, so "
                    "that other names are refused"};
    }
    if (guard.needs_certificate && !has_certificate) {
      return Answer{403, "a client certificate is needed"};
    }
  }
  return std::nullopt;
}

std::optional<Answer> CheckPassage(const HttpRequest& request, const ApiGuard& guard,
                                   bool has_certificate) {
  if (auto refused = CheckPlace(request, guard, has_certificate)) return refused;
  if (!IsOfAnotherSite(request, *request.Value("host"))) return std::nullopt;
  return Answer{403, "requests of other sites' pages are refused"};
}

}  // namespace fetchd::admin
