// WWW-Authenticate as an origin sends it, and what we answer.
#include <algorithm>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "http/auth_challenge.h"
#include "http/digest_auth.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace fetchd;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto is_control = [](unsigned char c) { return (c < ' ' && c != '\t') || c == 127; };
  if (std::ranges::any_of(text, is_control)) return 0;  // No head has these (RFC 9110 5.5).
  http::Headers headers;
  headers.Add("WWW-Authenticate", text);
  const auto challenges = http::ParseChallenges(headers);
  FETCHD_CHECK(challenges.size() <= 16);
  for (const auto& challenge : challenges) FETCHD_CHECK(challenge.params.size() <= 32);
  auto chosen = http::ChooseDigest(challenges);
  if (!chosen.ok()) return 0;

  const DigestCredentials credentials{"me", Secret("s3cret")};
  http::DigestSession session(*std::move(chosen), "cnonce");
  for (std::uint32_t request = 1; request <= 2; ++request) {
    const std::string answer = http::AnswerDigest(credentials, "GET", "/a", session);
    FETCHD_CHECK(session.requests == request);
    FETCHD_CHECK(answer.starts_with("Digest "));
    // Nothing that a server says breaks out of its line, and the password is in no part of it.
    FETCHD_CHECK(std::ranges::none_of(answer, is_control));
    FETCHD_CHECK(text.contains("s3cret") || !answer.contains("s3cret"));
  }
  return 0;
}
