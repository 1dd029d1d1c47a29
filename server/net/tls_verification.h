// Judging a server's certificate, and saying what is wrong with it.
#pragma once

#include <openssl/types.h>

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace fetchd::net {

/// SHA-256 of public keys (SubjectPublicKeyInfo).
using TlsPins = std::vector<std::array<unsigned char, 32>>;

/// INVALID_ARGUMENT for what is not the base64 of 32 bytes.
absl::StatusOr<TlsPins> ParsePins(const std::vector<std::string>& pins);

/// Why a certificate was refused.
struct TlsRefusal {
  /// EXPIRED, NOT_YET_VALID, WRONG_HOST, COMMON_NAME_ONLY, SELF_SIGNED, UNKNOWN_ISSUER, NOT_A_CA,
  /// NAME_CONSTRAINTS, WRONG_PURPOSE, WEAK_KEY, WEAK_SIGNATURE, BAD_SIGNATURE, PIN_MISMATCH or
  /// OTHER.
  const char* check;
  std::string message;  ///< For people; names in it come from the server, printable and cut.
};

/// Verifies as OpenSSL does (RFC 5280, host name, security level), then the pins, when there are
/// any. Empty when the certificate is accepted; else `chain` holds the error for OpenSSL's alert.
/// `host` is for messages.
std::optional<TlsRefusal> VerifyChain(X509_STORE_CTX* chain, const TlsPins* pins,
                                      const std::string& host);

}  // namespace fetchd::net
