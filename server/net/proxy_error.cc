#include "net/proxy_error.h"

#include <utility>

#include "base/retry_policy.h"
#include "base/strings.h"

namespace fetchd::net {

namespace {

struct Fault {
  absl::StatusCode code;
  const char* reason;
  std::string_view what;
  std::string_view answer;
};

absl::Status ProxyError(const Proxy& proxy, std::string_view peer, const Fault& fault) {
  Reason reason{
      fault.reason,
      {{"phase", PhaseName(Phase::kProxy)}, {"proxy", proxy.name}, {"peer", std::string(peer)}}};
  if (!fault.answer.empty()) reason.metadata.emplace_back("answer", fault.answer);
  const std::string message = Concat(proxy.Title(), ", asked for ", peer, ": ", fault.what);
  return WithReason(absl::Status(fault.code, message), std::move(reason));
}

}  // namespace

absl::Status ProxyConnectError(const Proxy& proxy, std::string_view what, std::string_view peer,
                               std::string_view answer) {
  return ProxyError(proxy, peer,
                    {absl::StatusCode::kUnavailable, "PROXY_CONNECT_FAILED", what, answer});
}

absl::Status ProxyDeniedError(const Proxy& proxy, std::string_view what, std::string_view peer,
                              std::string_view answer) {
  return ProxyError(proxy, peer,
                    {absl::StatusCode::kPermissionDenied, "PROXY_DENIED", what, answer});
}

absl::Status ProxyAuthError(const Proxy& proxy, std::string_view peer, std::string_view answer) {
  const char* what = proxy.has_credentials()
                         ? "it refuses the credentials that are configured for it"
                         : "it asks for credentials, and none are configured for it";
  return ProxyError(proxy, peer,
                    {absl::StatusCode::kFailedPrecondition, "PROXY_AUTH_REQUIRED", what, answer});
}

absl::Status ProxyProtocolError(const Proxy& proxy, std::string_view what, std::string_view peer,
                                std::string_view answer) {
  return ProxyError(proxy, peer,
                    {absl::StatusCode::kFailedPrecondition, "PROXY_PROTOCOL_ERROR", what, answer});
}

}  // namespace fetchd::net
