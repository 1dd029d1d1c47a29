// How a proxy is asked for a tunnel: HTTP CONNECT (RFC 9110 9.3.6) and SOCKS5 (RFC 1928, 1929),
// from bytes alone.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/status.h"
#include "net/proxy.h"

namespace fetchd::net {

/// What the proxy is asked to connect to.
struct TunnelTarget {
  std::string host;  ///< A name or an address; IPv6 without brackets.
  std::uint16_t port = 0;
};

struct TunnelOutcome {
  absl::Status status;  ///< OK: the tunnel is open. Errors: see proxy_error.h.
  std::string summary;  ///< "connected", "HTTP 503", "host unreachable": for records.
  bool other_address_may_work = false;  ///< Another address of the same name is worth asking for.
};

/// One request for a tunnel. Send TakeOutput(), read up to wanted() bytes and Feed() them, until
/// nothing is wanted. It never wants a byte of what is inside the tunnel.
class TunnelNegotiation {
 public:
  virtual ~TunnelNegotiation() = default;
  /// What to send now; empty when it is the proxy's turn.
  virtual std::string TakeOutput() = 0;
  /// How many bytes may be read at most, one at least; 0 = it is over.
  virtual std::size_t wanted() const = 0;
  /// 1..wanted() bytes.
  virtual void Feed(std::string_view bytes) = 0;
  /// Meaningful when nothing is wanted any more.
  virtual const TunnelOutcome& outcome() const = 0;
};

/// By the proxy's kind. `peer` is how messages name the target: never an address that was resolved.
/// `proxy` outlives the negotiation.
std::unique_ptr<TunnelNegotiation> NegotiateTunnel(const Proxy& proxy, TunnelTarget target,
                                                   std::string peer);

// What it chooses from.
std::unique_ptr<TunnelNegotiation> NegotiateConnect(const Proxy& proxy, const TunnelTarget& target,
                                                    std::string peer);
std::unique_ptr<TunnelNegotiation> NegotiateSocks5(const Proxy& proxy, const TunnelTarget& target,
                                                   std::string peer);

}  // namespace fetchd::net
