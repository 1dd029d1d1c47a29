// JSON Web Tokens: whatever a caller shows, and what an identity provider of ours may sign.
#include <fuzzer/FuzzedDataProvider.h>

#include <string>
#include <string_view>

#include "base/check.h"
#include "base/strings.h"
#include "jobs/job.h"
#include "rpc/auth_jwt.h"
#include "support/manual_clock.h"
#include "unit/rpc/jwt_signer.h"

namespace {

using fetchd::testing::SigningKey;

constexpr char kSetBegin[] = R"({"keys":[)";

/// Both algorithms, so that a token may try a key for the other one.
const std::string& Keys(const SigningKey& ec) {
  static const auto* keys =
      new std::string(fetchd::Concat(kSetBegin, ec.Jwk(), ",", SigningKey::Rsa("rsa").Jwk(), "]}"));
  return *keys;
}

void CheckPrincipal(const absl::StatusOr<fetchd::rpc::Principal>& principal) {
  if (!principal.ok()) {
    FETCHD_CHECK(absl::IsUnauthenticated(principal.status()));
    return;
  }
  FETCHD_CHECK(!principal->name.empty() && !fetchd::HasControl(principal->name));
  FETCHD_CHECK(fetchd::jobs::IsTenantName(principal->tenant));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto* ec = new SigningKey(SigningKey::Ec("ec"));
  static const auto* clock = new fetchd::testing::ManualClock;
  static auto* reader = new fetchd::rpc::JwtReader(
      {.issuer = "https://id.example", .audience = "fetchd"}, *clock, [] {});
  static const bool ready = reader->ReplaceKeys(Keys(*ec)).ok();
  FETCHD_CHECK(ready);
  FuzzedDataProvider input(data, size);

  if (!input.ConsumeBool()) {
    // Nobody has our key: no token of this kind is any good.
    const auto principal = reader->Read(fetchd::Secret(input.ConsumeRemainingBytesAsString()));
    FETCHD_CHECK(!principal.ok());
    CheckPrincipal(principal);
    return 0;
  }
  const std::string header = input.ConsumeBool()
                                 ? std::string(R"({"alg":"ES256","typ":"JWT","kid":"ec"})")
                                 : input.ConsumeRandomLengthString();
  CheckPrincipal(
      reader->Read(fetchd::Secret(ec->Sign(header, input.ConsumeRemainingBytesAsString()))));
  return 0;
}
