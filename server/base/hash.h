// Hashes of short texts, for protocols that name them.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace fetchd {

enum class HashAlgorithm { kMd5, kSha256, kSha512Over256 };

/// In lower-case hexadecimal; nullopt where the crypto library does not offer the algorithm (MD5 in
/// FIPS mode).
std::optional<std::string> HashHex(HashAlgorithm algorithm, std::string_view text);

/// RFC 2104 with SHA-256: 32 bytes, not encoded.
std::string HmacSha256(std::string_view key, std::string_view text);

/// Takes as long wherever the first difference is: for secrets, and what is made of them.
bool EqualInConstantTime(std::string_view a, std::string_view b);

}  // namespace fetchd
