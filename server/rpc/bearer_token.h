// The token in the fields "authorization" of a call.
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "base/secret.h"
#include "base/status.h"

namespace fetchd::rpc {

/// Nullopt: there is no such field. UNAUTHENTICATED for what cannot be read as one token: which of
/// several counts would be a guess. Pure.
absl::StatusOr<std::optional<Secret>> ReadBearerToken(
    std::span<const std::string_view> authorization);

}  // namespace fetchd::rpc
