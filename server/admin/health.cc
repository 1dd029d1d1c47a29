#include "admin/health.h"

namespace fetchd::admin {

Answer AnswerHealth(std::string_view method, std::string_view target, bool draining) {
  if (method != "GET" && method != "HEAD") return {405, "method not allowed"};
  const std::string_view path = target.substr(0, target.find('?'));
  if (path == "/livez") return {200, "ok"};
  if (path != "/readyz") return {404, "not found"};
  return draining ? Answer{503, "draining"} : Answer{200, "ok"};
}

}  // namespace fetchd::admin
