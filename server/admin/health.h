// What is answered to which request.
#pragma once

#include <string>
#include <string_view>

namespace fetchd::admin {

struct Answer {
  int status = 200;
  std::string body;
  const char* content_type = "text/plain";
};

/// Without its query, which nobody asks for.
std::string_view PathOf(std::string_view target);
/// GET or HEAD.
bool IsRead(std::string_view method);

/// What this server answers itself, whatever else is served: /livez, /readyz, /metrics.
bool IsHealthPath(std::string_view target);

/// `target` as the client wrote it: where there is no API, and not /metrics. HEAD gets the answer
/// to GET, whose body the caller leaves out.
Answer AnswerHealth(std::string_view method, std::string_view target, bool draining);

}  // namespace fetchd::admin
