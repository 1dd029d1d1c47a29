// Plain TCP as a Stream.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <memory>

#include "net/stream.h"

namespace fetchd::net {

/// Takes a connected socket whose peer is `peer`.
std::unique_ptr<Stream> MakeTcpStream(asio::ip::tcp::socket socket, asio::ip::tcp::endpoint peer);

}  // namespace fetchd::net
