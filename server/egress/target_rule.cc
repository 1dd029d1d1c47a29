#include "egress/target_rule.h"

#include <algorithm>

#include "base/strings.h"
#include "base/url.h"
#include "egress/address_ranges.h"
#include "egress/host_names.h"

namespace fetchd::egress {
namespace {

namespace ip = boost::asio::ip;

constexpr char kForms[] =
    "write a CIDR (10.0.0.0/8), an address (127.0.0.1, ::1), a host (mirror.internal) or "
    "*.domain, each optionally with :port (IPv6 in brackets)";

int BitsOf(const ip::address& address) { return address.is_v4() ? 32 : 128; }

absl::Status BadRule(const std::string& message) { return absl::InvalidArgumentError(message); }

absl::StatusOr<std::optional<std::uint16_t>> ParsePort(std::optional<std::string_view> text) {
  if (!text) return std::optional<std::uint16_t>();
  const auto port = ParseDecimal<std::uint16_t>(*text);
  if (!port || *port == 0) return BadRule("port: write a decimal number of 1 to 65535");
  return port;
}

// The rule text taken apart, before anything is read as a number or address.
struct Parts {
  std::string_view host;  ///< Without brackets.
  bool bracketed = false;
  std::optional<std::string_view> prefix;
  std::optional<std::string_view> port;
};

// What follows host and address: "", "/8", ":80" or "/8:80".
bool ParseTail(std::string_view tail, Parts& parts) {
  if (tail.starts_with('/')) {
    const std::size_t colon = tail.find(':');
    parts.prefix = tail.substr(1, colon == std::string_view::npos ? colon : colon - 1);
    tail = colon == std::string_view::npos ? std::string_view() : tail.substr(colon);
  }
  if (tail.starts_with(':')) {
    parts.port = tail.substr(1);
    tail = {};
  }
  return tail.empty();
}

std::optional<Parts> SplitRule(std::string_view text) {
  Parts parts;
  std::size_t end = 0;
  if (text.starts_with('[')) {
    const std::size_t close = text.find(']');
    if (close == std::string_view::npos) return std::nullopt;
    parts.bracketed = true;
    parts.host = text.substr(1, close - 1);
    end = close + 1;
  } else {
    const bool bare_ipv6 = std::ranges::count(text.substr(0, text.find('/')), ':') > 1;
    end = std::min(text.find_first_of(bare_ipv6 ? "/" : "/:"), text.size());
    parts.host = text.substr(0, end);
  }
  if (!ParseTail(text.substr(end), parts)) return std::nullopt;
  return parts;
}

// Bits of `network` behind the prefix must be zero: else it is unclear which block is meant.
absl::Status CheckPrefix(const ip::address& network, int prefix) {
  const auto bits_behind = [prefix](const auto& bytes) {
    for (int bit = prefix; bit < static_cast<int>(bytes.size()) * 8; ++bit) {
      if ((bytes[bit / 8] >> (7 - bit % 8) & 1) != 0) return true;
    }
    return false;
  };
  const bool behind = network.is_v4() ? bits_behind(network.to_v4().to_bytes())
                                      : bits_behind(network.to_v6().to_bytes());
  if (!behind) return absl::OkStatus();
  return BadRule(Concat("the address has bits set behind its prefix of ", prefix,
                        "; write the block's first address, or a longer prefix"));
}

absl::StatusOr<TargetRule> MakeAddressRule(ip::address address, const Parts& parts) {
  if (address.is_v6() && address.to_v6().scope_id() != 0) {
    return BadRule("zone ids are not supported");
  }
  const int bits = BitsOf(address);
  int prefix = bits;
  if (parts.prefix) {
    const auto parsed = ParseDecimal<unsigned>(*parts.prefix);
    if (!parsed || *parsed > static_cast<unsigned>(bits)) {
      return BadRule(Concat("prefix: write a decimal number of 0 to ", bits));
    }
    prefix = static_cast<int>(*parsed);
  }
  RETURN_IF_ERROR(CheckPrefix(address, prefix));
  if (address.is_v6() && address.to_v6().is_v4_mapped() && prefix >= 96) {
    address = Unwrap(address);
    prefix -= 96;
  }
  TargetRule rule;
  rule.network = address;
  rule.prefix = prefix;
  return rule;
}

absl::StatusOr<TargetRule> MakeHostRule(const Parts& parts) {
  if (parts.prefix || parts.bracketed) return BadRule(Concat("not an address; ", kForms));
  TargetRule rule;
  std::string_view name = parts.host;
  if (name.starts_with("*.")) {
    rule.subdomains = true;
    name.remove_prefix(2);
  }
  // A rule's name goes through the parser that the names it is compared with went through.
  if (name.find_first_of("/?#@:") != std::string_view::npos) return BadRule(kForms);
  const auto url = Url::Parse(Concat("http://", name, "/"));
  if (!url.ok() || url->address())
    return BadRule(Concat("neither an address nor a host; ", kForms));
  rule.host = url->host();
  return rule;
}

}  // namespace

bool TargetRule::CoversAddress(const ip::address& address) const {
  return network && network->is_v4() == address.is_v4() && SharePrefix(*network, address, prefix);
}

bool TargetRule::AdmitsAddress(const ip::address& address) const {
  if (!CoversAddress(address)) return false;
  return IsSingleAddress() || !FindGuardedBlock(address, BitsOf(address));
}

bool TargetRule::IsSingleAddress() const { return network && prefix == BitsOf(*network); }

bool TargetRule::AdmitsName(std::string_view name) const {
  if (host.empty()) return false;
  return subdomains ? IsSubdomain(name, host) : name == host;
}

bool TargetRule::CoversLoopback() const {
  if (!network) return false;
  return network->is_loopback() || AdmitsAddress(ip::address_v4::loopback()) ||
         AdmitsAddress(ip::address_v6::loopback());
}

absl::StatusOr<TargetRule> ParseTargetRule(std::string_view text) {
  const auto parts = SplitRule(text);
  if (!parts) return BadRule(kForms);
  boost::system::error_code error;
  const auto address = ip::make_address(std::string(parts->host), error);
  ASSIGN_OR_RETURN(TargetRule rule,
                   error ? MakeHostRule(*parts) : MakeAddressRule(address, *parts));
  ASSIGN_OR_RETURN(rule.port, ParsePort(parts->port));
  return rule;
}

absl::StatusOr<TargetRule> ParseAllowRule(std::string_view text) {
  ASSIGN_OR_RETURN(TargetRule rule, ParseTargetRule(text));
  if (!rule.network || rule.IsSingleAddress()) return rule;
  const auto guarded = FindGuardedBlock(*rule.network, rule.prefix);
  if (!guarded) return rule;
  return BadRule(
      Concat("link-local, metadata and unspecified addresses are allowed one by one only, and this "
             "block is in ",
             guarded->cidr, "; write each address that you mean, such as ",
             rule.network->to_string(), "/", BitsOf(*rule.network)));
}

}  // namespace fetchd::egress
