// Callers by name: tokens that the configuration knows by their hash, and certificates.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "rpc/auth.h"

namespace fetchd::rpc {

struct KnownToken {
  std::string sha256;  ///< Of the token: 32 bytes, not encoded.
  Principal principal;
};

struct KnownCallers {
  std::vector<KnownToken> tokens;
  std::map<std::string, Principal> certificates;  ///< By Evidence::certificate_names.
};

/// A bearer token that is read rather than known. Thread-safe; does not block.
class TokenReader {
 public:
  virtual ~TokenReader() = default;
  /// UNAUTHENTICATED.
  virtual absl::StatusOr<Principal> Read(const Secret& token) const = 0;
};

/// Asks the known callers, then the reader of tokens, where there is one. Owner: app.
class CallerAuthenticator final : public Authenticator {
 public:
  explicit CallerAuthenticator(std::shared_ptr<const TokenReader> reader = nullptr)
      : reader_(std::move(reader)), known_(std::make_shared<const KnownCallers>()) {}

  /// Of calls that come from now on.
  void Replace(KnownCallers callers);
  absl::StatusOr<Principal> Authenticate(const Evidence& evidence) const override;

 private:
  std::shared_ptr<const KnownCallers> Known() const;

  const std::shared_ptr<const TokenReader> reader_;
  mutable std::mutex mutex_;
  std::shared_ptr<const KnownCallers> known_;  ///< Guarded by mutex_.
};

}  // namespace fetchd::rpc
