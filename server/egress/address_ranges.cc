#include "egress/address_ranges.h"

#include <algorithm>
#include <array>
#include <boost/asio/ip/network_v4.hpp>
#include <boost/asio/ip/network_v6.hpp>
#include <span>

namespace fetchd::egress {
namespace {

namespace ip = boost::asio::ip;

// Registry blocks that are not globally reachable, plus blocks that are but are no web origins
// (AS112, AMT, the 6to4 relay) and 168.63.129.16, which every Azure machine answers to. Metadata
// services first (Alibaba, Oracle): the first match decides.
constexpr auto kDeniedIpv4 = std::to_array<DeniedRange>({
    {Verdict::kCloudMetadata, "100.100.100.200/32"},
    {Verdict::kCloudMetadata, "192.0.0.192/32"},
    {Verdict::kUnspecified, "0.0.0.0/8"},
    {Verdict::kPrivate, "10.0.0.0/8"},
    {Verdict::kCarrierNat, "100.64.0.0/10"},
    {Verdict::kLoopback, "127.0.0.0/8"},
    {Verdict::kCloudMetadata, "168.63.129.16/32"},
    {Verdict::kLinkLocal, "169.254.0.0/16"},
    {Verdict::kPrivate, "172.16.0.0/12"},
    {Verdict::kReserved, "192.0.0.0/24"},
    {Verdict::kReserved, "192.0.2.0/24"},
    {Verdict::kReserved, "192.31.196.0/24"},
    {Verdict::kReserved, "192.52.193.0/24"},
    {Verdict::kReserved, "192.88.99.0/24"},
    {Verdict::kPrivate, "192.168.0.0/16"},
    {Verdict::kReserved, "192.175.48.0/24"},
    {Verdict::kReserved, "198.18.0.0/15"},
    {Verdict::kReserved, "198.51.100.0/24"},
    {Verdict::kReserved, "203.0.113.0/24"},
    {Verdict::kMulticast, "224.0.0.0/4"},
    {Verdict::kReserved, "240.0.0.0/4"},
});

// Everything outside 2000::/3 is denied whether or not it is named here; the names are for the
// verdict. The first match decides.
// Metadata services: Scaleway, AWS (EC2 and EKS), Google.
constexpr auto kDeniedIpv6 = std::to_array<DeniedRange>({
    {Verdict::kCloudMetadata, "fd00:42::42/128"},
    {Verdict::kCloudMetadata, "fd00:ec2::254/128"},
    {Verdict::kCloudMetadata, "fd00:ec2::23/128"},
    {Verdict::kCloudMetadata, "fd20:ce::254/128"},
    {Verdict::kUnspecified, "::/128"},
    {Verdict::kLoopback, "::1/128"},
    {Verdict::kPrivate, "fc00::/7"},
    {Verdict::kLinkLocal, "fe80::/10"},
    {Verdict::kPrivate, "fec0::/10"},
    {Verdict::kMulticast, "ff00::/8"},
    {Verdict::kReserved, "2001::/23"},
    {Verdict::kReserved, "2001:db8::/32"},
    {Verdict::kReserved, "2620:4f:8000::/48"},
    {Verdict::kReserved, "3fff::/20"},
});

constexpr auto kAlwaysEmbedded = std::to_array<DeniedRange>({
    {Verdict::kEmbedsIpv4, "::/96"},
    {Verdict::kEmbedsIpv4, "::ffff:0:0:0/96"},
    {Verdict::kEmbedsIpv4, "64:ff9b:1::/48"},
    {Verdict::kEmbedsIpv4, "2001::/32"},
    {Verdict::kEmbedsIpv4, "2002::/16"},
});

template <typename Network>
struct ParsedRange {
  Network network;
  DeniedRange range;
};

template <typename Network, typename Make>
auto ParseAll(std::span<const DeniedRange> ranges, Make make) {
  std::vector<ParsedRange<Network>> parsed;
  for (const DeniedRange& range : ranges) parsed.push_back({make(std::string(range.cidr)), range});
  return parsed;
}

auto ParseIpv6(std::span<const DeniedRange> ranges) {
  return ParseAll<ip::network_v6>(
      ranges, [](const std::string& cidr) { return ip::make_network_v6(cidr); });
}

template <typename Network, typename Address>
std::optional<DeniedRange> FindIn(const std::vector<ParsedRange<Network>>& ranges,
                                  const Address& address) {
  for (const auto& [network, range] : ranges) {
    if (SharePrefix(network.address(), address, network.prefix_length())) return range;
  }
  return std::nullopt;
}

template <typename Network>
std::optional<DeniedRange> FindGuardedIn(const std::vector<ParsedRange<Network>>& ranges,
                                         const ip::address& first, int prefix) {
  for (const auto& [network, range] : ranges) {
    const bool inside = prefix >= network.prefix_length() &&
                        SharePrefix(network.address(), first, network.prefix_length());
    if (IsGuarded(range.verdict) && inside) return range;
  }
  return std::nullopt;
}

template <typename Network>
bool HoldsGuardedOf(const std::vector<ParsedRange<Network>>& ranges, const ip::address& first,
                    int prefix) {
  return std::ranges::any_of(ranges, [&](const ParsedRange<Network>& denied) {
    return IsGuarded(denied.range.verdict) && prefix < denied.network.prefix_length() &&
           SharePrefix(first, denied.network.address(), prefix);
  });
}

const auto& DeniedIpv4() {
  static const auto ranges = ParseAll<ip::network_v4>(
      kDeniedIpv4, [](const std::string& cidr) { return ip::make_network_v4(cidr); });
  return ranges;
}

const auto& DeniedIpv6() {
  static const auto ranges = ParseIpv6(kDeniedIpv6);
  return ranges;
}

ip::address_v4 LastFourBytes(const ip::address_v6& address) {
  const auto bytes = address.to_bytes();
  return ip::address_v4({bytes[12], bytes[13], bytes[14], bytes[15]});
}

// RFC 5214: interface id 0:5efe:<IPv4>, or 200:5efe:<IPv4> with the universal bit.
bool IsIsatap(const ip::address_v6& address) {
  const auto bytes = address.to_bytes();
  return (bytes[8] == 0x00 || bytes[8] == 0x02) && bytes[9] == 0x00 && bytes[10] == 0x5e &&
         bytes[11] == 0xfe;
}

const ip::network_v6& WellKnownNat64() {
  static const ip::network_v6 network = ip::make_network_v6("64:ff9b::/96");
  return network;
}

bool IsWellKnownNat64(const ip::address_v6& address) {
  return SharePrefix(WellKnownNat64().address(), address, WellKnownNat64().prefix_length());
}

}  // namespace

bool SharePrefix(const ip::address& a, const ip::address& b, int prefix) {
  const auto share = [prefix](const auto& x, const auto& y) {
    const int bytes = prefix / 8;
    for (int i = 0; i < bytes; ++i) {
      if (x[i] != y[i]) return false;
    }
    const int bits = prefix % 8;
    return bits == 0 || ((x[bytes] ^ y[bytes]) >> (8 - bits)) == 0;
  };
  return a.is_v4() ? share(a.to_v4().to_bytes(), b.to_v4().to_bytes())
                   : share(a.to_v6().to_bytes(), b.to_v6().to_bytes());
}

std::optional<DeniedRange> FindDeniedRange(const ip::address_v4& address) {
  return FindIn(DeniedIpv4(), address);
}

std::optional<DeniedRange> FindDeniedRange(const ip::address_v6& address) {
  static const ip::network_v6 global = ip::make_network_v6("2000::/3");
  if (const auto range = FindIn(DeniedIpv6(), address)) return range;
  if (SharePrefix(global.address(), address, global.prefix_length())) return std::nullopt;
  return DeniedRange{Verdict::kReserved, "::/0"};
}

bool IsGuarded(Verdict verdict) {
  return verdict == Verdict::kLinkLocal || verdict == Verdict::kCloudMetadata ||
         verdict == Verdict::kUnspecified;
}

bool HoldsGuardedBlock(const ip::address& first, int prefix) {
  return first.is_v4() ? HoldsGuardedOf(DeniedIpv4(), first, prefix)
                       : HoldsGuardedOf(DeniedIpv6(), first, prefix);
}

std::optional<DeniedRange> FindGuardedBlock(const ip::address& first, int prefix) {
  return first.is_v4() ? FindGuardedIn(DeniedIpv4(), first, prefix)
                       : FindGuardedIn(DeniedIpv6(), first, prefix);
}

std::optional<DeniedRange> FindEmbeddedIpv4(const ip::address_v6& address) {
  static const auto always = ParseIpv6(kAlwaysEmbedded);
  if (address.is_unspecified() || address.is_loopback()) return std::nullopt;
  if (const auto range = FindIn(always, address)) return range;
  const bool denied = FindDeniedRange(LastFourBytes(address)).has_value();
  if (denied && IsWellKnownNat64(address)) return DeniedRange{Verdict::kEmbedsIpv4, "64:ff9b::/96"};
  if (denied && IsIsatap(address)) return DeniedRange{Verdict::kEmbedsIpv4, "ISATAP"};
  return std::nullopt;
}

ip::address Unwrap(const ip::address& address) {
  if (!address.is_v6()) return address;
  const ip::address_v6 v6 = address.to_v6();
  if (v6.is_v4_mapped() || IsWellKnownNat64(v6)) return LastFourBytes(v6);
  return address;
}

}  // namespace fetchd::egress
