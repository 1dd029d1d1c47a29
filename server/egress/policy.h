// May this URL, may this address be contacted, and if not, why. Pure.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "base/url.h"

namespace fetchd::egress {

enum class Verdict {
  kAllowed,        ///< Global unicast on an allowed port.
  kAllowedByRule,  ///< A configured allow rule admits it.
  kLoopback,
  kLinkLocal,
  kPrivate,
  kCarrierNat,
  kMulticast,
  kUnspecified,
  kReserved,    ///< Documentation, benchmarking, future use, and IPv6 outside 2000::/3.
  kEmbedsIpv4,  ///< An IPv6 form that carries a denied IPv4 address (6to4, Teredo, ISATAP, NAT64,
                ///< compatible).
  kCloudMetadata,  ///< 168.63.129.16 and its kind: public addresses that are a platform's own.
  kOwnAddress,     ///< A global address of this machine.
  kDeniedByRule,   ///< A configured deny rule holds.
  kPort,
  kHostName,  ///< localhost, *.internal, single labels and the like, before DNS.
};
inline constexpr std::size_t kVerdicts = static_cast<std::size_t>(Verdict::kHostName) + 1;
const char* VerdictName(Verdict verdict);  ///< "LOOPBACK": the stable reason in ErrorInfo metadata.

/// What becomes of a denial.
enum class Mode {
  kEnforce,  ///< It holds.
  kReport,   ///< What may pass (see Policy) passes, and is told: for trying rules out.
  kOpen,     ///< What may pass passes, but for what a deny rule says.
};
const char* ModeName(Mode mode);  ///< "enforce"

struct Judgement {
  Verdict verdict = Verdict::kAllowed;
  std::string rule;  ///< What decided: "127.0.0.0/8", "port 25", "*.internal", "egress.allow[0]
                     ///< 127.0.0.1/32".
  Mode mode = Mode::kEnforce;
  bool passed = false;  ///< A denial that the mode let through.
  /// The one that decided, after DNS. For the log: what a name resolves to is told to no caller.
  std::optional<boost::asio::ip::address> address = std::nullopt;

  bool denies() const { return verdict != Verdict::kAllowed && verdict != Verdict::kAllowedByRule; }
  bool allowed() const { return !denies() || passed; }
};

/// Rules and where they are written, for judgements: "tenants.builds.egress.allow".
struct NamedRules {
  std::string key;
  std::vector<std::string> texts;
};

struct PolicyConfig {
  /// Exceptions to the denials. Each is
  ///  * an address rule: "10.0.0.0/8", "127.0.0.1" (= /32), "127.0.0.1/32:8080", "fd00::/8",
  ///  "[::1]/128:8080". It admits
  ///    the addresses, on that port or, without one, on every port. It does not admit IPv6 forms
  ///    that embed such an address (6to4, NAT64, ...), except IPv4-mapped, which is the same
  ///    address. Nor, unless it is for one address alone (/32, /128), does it admit link-local,
  ///    unspecified and metadata addresses: "0.0.0.0/0" opens the networks of this machine, and not
  ///    what hands out its credentials.
  ///  * a host rule: "mirror.internal", "*.corp.example" (subdomains only), "mirror.internal:9000".
  ///  It admits the name
  ///    before DNS, on that port or, without one, on every port. The addresses that DNS then gives
  ///    are judged like any other: a name never opens a private address by itself; that takes an
  ///    address rule as well.
  /// An address rule for loopback also admits the names localhost and *.localhost before DNS.
  std::vector<std::string> allow;
  /// Address rules and host rules likewise, of what is denied whatever else allows it: before DNS
  /// by name, after it by address, in each form that carries that address. A block of any addresses
  /// may stand here.
  std::vector<std::string> deny;
  /// This machine's, as of when the policy was made. What is global of them is denied like loopback
  /// is: who listens there may take what comes from here for local. An address rule of `allow`
  /// opens it.
  std::vector<boost::asio::ip::address> own_addresses;
  /// Ports open to global addresses.
  std::vector<std::uint16_t> ports = {80, 443, 8080, 8443};

  // What is said of one tenant, besides all of the above. Deny rules of either go before allow
  // rules of either; what no rule of `allow` opens, none of these does.
  Mode mode = Mode::kEnforce;
  NamedRules own_allow, own_deny;
};

/// Immutable; shared by all shards as shared_ptr<const Policy>.
///
/// Under kReport and kOpen these denials pass: private and shared (RFC 6598) addresses but for
/// metadata services and this machine, ports, and names that are refused before DNS but for
/// localhost, of which the addresses are judged then. Under kReport the tenant's own deny rules,
/// too, where all else would let the target pass. Nothing else does, ever: loopback, link-local,
/// metadata, unspecified, multicast and reserved addresses, those of this machine, embedded forms,
/// and what `deny` says. They open by an allow rule, which says so in words.
class Policy {
 public:
  /// INVALID_ARGUMENT naming the rule that does not parse.
  static absl::StatusOr<std::shared_ptr<const Policy>> Create(PolicyConfig config);
  /// What an operator may not expect of these rules, a sentence each.
  static std::vector<std::string> Remarks(const PolicyConfig& config);
  Mode mode() const;

  /// Before DNS: host name and port; an IP literal is judged fully. Allowed for a name means
  /// "resolve it and ask JudgeAddress". A port is refused here only when no address rule could
  /// admit it either.
  Judgement JudgeUrl(const Url& url) const;
  /// For a name that a proxy resolves: no address of it will be judged here. As a name that turns
  /// out to be public: address rules open nothing, localhost is another machine's, and no mode
  /// lets a name pass that is refused before DNS.
  Judgement JudgeRemoteName(std::string_view host, std::uint16_t port) const;
  /// After DNS, for the address as resolved (connect to Unwrap() of it), on every hop. `host` is
  /// the name it came from (Url::host()): a host rule for it opens its port, never its address.
  Judgement JudgeAddress(const boost::asio::ip::address& address, std::uint16_t port,
                         std::string_view host = {}) const;
  /// After DNS, for all addresses of a name: one that is denied refuses the name. Except for
  /// localhost, whose addresses do not come from DNS: there the denied ones are left out, as long
  /// as one remains. Asks the deny rules for the name once more: not every caller has asked
  /// JudgeUrl. Appends what may be connected to, unwrapped and each once, to `admitted`.
  Judgement JudgeAddresses(std::span<const boost::asio::ip::address> addresses, std::uint16_t port,
                           std::string_view host,
                           std::vector<boost::asio::ip::address>& admitted) const;

 private:
  struct Rules;
  explicit Policy(std::shared_ptr<const Rules> rules) : rules_(std::move(rules)) {}
  std::shared_ptr<const Rules> rules_;
};

/// PERMISSION_DENIED with ErrorInfo TARGET_NOT_ALLOWED {verdict, rule, host, port}. Never the
/// resolved address.
absl::Status DeniedError(const Judgement& judgement, const Origin& origin);

/// The IPv4 form to judge and to connect to when `address` is IPv4-mapped or well-known NAT64
/// (64:ff9b::/96): else itself.
boost::asio::ip::address Unwrap(const boost::asio::ip::address& address);

}  // namespace fetchd::egress
