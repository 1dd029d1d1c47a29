// Which addresses are not the public internet.
#pragma once

#include <boost/asio/ip/address.hpp>
#include <optional>
#include <string_view>

#include "egress/policy.h"

namespace fetchd::egress {

/// The state of the IANA special-purpose registries that the blocks were taken from.
inline constexpr std::string_view kRangesSnapshotDate = "2026-07-18";

struct DeniedRange {
  Verdict verdict;
  std::string_view cidr;
};

/// The denied block that `address` is in. IPv6 outside 2000::/3 is in "::/0" when no better name is
/// known. Does not look into embedded addresses.
std::optional<DeniedRange> FindDeniedRange(const boost::asio::ip::address_v4& address);
std::optional<DeniedRange> FindDeniedRange(const boost::asio::ip::address_v6& address);

/// The block of an IPv6 form through which a packet may reach a denied IPv4 address: well-known
/// NAT64 and ISATAP when what they carry is denied; 6to4, Teredo, local NAT64, SIIT and
/// IPv4-compatible always. Mapped is not among them: that is the IPv4 address itself.
std::optional<DeniedRange> FindEmbeddedIpv4(const boost::asio::ip::address_v6& address);

/// The guarded block in which all addresses of first/prefix are: link-local, unspecified ("this
/// host"), or a metadata service's address, also one among private addresses. What answers there
/// hands out credentials or is this machine, so a rule opens it only when it names that one
/// address.
std::optional<DeniedRange> FindGuardedBlock(const boost::asio::ip::address& first, int prefix);
/// Is a guarded block among the addresses of first/prefix, which has others too?
bool HoldsGuardedBlock(const boost::asio::ip::address& first, int prefix);
bool IsGuarded(Verdict verdict);

/// True when the first `prefix` bits of both are equal. Both are addresses of one family.
bool SharePrefix(const boost::asio::ip::address& a, const boost::asio::ip::address& b, int prefix);

}  // namespace fetchd::egress
