// The request of one attempt.
#pragma once

#include "fetch/engine.h"
#include "fetch/resume.h"
#include "http/client.h"
#include "jobs/job.h"

namespace fetchd::fetch {

/// Headers and credentials of `spec` go to `url` when it has the origin of the primary URL; a
/// mirror elsewhere gets only those that cannot be secret. Its conditions go to every URL. Range
/// for what `asked` misses, If-Range when a part of it is here. Decoding limits are the caller's to
/// add.
http::Request BuildRequest(const jobs::FetchSpec& spec, const Url& url, const Asked& asked,
                           UrlOptions options);

http::Timeouts TimeoutsOf(const jobs::FetchSpec& spec, http::Timeouts defaults);
RetryConfig RetryOf(const jobs::FetchSpec& spec, RetryConfig defaults);
http::RedirectConfig RedirectsOf(const jobs::FetchSpec& spec, http::RedirectConfig defaults);

}  // namespace fetchd::fetch
