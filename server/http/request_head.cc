#include "http/request_head.h"

#include <algorithm>

#include "base/strings.h"
#include "http/tokens.h"

namespace fetchd::http {
namespace {

bool Has(const std::vector<Header>& headers, std::string_view name) {
  return std::ranges::any_of(
      headers, [&](const Header& header) { return EqualsIgnoreCase(header.name, name); });
}

void AppendField(std::string& out, std::string_view name, std::string_view value) {
  out.append(name).append(": ").append(value).append("\r\n");
}

}  // namespace

absl::Status ComposeRequestHead(const Request& request, std::string_view user_agent,
                                std::string& out) {
  if (!IsToken(request.method)) return absl::InvalidArgumentError("the method must be a token");
  out.clear();
  out.append(request.method).append(" ").append(request.url.target()).append(" HTTP/1.1\r\n");
  AppendField(out, "Host", request.url.host_header());
  if (!user_agent.empty() && !Has(request.headers, "user-agent")) {
    AppendField(out, "User-Agent", user_agent);
  }
  if (!Has(request.headers, "accept")) AppendField(out, "Accept", "*/*");
  AppendField(out, "Accept-Encoding", "identity");
  for (const Header& header : request.headers) {
    if (!IsToken(header.name) || !IsFieldValue(header.value)) {
      return absl::InvalidArgumentError("a request header is not valid: see ValidateHeader");
    }
    AppendField(out, header.name, header.value);
  }
  out.append("\r\n");
  return absl::OkStatus();
}

}  // namespace fetchd::http
