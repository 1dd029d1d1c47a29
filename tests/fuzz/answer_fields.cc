// Fields of answers that say something to us: pauses that an origin asks for, digests of its body,
// content codings. One field a line, "Name: value"; the first byte chooses the status.
#include <array>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "fetch/declared_digests.h"
#include "fetch/pushback.h"
#include "http/content_coding.h"

namespace {

using fetchd::DigestAlgorithm;

fetchd::http::Headers ReadFields(std::string_view text) {
  fetchd::http::Headers headers;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    const std::size_t colon = line.find(": ");
    if (colon != std::string_view::npos) {
      headers.Add(line.substr(0, colon), line.substr(colon + 2));
    }
  }
  return headers;
}

std::size_t SizeOf(DigestAlgorithm algorithm) {
  switch (algorithm) {
    case DigestAlgorithm::kSha256:
      return 32;
    case DigestAlgorithm::kSha384:
      return 48;
    case DigestAlgorithm::kSha512:
      return 64;
    case DigestAlgorithm::kMd5:
      return 16;
    case DigestAlgorithm::kCrc32c:
      return 4;
  }
  return 0;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  constexpr std::array kStatuses = {200, 206, 429, 503};
  const int status = kStatuses[data[0] % kStatuses.size()];
  const auto headers = ReadFields({reinterpret_cast<const char*>(data) + 1, size - 1});
  const fetchd::WallTime now{std::chrono::seconds(1'800'000'000)};
  for (const bool ours : {false, true}) {
    const auto pause = fetchd::fetch::WantedPause(status, headers, now, ours);
    FETCHD_CHECK(!pause || *pause > fetchd::Duration::zero());
    FETCHD_CHECK(!pause || ours || status == 429 || status == 503);
  }
  for (const fetchd::Digest& digest : fetchd::fetch::DeclaredDigests(status, headers)) {
    FETCHD_CHECK(digest.bytes.size() == SizeOf(digest.algorithm));
  }
  const auto codings = fetchd::http::CodingsOf(headers);
  FETCHD_CHECK(!codings.ok() || codings->size() <= fetchd::http::kMaxCodings);
  return 0;
}
