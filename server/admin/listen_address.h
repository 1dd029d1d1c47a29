// How admin.listen is written.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <string>
#include <string_view>

#include "base/status.h"
#include "base/task.h"

namespace fetchd::admin {

/// In place of an address: there is no listener.
inline constexpr std::string_view kOff = "off";

/// "127.0.0.1:7071", "[::1]:0" or "localhost:7071", which is the first; other names are not
/// resolved. INVALID_ARGUMENT for anything else.
absl::StatusOr<asio::ip::tcp::endpoint> ParseListenAddress(const std::string& listen);

/// FAILED_PRECONDITION when others than this machine reach `endpoint`, who are asked for nothing,
/// and that was not said in words.
absl::Status CheckReach(const asio::ip::tcp::endpoint& endpoint, bool asks_for_certificates,
                        bool insecure);

/// The reverse: "[::1]:7071".
std::string FormatAddress(const asio::ip::tcp::endpoint& endpoint);

}  // namespace fetchd::admin
