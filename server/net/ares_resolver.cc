#include <netinet/in.h>

#include <algorithm>
#include <boost/asio/steady_timer.hpp>
#include <cstring>
#include <limits>
#include <optional>
#include <utility>

#include "base/strings.h"
#include "net/ares_channel.h"
#include "net/resolver.h"

namespace fetchd::net {

namespace {

using asio::ip::address;

constexpr std::size_t kMaxAddresses = 16;
/// How long an A waits for the AAAA (RFC 8305 3).
constexpr Duration kResolutionDelay = std::chrono::milliseconds(50);

/// What came of the question for the addresses of one family.
struct FamilyAnswer {
  std::optional<int> status;  ///< Of c-ares; absent = none yet.
  std::vector<address> addresses;
  Duration ttl{};

  bool silent() const { return !status; }
  /// The name has none of these, and more cannot be said.
  bool no_data() const { return status == ARES_ENODATA; }
  bool no_name() const { return status == ARES_ENOTFOUND || status == ARES_EBADNAME; }
};

address AddressOf(const ares_addrinfo_node& node) {
  if (node.ai_family == AF_INET) {
    sockaddr_in v4;
    std::memcpy(&v4, node.ai_addr, sizeof v4);
    return asio::ip::address_v4(ntohl(v4.sin_addr.s_addr));
  }
  sockaddr_in6 v6;
  std::memcpy(&v6, node.ai_addr, sizeof v6);
  asio::ip::address_v6::bytes_type bytes;
  std::memcpy(bytes.data(), &v6.sin6_addr, bytes.size());
  return asio::ip::address_v6(bytes);
}

FamilyAnswer AnswerOf(int status, const ares_addrinfo* info) {
  FamilyAnswer answer;
  answer.status = status;
  if (status != ARES_SUCCESS || info == nullptr) return answer;
  int ttl_seconds = std::numeric_limits<int>::max();
  for (const auto* node = info->nodes; node != nullptr; node = node->ai_next) {
    if (node->ai_family != AF_INET && node->ai_family != AF_INET6) continue;
    const address found = AddressOf(*node);
    if (std::ranges::find(answer.addresses, found) == answer.addresses.end()) {
      answer.addresses.push_back(found);
    }
    ttl_seconds = std::min(ttl_seconds, node->ai_ttl);
  }
  for (const auto* alias = info->cnames; alias != nullptr; alias = alias->next) {
    ttl_seconds = std::min(ttl_seconds, alias->ttl);
  }
  if (answer.addresses.empty()) answer.status = ARES_ENODATA;
  answer.ttl = std::chrono::seconds(std::max(0, ttl_seconds));
  return answer;
}

/// One name asked for. Shared by the waiting coroutine and c-ares: when the coroutine is cancelled,
/// the answer finds nobody.
struct Lookup {
  explicit Lookup(const asio::any_io_executor& executor) : answered(executor) { Rearm(); }
  void Rearm() { answered.expires_at(asio::steady_timer::time_point::max()); }

  FamilyAnswer four, six;
  asio::steady_timer answered;  ///< Never expires by itself; brought forward by an answer.
};

/// At most kMaxAddresses, taken from both families in turn, so that neither crowds out the other.
std::vector<address> Merge(const FamilyAnswer& first, const FamilyAnswer& second) {
  std::vector<address> merged;
  const std::size_t longest = std::max(first.addresses.size(), second.addresses.size());
  for (std::size_t i = 0; i < longest; ++i) {
    for (const FamilyAnswer* family : {&first, &second}) {
      if (i < family->addresses.size() && merged.size() < kMaxAddresses) {
        merged.push_back(family->addresses[i]);
      }
    }
  }
  return merged;
}

absl::Status FailureOf(int status, const std::string& host) {
  const std::string what = Concat("DNS lookup of ", host, ": ");
  switch (status) {
    case ARES_ENODATA:
    case ARES_ENOTFOUND:
    case ARES_EBADNAME:
      return WithReason(absl::NotFoundError(Concat(what, "no such name, or it has no address")),
                        {"DNS_NAME_NOT_FOUND", {{"host", host}}});
    case ARES_ETIMEOUT:
      return absl::DeadlineExceededError(Concat(what, "DNS timed out: no server answered"));
    case ARES_ECANCELLED:
    case ARES_EDESTRUCTION:
      return absl::CancelledError(Concat(what, "cancelled"));
    default:
      return WithReason(
          absl::UnavailableError(Concat(what, std::string_view(ares_strerror(status)))),
          {"DNS_FAILED", {{"host", host}}});
  }
}

/// What both families together say, when nobody waits any longer.
absl::StatusOr<Resolution> Conclude(const FamilyAnswer& four, const FamilyAnswer& six,
                                    const std::string& host) {
  Resolution resolution{Merge(six, four)};
  if (resolution.addresses.empty()) {
    // A server that knows no AAAA may deny the name for it; the A decides, unless it has no data.
    const FamilyAnswer& decisive = four.no_data() ? six : four;
    if (decisive.silent()) return absl::DeadlineExceededError(Concat("DNS timed out: ", host));
    return FailureOf(*decisive.status, host);
  }
  if (four.addresses.empty()) {
    const bool none = four.no_data() || four.no_name();
    resolution.ttl = none ? six.ttl : Duration::zero();  // Soon asked again.
  } else {
    resolution.ttl = six.addresses.empty() ? four.ttl : std::min(four.ttl, six.ttl);
  }
  return resolution;
}

/// RFC 6761 6.3: never sent to a server.
bool IsLocalhost(std::string_view host) {
  return host == "localhost" || host.ends_with(".localhost");
}

class AresResolver final : public Resolver {
 public:
  AresResolver(asio::any_io_executor executor, Clock& clock, const ResolverConfig& config)
      : executor_(std::move(executor)),
        clock_(clock),
        timeout_(config.timeout),
        fixed_ttl_(config.max_ttl),
        dns_(std::make_shared<AresChannel>(executor_, config, AresChannel::Source::kDns)) {
    if (!config.servers.empty()) return;
    hosts_file_ = std::make_shared<AresChannel>(executor_, config, AresChannel::Source::kHostsFile);
  }
  ~AresResolver() override {
    dns_->Close();
    if (hosts_file_) hosts_file_->Close();
  }

