#include "http/digest_auth.h"

#include <algorithm>
#include <array>
#include <cstdio>

#include "base/check.h"
#include "base/strings.h"

namespace fetchd::http {
namespace {

constexpr std::string_view kSessionSuffix = "-sess";
/// What a server makes us repeat in every request.
constexpr std::size_t kMaxEchoedBytes = 4096;
constexpr std::size_t kMaxSchemesTold = 4;

struct Algorithm {
  std::string_view name;
  HashAlgorithm hash;
};
/// Strongest first.
constexpr std::array<Algorithm, 3> kAlgorithms = {{{"SHA-512-256", HashAlgorithm::kSha512Over256},
                                                   {"SHA-256", HashAlgorithm::kSha256},
                                                   {"MD5", HashAlgorithm::kMd5}}};

std::size_t WeaknessOf(HashAlgorithm hash) {
  const auto* const found = std::ranges::find(kAlgorithms, hash, &Algorithm::hash);
  return static_cast<std::size_t>(found - kAlgorithms.begin());
}

absl::Status AuthNotSupported(const std::string& what) {
  return WithReason(absl::FailedPreconditionError(what), {"AUTH_NOT_SUPPORTED", {}});
}

/// Calls `visit` with each word of a list.
template <typename Visit>
void ForEachWord(std::string_view list, std::string_view separators, Visit visit) {
  while (true) {
    const std::size_t from = list.find_first_not_of(separators);
    if (from == std::string_view::npos) return;
    const std::size_t end = std::min(list.find_first_of(separators, from), list.size());
    visit(list.substr(from, end - from));
    list.remove_prefix(end);
  }
}

bool IsTrue(const AuthParams& params, std::string_view name) {
  const std::string* value = FindParam(params, name);
  return value != nullptr && EqualsIgnoreCase(*value, "true");
}

absl::Status ReadAlgorithm(const AuthParams& params, DigestChallenge& out) {
  const std::string* text = FindParam(params, "algorithm");
  std::string_view name = text == nullptr ? std::string_view("MD5") : *text;
  if (text != nullptr) out.algorithm_text = *text;
  out.session = name.size() > kSessionSuffix.size() &&
                EqualsIgnoreCase(name.substr(name.size() - kSessionSuffix.size()), kSessionSuffix);
  if (out.session) name.remove_suffix(kSessionSuffix.size());
  for (const Algorithm& algorithm : kAlgorithms) {
    if (!EqualsIgnoreCase(name, algorithm.name)) continue;
    out.algorithm = algorithm.hash;
    if (HashHex(algorithm.hash, "")) return absl::OkStatus();
    break;
  }
  return AuthNotSupported("Digest authentication by an algorithm that is not supported");
}

absl::Status ReadQop(const AuthParams& params, DigestChallenge& out) {
  const std::string* qop = FindParam(params, "qop");
  if (qop == nullptr) {
    out.qop_auth = false;
    if (!out.session) return absl::OkStatus();
    return AuthNotSupported("Digest authentication with a session algorithm and no qop");
  }
  bool auth = false;
  ForEachWord(*qop, ", \t", [&](std::string_view word) { auth |= EqualsIgnoreCase(word, "auth"); });
  if (auth) return absl::OkStatus();
  return AuthNotSupported("Digest authentication with qop=auth-int alone, which is not supported");
}

absl::StatusOr<DigestChallenge> ReadChallenge(const AuthParams& params) {
  DigestChallenge out;
  const std::string* realm = FindParam(params, "realm");
  const std::string* nonce = FindParam(params, "nonce");
  if (realm == nullptr || nonce == nullptr) {
    return AuthNotSupported("Digest authentication without a realm or a nonce");
  }
  out.realm = *realm;
  out.nonce = *nonce;
  if (const std::string* opaque = FindParam(params, "opaque")) out.opaque = *opaque;
  RETURN_IF_ERROR(ReadAlgorithm(params, out));
  RETURN_IF_ERROR(ReadQop(params, out));
  out.stale = IsTrue(params, "stale");
  out.userhash = IsTrue(params, "userhash");
  std::size_t echoed = out.realm.size() + out.nonce.size() + out.opaque.value_or("").size();
  if (const std::string* domain = FindParam(params, "domain")) {
    echoed += domain->size();
    ForEachWord(*domain, " \t", [&](std::string_view uri) { out.domain.emplace_back(uri); });
  }
  if (echoed > kMaxEchoedBytes) return AuthNotSupported("a Digest challenge of more than 4 KiB");
  return out;
}

/// "basic, negotiate", as far as it is worth telling.
std::string SchemesOf(std::span<const AuthChallenge> challenges) {
  std::string schemes;
  for (const AuthChallenge& challenge :
       challenges.first(std::min(challenges.size(), kMaxSchemesTold))) {
    schemes += Concat(schemes.empty() ? "" : ", ", challenge.scheme.substr(0, 32));
  }
  return schemes.empty() ? "no authentication that can be understood" : schemes;
}

std::string Hash(HashAlgorithm algorithm, const std::string& text) {
  std::optional<std::string> hash = HashHex(algorithm, text);
  FETCHD_CHECK(hash.has_value());  // ReadAlgorithm tried it.
  return *std::move(hash);
}

std::string Quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out.push_back('\\');
    out.push_back(c);
  }
  return out + '"';
}

