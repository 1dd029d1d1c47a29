// Whether a request may pass on to the API: what a browser can be made to send is not what its user
// wants. Pure.
#pragma once

#include <optional>
#include <string>

#include "admin/health.h"
#include "base/http_handler.h"

namespace fetchd::admin {

/// To whom the API is open.
enum class ApiAccess {
  kClosed,  ///< Others than this machine reach it, and nobody is asked, or in plain text.
  kOpen,    ///< Nobody is asked, and nobody else reaches it.
  kAsks,    ///< It asks itself who calls.
};

struct ApiGuard {
  ApiAccess access = ApiAccess::kClosed;
  std::string listen_host;  ///< "127.0.0.1", "[::1]": a name that Host may have besides localhost.
  bool needs_certificate = false;  ///< Where nobody is asked otherwise: as for metrics.
};

/// The answer to a request that may not pass: 403 or 400, and what to do.
/// * An open API is for names of this machine: another one that leads here is an attack
///   (DNS rebinding).
/// * What a page of another site sends is refused, whether it could read the answer or not.
std::optional<Answer> CheckPassage(const HttpRequest& request, const ApiGuard& guard,
                                   bool has_certificate);
/// That, but for what a link of another site may lead to: the pages, which change nothing.
std::optional<Answer> CheckPlace(const HttpRequest& request, const ApiGuard& guard,
                                 bool has_certificate);

}  // namespace fetchd::admin
