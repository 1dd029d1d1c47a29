// Key sets of an identity provider: each is refused, or holds keys that only verify.
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "base/secret.h"
#include "rpc/auth_jwt.h"
#include "support/manual_clock.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto keys = fetchd::rpc::ParseJwks(text);
  FETCHD_CHECK(keys.ok() || absl::IsInvalidArgument(keys.status()));
  if (!keys.ok()) return 0;
  FETCHD_CHECK(!keys->empty() && keys->size() <= 100);
  for (const auto& key : *keys) FETCHD_CHECK(key.key != nullptr);

  // Such a key is asked whether this signature is its own.
  static const auto* clock = new fetchd::testing::ManualClock;
  fetchd::rpc::JwtReader reader({.issuer = "i", .audience = "a"}, *clock, [] {});
  FETCHD_CHECK(reader.ReplaceKeys(text).ok());
  for (const char* token :
       {"eyJhbGciOiJSUzI1NiJ9.e30.AAAA",  // {"alg":"RS256"} {}
        "eyJhbGciOiJFUzI1NiJ9.e30."       // {"alg":"ES256"} {}
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}) {
    FETCHD_CHECK(absl::IsUnauthenticated(reader.Read(fetchd::Secret(token)).status()));
  }
  return 0;
}
