// Rules of egress.allow and egress.deny: a rule opens no guarded address but by its own name, and
// what is denied stays so whatever else allows it.
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "egress/policy.h"
#include "egress/target_rule.h"

namespace {

using boost::asio::ip::make_address;
using fetchd::egress::Policy;

const auto& Guarded() {
  static const auto* addresses = new std::vector<boost::asio::ip::address>{
      make_address("169.254.169.254"), make_address("169.254.1.1"),
      make_address("0.0.0.0"),         make_address("168.63.129.16"),
      make_address("fe80::1"),         make_address("::"),
      make_address("fd00:ec2::254"),   make_address("::ffff:169.254.169.254")};
  return *addresses;
}

void CheckAllow(const std::string& text) {
  const auto rule = fetchd::egress::ParseAllowRule(text);
  const auto policy = Policy::Create({.allow = {text}});
  FETCHD_CHECK(rule.ok() == policy.ok());
  if (!rule.ok()) return;
  for (const auto& address : Guarded()) {
    if (!(*policy)->JudgeAddress(address, 80).allowed()) continue;
    FETCHD_CHECK(rule->IsSingleAddress() && rule->AdmitsAddress(fetchd::egress::Unwrap(address)));
  }
}

void CheckDeny(const std::string& text) {
  const auto rule = fetchd::egress::ParseTargetRule(text);
  const auto policy =
      Policy::Create({.allow = {"8.8.8.8", "10.0.0.0/8", "fd00::/8"}, .deny = {text}});
  FETCHD_CHECK(rule.ok() == policy.ok());
  if (!rule.ok()) return;
  for (const char* known : {"8.8.8.8", "10.1.2.3", "fd00::1", "2606:4700::1111"}) {
    const auto address = make_address(known);
    if (rule->CoversAddress(address) && rule->AdmitsPort(80)) {
      FETCHD_CHECK(!(*policy)->JudgeAddress(address, 80).allowed());
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  CheckAllow(text);
  CheckDeny(text);
  return 0;
}
