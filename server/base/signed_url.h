// Secrets in URLs: signatures and tokens in the query, and passwords before the host.
#pragma once

#include <string>
#include <string_view>

namespace fetchd {

/// `url` with "[redacted]" for the value of each parameter of its query, or of its fragment, that
/// is known to carry a signature, a token or a password; all else as it is. Whether it is a URL is
/// not asked. A value ends at '&' or '#'; what is no secret also at ';' and '?'. Linear. Known,
/// whatever the case: X-Amz-Signature, X-Amz-Security-Token, X-Goog-Signature, X-Oss-Signature,
/// X-Oss-Security-Token, Security-Token, X-Cos-Security-Token, Q-Signature, Signature, Sig, Sign,
/// Token, Access_Token, Refresh_Token, Id_Token, Auth_Token, AuthToken, Private_Token, Job_Token,
/// Api_Key, ApiKey, Api-Key, Client_Secret, Secret, Password, Passwd, Pwd, Auth, Authorization,
/// Jwt, Hdnea, Hdnts, Hdntl, __Token__.
std::string HideSignatures(std::string_view url);

/// It has one, in clear.
bool HasSignature(std::string_view url);
/// It has been through HideSignatures, which hid something.
bool HasHiddenSignature(std::string_view url);

/// What stands before an '@' in the authority may be a password: `text` without it. Where the rest
/// is no URL, one that holds '/' or '?' may be spread over it: after a "name:" all up to the last
/// '@' goes.
std::string WithoutUserinfo(std::string_view text);

}  // namespace fetchd
