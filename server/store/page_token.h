// Page tokens: where a list goes on, of use for that list alone.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/strings.h"

namespace fetchd::store {

/// `list` says which list it is, without a colon: "" or a tenant of batches, a batch of entries.
inline std::string MakePosition(std::string_view list, std::string_view position) {
  return Base64Encode(Concat("v1:", list, ':', position));
}

/// nullopt: the token is not one of this list.
inline std::optional<std::string> ReadPosition(std::string_view list, const std::string& token) {
  const auto text = Base64Decode(token);
  const std::string prefix = Concat("v1:", list, ':');
  if (!text || !text->starts_with(prefix)) return std::nullopt;
  return text->substr(prefix.size());
}

}  // namespace fetchd::store
