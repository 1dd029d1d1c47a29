#include "http/authenticating_client.h"

#include <utility>

#include "base/strings.h"
#include "http/auth_challenge.h"

namespace fetchd::http {
namespace {

constexpr int kUnauthorized = 401;
/// A nonce may be too old each time when the server changes it faster than we answer.
constexpr int kMaxStaleAnswers = 2;

void Authorize(Request& request, std::string value) {
  request.headers.push_back({"Authorization", std::move(value)});
}

}  // namespace

Task<absl::StatusOr<Response>> AuthenticatingClient::Send(Request request, Call call) {
  Credentials credentials = rules_.For(request);
  request.credentials = std::monostate();
  if (auto* digest = std::get_if<DigestCredentials>(&credentials)) {
    co_return co_await SendWithDigest(std::move(request), call, std::move(*digest));
  }
  if (const auto* basic = std::get_if<BasicCredentials>(&credentials)) {
    const std::string pair = Concat(basic->username, ':', basic->password.Reveal());
    Authorize(request, Concat("Basic ", Base64Encode(pair)));
  } else if (const auto* bearer = std::get_if<BearerCredentials>(&credentials)) {
    Authorize(request, Concat("Bearer ", bearer->token.Reveal()));
  }
  co_return co_await inner_.Send(std::move(request), call);
}

Task<absl::StatusOr<Response>> AuthenticatingClient::SendWithDigest(Request request, Call call,
                                                                    DigestCredentials credentials) {
  const Origin& origin = request.url.origin();
  const std::string& username = credentials.username;
  for (int answers = 0;; ++answers) {
    Request next = request;
    std::string value =
        sessions_.Authorize(credentials, request.method, request.url, /*challenged=*/answers > 0);
    if (!value.empty()) Authorize(next, std::move(value));
    CO_ASSIGN_OR_RETURN(Response response, co_await inner_.Send(std::move(next), call));
    if (response.head.status != kUnauthorized) {
      LearnNonce(response, username);
      co_return response;
    }
    absl::StatusOr<DigestChallenge> challenge =
        ChooseDigest(ParseChallenges(response.head.headers));
    if (!challenge.ok()) {
      co_return WithPrefix(challenge.status(), Concat(origin.ToString(), " asks for"));
    }
    // The first challenge is answered whatever was sent before: what an earlier request learned may
    // have been forgotten by the server, or be of another realm.
    if (answers > 0 && (!challenge->stale || answers > kMaxStaleAnswers)) {
      sessions_.End(origin, username);
      co_return response;
    }
    co_await response.body->Discard();
    sessions_.Begin(origin, username, *std::move(challenge));
  }
}

void AuthenticatingClient::LearnNonce(const Response& response, const std::string& username) {
  const AuthParams params = ParseAuthParams(response.head.headers.Get("Authentication-Info"));
  if (const std::string* nonce = FindParam(params, "nextnonce")) {
    sessions_.UseNonce(response.url.origin(), username, *nonce);
  }
}

}  // namespace fetchd::http
