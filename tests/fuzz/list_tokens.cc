// Tokens that callers bring back: of watches, of pages, and names of jobs and batches.
#include <cstdint>
#include <string>

#include "base/check.h"
#include "base/ids.h"
#include "base/strings.h"
#include "rpc/resume_token.h"
#include "store/page_token.h"

namespace {

constexpr char kOurs[] = "ours";
constexpr char kTheirs[] = "them";

void CheckResumeToken(const std::string& token) {
  const auto sequence = fetchd::rpc::DecodeResumeToken(token, kOurs);
  if (!sequence.ok()) return;
  FETCHD_CHECK(*sequence >= 0);
  FETCHD_CHECK(fetchd::EqualsIgnoreCase(fetchd::rpc::EncodeResumeToken(*sequence, kOurs), token));
  FETCHD_CHECK(!fetchd::rpc::DecodeResumeToken(token, kTheirs).ok());
}

void CheckPosition(const std::string& token) {
  const auto position = fetchd::store::ReadPosition(kOurs, token);
  if (!position) return;
  FETCHD_CHECK(fetchd::store::ReadPosition(kOurs, fetchd::store::MakePosition(kOurs, *position)) ==
               position);
  FETCHD_CHECK(!fetchd::store::ReadPosition(kTheirs, token));
}

template <typename Id>
void CheckId(const std::string& text) {
  const auto id = Id::Parse(text);
  if (!id.ok()) return;
  FETCHD_CHECK(id->str().size() == 26 && Id::ParseName(id->name()).ok());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  CheckResumeToken(text);
  CheckPosition(text);
  CheckPosition(fetchd::Base64Encode(text));
  CheckId<fetchd::JobId>(text);
  CheckId<fetchd::BatchId>(text);
  return 0;
}
