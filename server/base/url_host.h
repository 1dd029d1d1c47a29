// The host of a URL (WHATWG URL Standard 3.5, stricter). For url.cc.
#pragma once

#include <boost/asio/ip/address.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "base/status.h"
#include "base/url.h"

namespace fetchd {

struct ParsedHost {
  std::string text;  ///< Canonical: see Origin::host.
  std::optional<boost::asio::ip::address> address;
};

/// `text` is what stands between "//" (or "@") and the port, brackets included.
absl::StatusOr<ParsedHost> ParseHost(std::string_view text, Ipv4Forms ipv4_forms);

}  // namespace fetchd
