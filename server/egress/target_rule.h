// One entry of `egress.allow` or `egress.deny`, parsed. The grammar is in policy.h.
#pragma once

#include <boost/asio/ip/address.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/status.h"

namespace fetchd::egress {

struct TargetRule {
  /// Set for an address rule: the network's first address. A mapped one has become IPv4.
  std::optional<boost::asio::ip::address> network;
  int prefix = 0;
  /// Set for a host rule: canonical, without "*.".
  std::string host;
  bool subdomains = false;            ///< "*.": the names under `host`, not `host` itself.
  std::optional<std::uint16_t> port;  ///< Absent = every port.

  bool CoversAddress(const boost::asio::ip::address& address) const;
  /// As an exception: a guarded address (FindGuardedBlock) is admitted by a rule for that address
  /// alone.
  bool AdmitsAddress(const boost::asio::ip::address& address) const;
  bool AdmitsName(std::string_view name) const;
  bool AdmitsPort(std::uint16_t candidate) const { return !port || *port == candidate; }
  /// An address rule that admits at least one of 127.0.0.0/8 and ::1.
  bool CoversLoopback() const;
  /// An address rule for one address.
  bool IsSingleAddress() const;
};

/// INVALID_ARGUMENT saying what is wrong with `text`, without repeating it.
absl::StatusOr<TargetRule> ParseTargetRule(std::string_view text);
/// Of an exception: no block of guarded addresses.
absl::StatusOr<TargetRule> ParseAllowRule(std::string_view text);

}  // namespace fetchd::egress
