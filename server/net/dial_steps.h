// What dials are made of: each step under its timeout, written into the record.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "net/connect_race.h"
#include "net/dialer.h"
#include "net/failed_addresses.h"

namespace fetchd::net {

struct TlsHandshake;

/// What all dials of a shard share.
struct DialServices {
  asio::any_io_executor executor;
  Clock& clock;
  Resolver& resolver;
  std::shared_ptr<const egress::Policy> policy;
  std::shared_ptr<TlsContexts> tls;
  FailedAddresses failed;
};

/// Judges the addresses of the request's origin and tells its subject. PERMISSION_DENIED; else
/// `admitted` has those that may be connected to.
absl::Status AdmitAddresses(const DialServices& services, const DialRequest& request,
                            std::span<const asio::ip::address> addresses,
                            std::vector<asio::ip::address>& admitted);
/// Likewise for a name that a proxy resolves.
absl::Status AdmitRemoteName(const DialServices& services, const DialRequest& request);

/// The steps of one dial. The services and the record outlive it.
class DialSteps {
 public:
  DialSteps(DialServices& services, const DialTimeouts& timeouts, Deadline deadline,
            DialRecord& record)
      : services_(services), timeouts_(timeouts), deadline_(deadline), record_(record) {}

  /// The address that `host` is, or those of the name. Unjudged.
  Task<absl::StatusOr<std::vector<asio::ip::address>>> Resolve(std::string host);
  /// To the first of `addresses` that answers, families in turn, those that failed a short while
  /// ago last. What was tried is in the result.
  Task<ConnectResult> Connect(std::vector<asio::ip::address> addresses, std::uint16_t port);
  /// TLS with whom was connected to; sets `target.route`. `peer_name` is for messages.
  Task<absl::StatusOr<std::unique_ptr<Stream>>> SecureDirectly(ConnectResult connected,
                                                               TlsTarget target,
                                                               std::string peer_name);
  /// TLS over a connected socket ...
  Task<absl::StatusOr<std::unique_ptr<Stream>>> Secure(asio::ip::tcp::socket socket,
                                                       asio::ip::tcp::endpoint endpoint,
                                                       TlsTarget target, std::string peer_name);
  /// ... or inside another stream.
  Task<absl::StatusOr<std::unique_ptr<Stream>>> Secure(std::unique_ptr<Stream> inner,
                                                       TlsTarget target, std::string peer_name);

 private:
  absl::StatusOr<SslPtr> NewClient(const TlsTarget& target) const;
  Task<absl::StatusOr<std::unique_ptr<Stream>>> Finish(Task<absl::StatusOr<TlsHandshake>> handshake,
                                                       std::string peer_name);

  DialServices& services_;
  const DialTimeouts timeouts_;
  const Deadline deadline_;
  DialRecord& record_;
  bool all_cached_ = true;  ///< Every name so far.
};

}  // namespace fetchd::net
