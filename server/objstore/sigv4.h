// AWS Signature Version 4 (AWS General Reference, "Signing AWS API requests"): how a request proves
// who sends it. Pure.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "base/secret.h"
#include "base/time.h"
#include "http/message.h"

namespace fetchd::objstore {

/// Of requests whose body nobody hashes.
inline constexpr std::string_view kUnsignedPayload = "UNSIGNED-PAYLOAD";

/// A request as it goes on the wire.
struct SignableRequest {
  std::string method;
  std::string path;   ///< Begins with '/'.
  std::string query;  ///< Without '?'.
  /// All are signed; "host" is one of them.
  std::vector<http::Header> headers;
  std::string payload_hash;  ///< SHA-256 in lower-case hexadecimal, or kUnsignedPayload.
};

struct SigningKey {
  std::string access_key_id;
  Secret secret_access_key;
  Secret session_token;  ///< Empty with keys that do not expire.
};

struct SigningScope {
  std::string region;
  std::string service;
};

/// S3 takes a path as it is. All other services resolve its dot segments and empty segments first,
/// and encode it once more.
struct SigningRules {
  bool normalize_path = false;
  bool encode_path = false;
  bool sign_session_token = true;  ///< Some services want it sent and not signed.
};

/// One signature. Each step is there for who compares it with what a store says it has made.
class SigV4 {
 public:
  SigV4(SigningScope scope, WallTime at, SigningRules rules = {});

  /// The headers to send besides those of `request`: X-Amz-Date, X-Amz-Security-Token where there
  /// is one, and Authorization.
  std::vector<http::Header> SignHeaders(SignableRequest request, const SigningKey& key) const;
  /// The query to send instead of that of `request`: whoever has it may send this request until
  /// `valid_for` has passed. As secret as a password.
  std::string SignQuery(SignableRequest request, const SigningKey& key,
                        std::chrono::seconds valid_for) const;

  std::string CanonicalRequest(const SignableRequest& request) const;
  std::string StringToSign(std::string_view canonical_request) const;
  std::string Signature(std::string_view string_to_sign, const Secret& secret_access_key) const;

  // What the two ways sign: `request` with all but the signature in it.
  SignableRequest WithSignedHeaders(SignableRequest request, const SigningKey& key) const;
  SignableRequest WithSignedQuery(SignableRequest request, const SigningKey& key,
                                  std::chrono::seconds valid_for) const;

 private:
  std::string CredentialScope() const;
  std::string CanonicalPath(std::string_view path) const;

  SigningScope scope_;
  std::string date_;  ///< "20150830"
  std::string time_;  ///< "20150830T123600Z"
  SigningRules rules_;
};

}  // namespace fetchd::objstore
