// Names that are refused before DNS.
#pragma once

#include <optional>
#include <string_view>

namespace fetchd::egress {

/// The rule that refuses `host` (lower case, no trailing dot), such as "*.internal" or "single
/// label". These names belong to the machine, the local network or the cluster; asking DNS would
/// leak or mislead.
std::optional<std::string_view> FindDeniedName(std::string_view host);

/// localhost and *.localhost (RFC 6761 6.3).
bool IsLocalhost(std::string_view host);

/// True for "a.b" under "b", not for "b" itself.
bool IsSubdomain(std::string_view host, std::string_view parent);

}  // namespace fetchd::egress
