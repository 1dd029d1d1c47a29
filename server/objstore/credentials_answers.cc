// What token and metadata services answer.
#include <boost/json.hpp>
#include <utility>

#include "base/strings.h"
#include "objstore/remote_credentials.h"
#include "objstore/s3_answers.h"
#include "objstore/xml.h"

namespace fetchd::objstore {
namespace {

absl::Status NoCredentials() {
  return absl::DataLossError("the answer has no credentials that expire");
}

absl::StatusOr<AwsCredentials> Whole(AwsCredentials credentials, std::string_view expires_at) {
  credentials.expires_at = ParseS3Time(expires_at);
  if (!credentials.expires_at || !Check(credentials).ok()) return NoCredentials();
  return credentials;
}

std::string JsonText(const boost::json::object& object, const char* name) {
  const boost::json::value* const value = object.if_contains(name);
  if (value == nullptr || !value->is_string()) return {};
  return std::string(value->get_string().data(), value->get_string().size());
}

}  // namespace

absl::StatusOr<AwsCredentials> ReadStsCredentials(std::string_view xml) {
  constexpr std::string_view kRoot =
      "AssumeRoleWithWebIdentityResponse/AssumeRoleWithWebIdentityResult/Credentials/";
  AwsCredentials credentials;
  std::string expires_at;
  RETURN_IF_ERROR(ReadXml(xml, [&](std::string_view path, std::string text) {
    if (!path.starts_with(kRoot)) return absl::OkStatus();
    const std::string_view field = path.substr(kRoot.size());
    if (field == "AccessKeyId") {
      credentials.access_key_id = std::move(text);
    } else if (field == "SecretAccessKey") {
      credentials.secret_access_key = Secret(std::move(text));
    } else if (field == "SessionToken") {
      credentials.session_token = Secret(std::move(text));
    } else if (field == "Expiration") {
      expires_at = std::move(text);
    }
    return absl::OkStatus();
  }));
  return Whole(std::move(credentials), expires_at);
}

absl::StatusOr<AwsCredentials> ReadMetadataCredentials(std::string_view json) {
  boost::json::error_code error;
  const boost::json::value value = boost::json::parse({json.data(), json.size()}, error);
  if (error || !value.is_object()) return NoCredentials();
  const boost::json::object& object = value.get_object();
  return Whole({JsonText(object, "AccessKeyId"),
                Secret(JsonText(object, "SecretAccessKey")),
                Secret(JsonText(object, "Token")),
                {}},
               JsonText(object, "Expiration"));
}

}  // namespace fetchd::objstore