  Task<absl::StatusOr<Resolution>> Resolve(std::string host, Deadline deadline) override {
    if (std::optional<Resolution> known = WithoutDns(host)) co_return *std::move(known);
    const Deadline until = deadline.IsNever() ? Deadline::After(clock_, timeout_) : deadline;
    co_return co_await Ask(std::move(host), until);
  }

 private:
  std::optional<Resolution> WithoutDns(const std::string& host) {
    boost::system::error_code not_an_address;
    const address literal = asio::ip::make_address(host, not_an_address);
    if (!not_an_address) return Resolution{{literal}, fixed_ttl_};
    if (IsLocalhost(host)) {
      return Resolution{{asio::ip::address_v6::loopback(), asio::ip::address_v4::loopback()},
                        fixed_ttl_};
    }
    if (!hosts_file_) return std::nullopt;
    FamilyAnswer both;  // Complete on return: the file is read at once.
    hosts_file_->Ask(host, AF_UNSPEC, [&both](int status, const ares_addrinfo* info) {
      both = AnswerOf(status, info);
    });
    if (both.addresses.empty()) return std::nullopt;
    return Resolution{Merge(both, {}), both.ttl};
  }

  Task<absl::StatusOr<Resolution>> Ask(std::string host, Deadline deadline) {
    const auto lookup = std::make_shared<Lookup>(executor_);
    AskFor(host, AF_INET6, lookup, &Lookup::six);
    AskFor(host, AF_INET, lookup, &Lookup::four);
    Deadline patience;  // With the family that has not answered.
    while (true) {
      lookup->Rearm();
      if (!lookup->four.silent() && !lookup->six.silent()) break;
      const SteadyTime now = clock_.Now();
      if (patience.IsNever()) patience = Deadline::After(now, PatienceAfter(*lookup));
      const Deadline until = patience.Min(deadline);
      if (until.Passed(now)) break;
      co_await NextAnswer(*lookup, until.at());
    }
    co_return Conclude(lookup->four, lookup->six, host);
  }

  void AskFor(const std::string& host, int family, const std::shared_ptr<Lookup>& lookup,
              FamilyAnswer Lookup::* into) {
    dns_->Ask(host, family, [lookup, into](int status, const ares_addrinfo* info) {
      (*lookup).*into = AnswerOf(status, info);
      lookup->answered.expires_at(asio::steady_timer::time_point::min());
    });
  }

  /// How long the family that is silent is waited for, from the other's answer on.
  Duration PatienceAfter(const Lookup& lookup) const {
    const bool four_says_all = !lookup.four.addresses.empty() || lookup.four.no_name();
    if (four_says_all) return kResolutionDelay;
    // A lost question is repeated after a quarter of the timeout.
    if (!lookup.six.addresses.empty()) return timeout_ / 2;
    return Duration::max();
  }

  Task<void> NextAnswer(Lookup& lookup, SteadyTime until) {
    co_await FirstOf(Expiry(lookup.answered), clock_.SleepUntil(until));
  }

  const asio::any_io_executor executor_;
  Clock& clock_;
  const Duration timeout_;
  const Duration fixed_ttl_;  ///< Of answers that need no lookup.
  const std::shared_ptr<AresChannel> dns_;
  std::shared_ptr<AresChannel> hosts_file_;  ///< Null when servers are configured.
};

}  // namespace

std::unique_ptr<Resolver> MakeAresResolver(asio::any_io_executor executor, Clock& clock,
                                           ResolverConfig config) {
  return std::make_unique<AresResolver>(std::move(executor), clock, config);
}

}  // namespace fetchd::net
