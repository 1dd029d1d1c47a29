// Sizes in bytes as people write them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace fetchd {

/// "256MiB", "64k", "1048576": k, m, g and t are powers of 1024, in any case. nullopt for anything
/// else.
std::optional<std::uint64_t> ParseByteSize(std::string_view text);

/// "256MiB", in the largest unit of which it is a whole number; reads back as the same number.
std::string FormatByteSize(std::uint64_t bytes);

}  // namespace fetchd
