#include "http/redirecting_client.h"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "base/strings.h"

namespace fetchd::http {
namespace {

absl::Status RedirectError(const char* reason, std::string message) {
  return WithReason(absl::FailedPreconditionError(message), {reason, {}});
}

bool IsRedirect(const ResponseHead& head) {
  switch (head.status) {
    case 301:
    case 302:
    case 303:
    case 307:
    case 308:
      return head.headers.Has("location");
    default:
      return false;
  }
}

bool IsSecret(const Request& request, std::string_view name) {
  constexpr std::array<std::string_view, 3> kAlways = {"authorization", "cookie",
                                                       "proxy-authorization"};
  const auto same = [&](std::string_view secret) { return EqualsIgnoreCase(secret, name); };
  return std::ranges::any_of(kAlways, same) || std::ranges::any_of(request.secret_headers, same);
}

/// One chain of hops.
class Chain {
 public:
  Chain(const egress::Subject& subject, RedirectConfig config)
      : subject_(subject), config_(std::move(config)) {}

  absl::Status Judge(const Url& url) const {
    const egress::Judgement judgement = subject_.policy->JudgeUrl(url);
    subject_.Note(url.Redacted(), judgement);
    return judgement.allowed() ? absl::OkStatus() : egress::DeniedError(judgement, url.origin());
  }

  /// Rewrites `request` for the hop that `location` asks for.
  absl::Status Follow(std::string_view location, Request& request) {
    if (++redirects_ > config_.max_redirects) {
      return RedirectError("REDIRECT_LIMIT",
                           Concat("more than ", config_.max_redirects, " redirects"));
    }
    visited_.insert(request.url.ToString());
    absl::StatusOr<Url> target = request.url.Resolve(location);
    if (!target.ok()) {
      return RedirectError("REDIRECT_INVALID", Concat("redirect from ", request.url.Redacted(),
                                                      ": ", MessageOf(target.status())));
    }
    if (request.url.is_https() && !target->is_https() && !config_.allow_downgrade) {
      return RedirectError("REDIRECT_DOWNGRADE",
                           Concat("redirect from https to ", target->Redacted()));
    }
    RETURN_IF_ERROR(Judge(*target));
    if (visited_.contains(target->ToString())) {
      return RedirectError("REDIRECT_LOOP", Concat("redirect back to ", target->Redacted()));
    }
    if (target->origin() != request.url.origin()) {
      if (config_.may_ask) RETURN_IF_ERROR(config_.may_ask(target->origin()));
      DropSecrets(request);
    }
    request.redirected = true;
    request.downgraded |= request.url.is_https() && !target->is_https();
    request.url = *std::move(target);
    return absl::OkStatus();
  }

 private:
  void DropSecrets(Request& request) const {
    std::erase_if(request.headers,
                  [&](const Header& header) { return IsSecret(request, header.name); });
    request.credentials = std::monostate();
    const auto& identifying = config_.identifying_profiles;
    if (std::ranges::find(identifying, request.tls_profile) != identifying.end()) {
      request.tls_profile.clear();
    }
  }

  const egress::Subject& subject_;
  const RedirectConfig config_;
  int redirects_ = 0;
  std::set<std::string> visited_;  ///< The method never changes: only GET and HEAD are sent.
};

}  // namespace

Task<absl::StatusOr<Response>> RedirectingClient::Send(Request request, Call call,
                                                       RedirectConfig config) {
  request.subject = subject_;
  // Stores have policies of their own, and lead nowhere else.
  if (request.url.names_object()) co_return co_await inner_.Send(std::move(request), call);
  const egress::SubjectPtr subject = subject_;
  Chain chain(*subject, config);
  CO_RETURN_IF_ERROR(chain.Judge(request.url));
  while (true) {
    Request hop = request;
    CO_ASSIGN_OR_RETURN(Response response, co_await inner_.Send(std::move(hop), call));
    if (config.max_redirects == 0 || !IsRedirect(response.head)) co_return response;
    CO_RETURN_IF_ERROR(chain.Follow(response.head.headers.Get("location"), request));
    co_await response.body->Discard();
  }
}

}  // namespace fetchd::http
