// What a client's bytes come from and go to: a socket, with TLS or without.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/beast/core/string_type.hpp>
#include <string_view>

#include "base/task.h"

namespace fetchd::admin {

using TlsStream = asio::ssl::stream<asio::ip::tcp::socket>;

/// Beast's own kind of text.
inline std::string_view View(boost::beast::string_view text) { return {text.data(), text.size()}; }

}  // namespace fetchd::admin
