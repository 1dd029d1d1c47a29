// The addresses of this machine.
#pragma once

#include <boost/asio/ip/address.hpp>
#include <vector>

#include "base/status.h"

namespace fetchd::app {

/// Of all its interfaces, as they are now, each once; without zones. What a router in front of it
/// translates to them is not among them. UNAVAILABLE when the kernel does not say.
absl::StatusOr<std::vector<boost::asio::ip::address>> OwnAddresses();

}  // namespace fetchd::app