/// RFC 8187: what a quoted-string cannot carry, in UTF-8.
std::string Extended(std::string_view text) {
  std::string out = "UTF-8''";
  for (const char c : text) {
    const bool plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                       std::string_view("!#$&+-.^_`|~").contains(c);
    out += plain ? std::string(1, c) : Concat('%', HexEncode({&c, 1}));
  }
  return out;
}

std::string UsernameParam(const std::string& username, const DigestChallenge& challenge) {
  if (challenge.userhash) {
    const std::string hash = Hash(challenge.algorithm, Concat(username, ':', challenge.realm));
    return Concat("username=\"", hash, "\", userhash=true");
  }
  const bool ascii = std::ranges::all_of(username, [](char c) { return c >= 0x20 && c < 0x7f; });
  return ascii ? "username=" + Quoted(username) : "username*=" + Extended(username);
}

/// RFC 7616 3.4.1.
std::string ResponseHash(const DigestCredentials& credentials, std::string_view method,
                         std::string_view target, std::string_view count,
                         const DigestSession& session) {
  const DigestChallenge& challenge = session.challenge;
  const auto hash = [&](const std::string& text) { return Hash(challenge.algorithm, text); };
  std::string secret =
      hash(Concat(credentials.username, ':', challenge.realm, ':', credentials.password.Reveal()));
  if (challenge.session)
    secret = hash(Concat(secret, ':', session.first_nonce, ':', session.cnonce));
  const std::string request = hash(Concat(method, ':', target));
  if (!challenge.qop_auth) return hash(Concat(secret, ':', challenge.nonce, ':', request));
  return hash(
      Concat(secret, ':', challenge.nonce, ':', count, ':', session.cnonce, ":auth:", request));
}

}  // namespace

absl::StatusOr<DigestChallenge> ChooseDigest(std::span<const AuthChallenge> challenges) {
  std::optional<DigestChallenge> best;
  absl::Status why_not = AuthNotSupported(Concat(SchemesOf(challenges), " instead of Digest"));
  for (const AuthChallenge& challenge : challenges) {
    if (challenge.scheme != "digest") continue;
    absl::StatusOr<DigestChallenge> read = ReadChallenge(challenge.params);
    if (!read.ok()) {
      why_not = read.status();
    } else if (!best || WeaknessOf(read->algorithm) < WeaknessOf(best->algorithm)) {
      best = *std::move(read);
    }
  }
  if (best) return *std::move(best);
  return why_not;
}

void DigestSession::UseNonce(std::string nonce) {
  if (nonce.empty() || nonce.size() > kMaxEchoedBytes || nonce == challenge.nonce) return;
  challenge.nonce = std::move(nonce);
  requests = 0;
}

bool DigestSession::Covers(const Url& url) const {
  if (challenge.domain.empty()) return true;
  return std::ranges::any_of(challenge.domain, [&url](const std::string& uri) {
    const absl::StatusOr<Url> root = url.Resolve(uri);
    return root.ok() && root->origin() == url.origin() && url.target().starts_with(root->target());
  });
}

std::string AnswerDigest(const DigestCredentials& credentials, std::string_view method,
                         std::string_view target, DigestSession& session) {
  const DigestChallenge& challenge = session.challenge;
  std::array<char, 9> count;
  std::snprintf(count.data(), count.size(), "%08x", ++session.requests);
  std::string out = Concat("Digest ", UsernameParam(credentials.username, challenge),
                           ", realm=", Quoted(challenge.realm), ", nonce=", Quoted(challenge.nonce),
                           ", uri=", Quoted(target));
  if (!challenge.algorithm_text.empty()) out += ", algorithm=" + challenge.algorithm_text;
  if (challenge.qop_auth) {
    out += Concat(", cnonce=\"", session.cnonce, "\", nc=", count.data(), ", qop=auth");
  }
  out += Concat(", response=\"", ResponseHash(credentials, method, target, count.data(), session),
                '"');
  if (challenge.opaque) out += ", opaque=" + Quoted(*challenge.opaque);
  return out;
}

}  // namespace fetchd::http
