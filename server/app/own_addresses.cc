#include "app/own_addresses.h"

#include <ifaddrs.h>
#include <netinet/in.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>

#include "base/strings.h"

namespace fetchd::app {
namespace {

namespace ip = boost::asio::ip;

std::optional<ip::address> AddressOf(const sockaddr* address) {
  if (address == nullptr) return std::nullopt;
  if (address->sa_family == AF_INET) {
    sockaddr_in v4;
    std::memcpy(&v4, address, sizeof(v4));
    return ip::address_v4(ntohl(v4.sin_addr.s_addr));
  }
  if (address->sa_family != AF_INET6) return std::nullopt;
  sockaddr_in6 v6;
  std::memcpy(&v6, address, sizeof(v6));
  ip::address_v6::bytes_type bytes;
  std::memcpy(bytes.data(), &v6.sin6_addr, bytes.size());
  return ip::address_v6(bytes);
}

}  // namespace

absl::StatusOr<std::vector<ip::address>> OwnAddresses() {
  ifaddrs* first = nullptr;
  if (::getifaddrs(&first) != 0) {
    return absl::UnavailableError(
        Concat("the addresses of this machine cannot be read: ", std::strerror(errno)));
  }
  const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> owner(first, &::freeifaddrs);
  std::vector<ip::address> addresses;
  for (const ifaddrs* each = first; each != nullptr; each = each->ifa_next) {
    const std::optional<ip::address> address = AddressOf(each->ifa_addr);
    if (address && std::ranges::find(addresses, *address) == addresses.end()) {
      addresses.push_back(*address);
    }
  }
  return addresses;
}

}  // namespace fetchd::app
