// The sole place that connects a socket. It asks egress about every address.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/retry_policy.h"
#include "base/time.h"
#include "base/url.h"
#include "egress/policy.h"
#include "egress/subject.h"
#include "net/proxy.h"
#include "net/resolver.h"
#include "net/stream.h"
#include "net/tls.h"

namespace fetchd::net {

struct DialTimeouts {
  Duration dns = std::chrono::seconds(5);
  Duration connect = std::chrono::seconds(10);  ///< All addresses together.
  Duration tls = std::chrono::seconds(10);
  Duration proxy = std::chrono::seconds(15);  ///< Until a proxy that was reached opens the way.
};

struct DialRequest {
  Origin origin;
  std::string tls_profile;
  DialTimeouts timeouts;
  bool offer_http2 = false;  ///< By ALPN; the stream says what was chosen.
  ProxyPtr proxy;            ///< Null = direct.
  /// With a proxy: false connects to the proxy alone, which will be asked in absolute-form.
  bool tunnel = true;
  /// What judges the addresses; null = the dialer's own.
  std::shared_ptr<const egress::Policy> policy;
  egress::SubjectPtr subject;  ///< Is told what was decided; null = nobody is.
};

/// What happened, for the attempt record; filled in also when the dial fails.
struct DialRecord {
  struct Try {
    std::string address;  ///< "93.184.216.34:443"; through a proxy what it was asked for, or its
                          ///< name when it was not reached.
    std::string outcome;  ///< "connected", "refused", "timed out", "HTTP 503", ...
    Duration took{};
  };
  Duration dns{}, connect{}, tls{};  ///< Of proxy and origin together.
  Duration proxy{};                  ///< The proxy's answers.
  bool dns_cached = false;
  std::vector<Try> tries;
  std::string tls_description;
  bool tls_resumed = false;
  Phase failed_phase = Phase::kResolve;  ///< Meaningful when the dial failed.
};

class Dialer {
 public:
  virtual ~Dialer() = default;
  /// Resolves, judges every address (one denied address refuses the name), connects with happy
  /// eyeballs (RFC 8305: families interleaved, 250 ms apart), checks that the peer is the address
  /// judged, and shakes hands. With a proxy, the proxy is asked for the addresses judged: see
  /// proxied_dial.h. Errors: PERMISSION_DENIED (egress, or a proxy's rules); NOT_FOUND (no such
  /// name); UNAVAILABLE (network, reason CONNECT_FAILED...); DEADLINE_EXCEEDED naming the phase;
  /// FAILED_PRECONDITION (certificate refused, reason TLS_VERIFY_FAILED, says which check); of
  /// proxies see proxy_error.h.
  virtual Task<absl::StatusOr<std::unique_ptr<Stream>>> Dial(DialRequest request, Deadline deadline,
                                                             DialRecord* record) = 0;
};

/// Lives on one shard. `policy` (of requests without one) and `tls` are shared by all shards;
/// `resolver` and `clock` outlive the dialer.
std::unique_ptr<Dialer> MakeDialer(asio::any_io_executor executor, Clock& clock, Resolver& resolver,
                                   std::shared_ptr<const egress::Policy> policy,
                                   std::shared_ptr<TlsContexts> tls);

}  // namespace fetchd::net
