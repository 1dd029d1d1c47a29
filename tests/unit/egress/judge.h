// What a policy says of one address or URL, and verdicts in failure messages.
#pragma once

#include <cstdint>
#include <ostream>
#include <string>
#include <string_view>

#include "egress/policy.h"

namespace fetchd::egress {

inline std::ostream& operator<<(std::ostream& out, Verdict verdict) {
  return out << VerdictName(verdict);
}

inline Judgement Judge(const Policy& policy, const std::string& address, std::uint16_t port = 443,
                       std::string_view host = {}) {
  return policy.JudgeAddress(boost::asio::ip::make_address(address), port, host);
}

inline Judgement JudgeUrl(const Policy& policy, std::string_view url) {
  return policy.JudgeUrl(*Url::Parse(url));
}

}  // namespace fetchd::egress
