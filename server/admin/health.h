// What is answered to which request.
#pragma once

#include <string_view>

namespace fetchd::admin {

struct Answer {
  int status = 200;
  std::string_view body;  ///< A literal: plain text.
};

/// `target` as the client wrote it; its query is ignored. HEAD gets the answer to GET, whose body
/// the caller leaves out.
Answer AnswerHealth(std::string_view method, std::string_view target, bool draining);

}  // namespace fetchd::admin
