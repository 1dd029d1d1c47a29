// The request of one attempt.
#pragma once

#include <string_view>

#include "fetch/engine.h"
#include "fetch/resume.h"
#include "http/client.h"
#include "jobs/job.h"

namespace fetchd::fetch {

/// Headers and credentials of `spec` go to `url` when it has the origin of the primary URL; a
/// mirror elsewhere gets only those that cannot be secret. What has a name of the configuration is
/// left out. Its conditions go to every URL. Range for what `asked` misses, If-Range when a part of
/// it is here. Decoding limits are the caller's to add.
http::Request BuildRequest(const jobs::FetchSpec& spec, const Url& url, const Asked& asked,
                           UrlOptions options);

/// Adds what `spec` names instead of bringing it, as it is now, where BuildRequest adds what it
/// brings. PERMISSION_DENIED as NamedSecrets::ValueFor.
absl::Status AddNamedSecrets(const jobs::FetchSpec& spec, const NamedSecrets& secrets,
                             UrlOptions options, http::Request& request);

/// Adds traceparent, with `span_id` as its parent, and tracestate, where the configuration says so
/// and the caller has not set his own.
void AddTrace(const TraceContext& trace, std::string_view span_id, TraceTo to,
              http::Request& request);

/// All of these.
absl::StatusOr<http::Request> MakeRequest(const jobs::FetchSpec& spec, const Url& url,
                                          const Asked& asked, const EngineConfig& config,
                                          std::string_view span_id = {});

http::Timeouts TimeoutsOf(const jobs::FetchSpec& spec, http::Timeouts defaults);
RetryConfig RetryOf(const jobs::FetchSpec& spec, RetryConfig defaults);
http::RedirectConfig RedirectsOf(const jobs::FetchSpec& spec, http::RedirectConfig defaults);

}  // namespace fetchd::fetch
