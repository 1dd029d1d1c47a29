#include "base/strings.h"
#include "net/error.h"
#include "net/resolver.h"

namespace fetchd::net {

namespace {

constexpr std::uint16_t kDnsPort = 53;

/// "10.0.0.2", "10.0.0.2:53", "2001:db8::1", "[2001:db8::1]:53".
absl::StatusOr<asio::ip::udp::endpoint> ParseServer(std::string_view text) {
  const absl::Status wrong = absl::InvalidArgumentError(
      Concat('"', text,
             "\" is no DNS server: expects addresses, such as 10.0.0.2, 10.0.0.2:5353 or "
             "[2001:db8::1]:53, with commas between them"));
  std::string_view host = text, port;
  if (text.starts_with('[')) {
    const std::size_t end = text.find(']');
    if (end == std::string_view::npos) return wrong;
    host = text.substr(1, end - 1);
    port = text.substr(end + 1);
    if (host.find(':') == std::string_view::npos) return wrong;
  } else if (const std::size_t colon = text.find(':'); colon == text.rfind(':')) {
    host = text.substr(0, colon);
    port = colon == std::string_view::npos ? "" : text.substr(colon);
  }
  boost::system::error_code not_an_address;
  const auto address = asio::ip::make_address(std::string(host), not_an_address);
  // A scope, as of link-local addresses, is more than c-ares can be told.
  if (not_an_address || host.find('%') != std::string_view::npos) return wrong;
  if (port.empty()) return asio::ip::udp::endpoint(address, kDnsPort);
  const auto number = ParseDecimal<std::uint16_t>(port.substr(1));
  if (port[0] != ':' || !number || *number == 0) return wrong;
  return asio::ip::udp::endpoint(address, *number);
}

}  // namespace

absl::StatusOr<DnsServers> ParseDnsServers(std::string_view text) {
  DnsServers servers;
  if (TrimWhitespace(text).empty()) return servers;
  while (true) {
    const std::size_t comma = text.find(',');
    ASSIGN_OR_RETURN(servers.emplace_back(), ParseServer(TrimWhitespace(text.substr(0, comma))));
    if (comma == std::string_view::npos) return servers;
    text.remove_prefix(comma + 1);
  }
}

std::string FormatDnsServers(const DnsServers& servers) {
  std::string text;
  for (const auto& server : servers) {
    if (!text.empty()) text += ',';
    text += PeerName({"", server.address().to_string(), server.port()});
  }
  return text;
}

}  // namespace fetchd::net
