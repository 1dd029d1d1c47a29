#include "http/request_head.h"

#include <absl/functional/function_ref.h>

#include <algorithm>

#include "base/strings.h"
#include "http/content_coding.h"
#include "http/tokens.h"

namespace fetchd::http {
namespace {

bool Has(const std::vector<Header>& headers, std::string_view name) {
  return std::ranges::any_of(
      headers, [&](const Header& header) { return EqualsIgnoreCase(header.name, name); });
}

// Announced also when it is empty (RFC 9110 8.6).
bool HasBody(const Request& request) { return request.method == "PUT" || request.method == "POST"; }

using FieldVisitor = absl::FunctionRef<void(std::string_view name, std::string_view value)>;

/// All fields but the one that names the host.
absl::Status VisitRequestFields(const Request& request, std::string_view user_agent,
                                FieldVisitor visit) {
  if (!user_agent.empty() && !Has(request.headers, "user-agent")) visit("User-Agent", user_agent);
  if (!Has(request.headers, "accept")) visit("Accept", "*/*");
  visit("Accept-Encoding", request.decode ? kDecodedCodings : "identity");
  if (HasBody(request)) visit("Content-Length", Concat(SizeOf(request.body)));
  for (const Header& header : request.headers) {
    if (!IsToken(header.name) || !IsFieldValue(header.value)) {
      return absl::InvalidArgumentError("a request header is not valid: see ValidateHeader");
    }
    visit(header.name, header.value);
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ComposeRequestHead(const Request& request, std::string_view user_agent,
                                const net::Proxy* forwarding, std::string& out) {
  if (!IsToken(request.method)) return absl::InvalidArgumentError("the method must be a token");
  out.clear();
  out.append(request.method).append(" ");
  if (forwarding != nullptr) out.append(request.url.origin().ToString());
  out.append(request.url.target()).append(" HTTP/1.1\r\n");
  const auto append = [&out](std::string_view name, std::string_view value) {
    out.append(name).append(": ").append(value).append("\r\n");
  };
  append("Host", request.url.host_header());
  if (forwarding != nullptr && forwarding->has_credentials()) {
    append("Proxy-Authorization", forwarding->Authorization().Reveal());
  }
  RETURN_IF_ERROR(VisitRequestFields(request, user_agent, append));
  out.append("\r\n");
  return absl::OkStatus();
}

absl::Status ComposeRequestFields(const Request& request, std::string_view user_agent,
                                  std::vector<Header>& out) {
  if (!IsToken(request.method)) return absl::InvalidArgumentError("the method must be a token");
  out.clear();
  out.push_back({":method", request.method});
  out.push_back({":scheme", request.url.scheme()});
  out.push_back({":authority", request.url.host_header()});
  out.push_back({":path", request.url.target()});
  return VisitRequestFields(request, user_agent, [&out](std::string_view name, auto value) {
    out.push_back({AsciiLower(name), std::string(value)});
  });
}

}  // namespace fetchd::http
