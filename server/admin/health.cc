#include "admin/health.h"

namespace fetchd::admin {

std::string_view PathOf(std::string_view target) { return target.substr(0, target.find('?')); }

bool IsRead(std::string_view method) { return method == "GET" || method == "HEAD"; }

bool IsHealthPath(std::string_view target) {
  const std::string_view path = PathOf(target);
  return path == "/livez" || path == "/readyz" || path == "/metrics";
}

Answer AnswerHealth(std::string_view method, std::string_view target, bool draining) {
  if (!IsHealthPath(target)) {
    return {404, "the HTTP/JSON API and the dashboard are not served here (admin.api: off)"};
  }
  if (!IsRead(method)) return {405, "method not allowed"};
  if (PathOf(target) == "/livez") return {200, "ok"};
  return draining ? Answer{503, "draining"} : Answer{200, "ok"};
}

}  // namespace fetchd::admin
