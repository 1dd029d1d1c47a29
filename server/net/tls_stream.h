// TLS as a Stream: over TCP, or over another stream.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <memory>
#include <string>

#include "base/status.h"
#include "net/stream.h"
#include "net/tls.h"

namespace fetchd::net {

struct TlsHandshake {
  std::unique_ptr<Stream> stream;
  bool resumed = false;
};

/// Shakes hands over a connected socket. `peer_name` is for messages; `ssl` comes from TlsContexts,
/// and `offered_http2` is what it was made with. No timeout of its own. Errors: see HandshakeError;
/// those of TlsFault may come with a later read as well.
Task<absl::StatusOr<TlsHandshake>> ShakeHands(asio::ip::tcp::socket socket,
                                              asio::ip::tcp::endpoint peer, SslPtr ssl,
                                              std::string peer_name, bool offered_http2);

/// The same over a stream, such as a tunnel through a proxy that is spoken to in TLS itself. Slower
/// (bytes are copied once more), and less sure of an idle connection: one that a session ticket has
/// reached counts as stale.
Task<absl::StatusOr<TlsHandshake>> ShakeHands(std::unique_ptr<Stream> inner, SslPtr ssl,
                                              std::string peer_name, bool offered_http2);

}  // namespace fetchd::net
