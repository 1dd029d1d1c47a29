// What a request_id is stored as: one tenant's are not another's.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/strings.h"

namespace fetchd::store {

/// In no tenant's name, and in no request_id: these are printable.
inline constexpr char kTenantEnd = '\x1f';

/// The content of the columns `request_id`; nullopt = none.
inline std::optional<std::string> RequestKey(std::string_view tenant, std::string_view request_id) {
  if (request_id.empty()) return std::nullopt;
  return Concat(tenant, kTenantEnd, request_id);
}

inline std::string RequestIdOf(const std::string& key) {
  const std::size_t end = key.find(kTenantEnd);
  return end == std::string::npos ? key : key.substr(end + 1);
}

}  // namespace fetchd::store
