// Credentials as token and metadata services answer them: whole, and usable in a header, or
// refused.
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "base/strings.h"
#include "objstore/remote_credentials.h"

namespace {

void CheckUsable(const absl::StatusOr<fetchd::objstore::AwsCredentials>& credentials) {
  if (!credentials.ok()) return;
  FETCHD_CHECK(!credentials->access_key_id.empty() && credentials->expires_at);
  FETCHD_CHECK(!fetchd::HasControl(credentials->access_key_id));
  FETCHD_CHECK(!credentials->secret_access_key.Reveal().empty());
  FETCHD_CHECK(!fetchd::HasControl(credentials->session_token.Reveal()));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  CheckUsable(fetchd::objstore::ReadStsCredentials(text));
  CheckUsable(fetchd::objstore::ReadMetadataCredentials(text));
  return 0;
}
