// An OpenSSL client context for a trust profile.
#pragma once

#include <openssl/types.h>

#include <memory>

#include "base/status.h"
#include "net/tls.h"

namespace fetchd::net {

struct SslContextDeleter {
  void operator()(SSL_CTX* context) const noexcept;
};
using SslContextPtr = std::unique_ptr<SSL_CTX, SslContextDeleter>;

/// `min_version` holds where the profile says nothing. INVALID_ARGUMENT: which file of the profile
/// cannot be used, and why.
absl::StatusOr<SslContextPtr> MakeTlsContext(const TlsProfile& profile, TlsVersion min_version);

}  // namespace fetchd::net
