// CRC-32C (Castagnoli, RFC 3720 B.4), with the SSE4.2 instruction where the processor has it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace fetchd {

/// The checksum of what came before (0 at first) extended by `bytes`.
std::uint32_t ExtendCrc32c(std::uint32_t crc, std::span<const std::byte> bytes);

/// The same by tables: what runs where there is no instruction, and what tests compare with.
std::uint32_t ExtendCrc32cPortable(std::uint32_t crc, std::span<const std::byte> bytes);

}  // namespace fetchd
