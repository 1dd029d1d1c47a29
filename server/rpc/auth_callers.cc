#include "rpc/auth_callers.h"

#include <utility>

#include "base/hash.h"
#include "base/strings.h"

namespace fetchd::rpc {
namespace {

/// Longer ones are refused unread.
constexpr std::size_t kMaxTokenBytes = 8 << 10;

Principal KnownBy(Credential credential, Principal principal) {
  principal.by = credential;
  return principal;
}

/// Every hash is compared, and each of them whole: the time tells nothing of what is known.
const Principal* Find(const std::vector<KnownToken>& tokens, const std::string& sha256) {
  const Principal* found = nullptr;
  for (const KnownToken& token : tokens) {
    if (EqualInConstantTime(token.sha256, sha256)) found = &token.principal;
  }
  return found;
}

}  // namespace

void CallerAuthenticator::Replace(KnownCallers callers) {
  auto next = std::make_shared<const KnownCallers>(std::move(callers));
  const std::lock_guard lock(mutex_);
  known_ = std::move(next);
}

std::shared_ptr<const KnownCallers> CallerAuthenticator::Known() const {
  const std::lock_guard lock(mutex_);
  return known_;
}

absl::StatusOr<Principal> CallerAuthenticator::Authenticate(const Evidence& evidence) const {
  const std::shared_ptr<const KnownCallers> known = Known();
  if (evidence.bearer_token) {
    const std::string& token = evidence.bearer_token->Reveal();
    if (token.size() > kMaxTokenBytes) {
      return Unauthenticated("the token is longer than 8 KiB", "TOKEN_INVALID");
    }
    const auto hash = HexDecode(HashHex(HashAlgorithm::kSha256, token).value_or(""));
    if (const Principal* found = Find(known->tokens, hash.value_or(""))) {
      return KnownBy(Credential::kToken, *found);
    }
    if (reader_ == nullptr) return Unauthenticated("the token is not known here", "TOKEN_INVALID");
    ASSIGN_OR_RETURN(Principal principal, reader_->Read(*evidence.bearer_token));
    return KnownBy(Credential::kJwt, std::move(principal));
  }
  for (const std::string& name : evidence.certificate_names) {
    const auto found = known->certificates.find(name);
    if (found != known->certificates.end()) {
      return KnownBy(Credential::kCertificate, found->second);
    }
  }
  if (!evidence.certificate_names.empty()) {
    return Unauthenticated("no caller is known by a name in this certificate",
                           "CERTIFICATE_UNKNOWN");
  }
  return Unauthenticated("this call needs a token, or a client certificate", "TOKEN_MISSING");
}

}  // namespace fetchd::rpc
