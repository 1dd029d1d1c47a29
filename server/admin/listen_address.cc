#include "admin/listen_address.h"

#include <boost/asio/ip/address.hpp>
#include <cstdint>
#include <optional>

#include "base/strings.h"

namespace fetchd::admin {
namespace {

std::optional<asio::ip::address> ParseHost(const std::string& host) {
  if (host == "localhost") return asio::ip::address_v4::loopback();
  const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  boost::system::error_code error;
  const auto address =
      asio::ip::make_address(bracketed ? host.substr(1, host.size() - 2) : host, error);
  if (error || address.is_v6() != bracketed) return std::nullopt;
  return address;
}

}  // namespace

absl::StatusOr<asio::ip::tcp::endpoint> ParseListenAddress(const std::string& listen) {
  if (const std::size_t colon = listen.rfind(':'); colon != std::string::npos) {
    const auto address = ParseHost(listen.substr(0, colon));
    const auto port = ParseDecimal<std::uint16_t>(std::string_view(listen).substr(colon + 1));
    if (address && port) return asio::ip::tcp::endpoint(*address, *port);
  }
  return absl::InvalidArgumentError(
      Concat("admin.listen: \"", listen,
             "\" is not ADDRESS:PORT; write 127.0.0.1:7071 or [::1]:7071, or off"));
}

absl::Status CheckReach(const asio::ip::tcp::endpoint& endpoint, bool asks_for_certificates,
                        bool insecure) {
  if (endpoint.address().is_loopback() || asks_for_certificates || insecure) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(
      Concat("admin.listen: ", FormatAddress(endpoint),
             " is reachable from other machines, and metrics are told to everybody "
             "(admin.tls.client_ca_file is not set): configure it, listen on 127.0.0.1, or set "
             "admin.insecure: true when the network itself is trusted"));
}

std::string FormatAddress(const asio::ip::tcp::endpoint& endpoint) {
  const std::string host = endpoint.address().to_string();
  return endpoint.address().is_v6() ? Concat('[', host, "]:", endpoint.port())
                                    : Concat(host, ':', endpoint.port());
}

}  // namespace fetchd::admin
