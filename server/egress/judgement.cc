// Names of judgements, and the error that a caller is told.
#include "base/strings.h"
#include "egress/address_ranges.h"
#include "egress/policy.h"

namespace fetchd::egress {
namespace {

std::string_view AdviceFor(Verdict verdict) {
  if (verdict == Verdict::kDeniedByRule) return "";
  return IsGuarded(verdict)
             ? "; an operator can permit it in egress.allow with a rule for that one "
               "address"
             : "; an operator can permit it in egress.allow";
}

}  // namespace

const char* ModeName(Mode mode) {
  switch (mode) {
    case Mode::kEnforce:
      return "enforce";
    case Mode::kReport:
      return "report";
    case Mode::kOpen:
      break;
  }
  return "open";
}

const char* VerdictName(Verdict verdict) {
  switch (verdict) {
    case Verdict::kAllowed:
      return "ALLOWED";
    case Verdict::kAllowedByRule:
      return "ALLOWED_BY_RULE";
    case Verdict::kLoopback:
      return "LOOPBACK";
    case Verdict::kLinkLocal:
      return "LINK_LOCAL";
    case Verdict::kPrivate:
      return "PRIVATE";
    case Verdict::kCarrierNat:
      return "CARRIER_NAT";
    case Verdict::kMulticast:
      return "MULTICAST";
    case Verdict::kUnspecified:
      return "UNSPECIFIED";
    case Verdict::kReserved:
      return "RESERVED";
    case Verdict::kEmbedsIpv4:
      return "EMBEDS_IPV4";
    case Verdict::kCloudMetadata:
      return "CLOUD_METADATA";
    case Verdict::kOwnAddress:
      return "OWN_ADDRESS";
    case Verdict::kDeniedByRule:
      return "DENIED_BY_RULE";
    case Verdict::kPort:
      return "PORT";
    case Verdict::kHostName:
      return "HOST_NAME";
  }
  return "UNKNOWN";
}

absl::Status DeniedError(const Judgement& judgement, const Origin& origin) {
  const std::string verdict = VerdictName(judgement.verdict);
  const std::string port = Concat(origin.port);
  absl::Status status = absl::PermissionDeniedError(
      Concat("egress policy does not allow ", origin.host, " port ", port, ": ", verdict, " (",
             judgement.rule, ")", AdviceFor(judgement.verdict)));
  return WithReason(
      std::move(status),
      {"TARGET_NOT_ALLOWED",
       {{"verdict", verdict}, {"rule", judgement.rule}, {"host", origin.host}, {"port", port}}});
}

}  // namespace fetchd::egress
