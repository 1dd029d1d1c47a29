#include "app/config_store_keys.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "app/config_kinds.h"
#include "app/store_config.h"
#include "base/byte_size.h"

namespace fetchd::app {
namespace {

constexpr std::uint64_t kMinPartBytes = std::uint64_t{5} << 20;  // S3's own limit.
constexpr std::uint64_t kMaxPartBytes = std::uint64_t{1} << 30;
constexpr std::size_t kMaxNameSize = 63;

bool IsLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }

absl::Status CheckName(const std::string& name) {
  const bool good = name.size() <= kMaxNameSize && std::ranges::all_of(name, [](char c) {
                      return (c >= 'a' && c <= 'z') || IsDigit(c) || c == '-';
                    });
  if (good) return absl::OkStatus();
  return absl::InvalidArgumentError("the name of a store is 1 to 63 of a-z, 0-9 and '-'");
}

absl::StatusOr<StoreType> ReadType(const YAML::Node& node) {
  static const auto* const kTypes = new Kind<StoreType>(ChoiceKind<StoreType>(
      {{"s3", StoreType::kS3}, {"gs", StoreType::kGs}, {"azblob", StoreType::kAzblob}}));
  return kTypes->read(node);
}

Kind<StoreType> TypeKind() {
  return {"s3 | gs | azblob", true, ReadType,
          [](StoreType type) { return std::string(SchemeOf(type)); }};
}

Kind<StoreCredentials> CredentialsKind() {
  Kind<StoreCredentials> kind =
      ChoiceKind<StoreCredentials>({{"auto", StoreCredentials::kAuto},
                                    {"static", StoreCredentials::kStatic},
                                    {"environment", StoreCredentials::kEnvironment},
                                    {"file", StoreCredentials::kFile},
                                    {"web_identity", StoreCredentials::kWebIdentity},
                                    {"container", StoreCredentials::kContainer},
                                    {"instance", StoreCredentials::kInstance}});
  kind.read = [read = kind.read](const YAML::Node& node) -> absl::StatusOr<StoreCredentials> {
    if (!node.IsScalar() || node.Scalar() != "anonymous") return read(node);
    return absl::InvalidArgumentError(
        "anonymous: objects are written, and that is never open to everybody");
  };
  return kind;
}

/// Empty stands for that of the type.
absl::StatusOr<std::string> ReadEndpoint(const YAML::Node& node) {
  StoreSettings store;
  ASSIGN_OR_RETURN(store.endpoint, ReadText(node));
  RETURN_IF_ERROR(EndpointOf(store).status());
  return store.endpoint;
}

/// It becomes part of host names and of signatures.
absl::StatusOr<std::string> ReadRegion(const YAML::Node& node) {
  ASSIGN_OR_RETURN(std::string region, ReadText(node));
  const bool good = region.size() <= kMaxNameSize && std::ranges::all_of(region, [](char c) {
                      return IsLetter(c) || IsDigit(c) || c == '-';
                    });
  if (good) return region;
  return absl::InvalidArgumentError("expects letters, digits and '-', such as eu-central-1");
}

/// S3's own are shorter and in lower case; other stores have more.
absl::Status CheckBucket(const std::string& bucket) {
  constexpr std::size_t kMin = 3, kMax = 255;
  const bool sized = bucket.size() >= kMin && bucket.size() <= kMax;
  const bool good = std::ranges::all_of(
      bucket, [](char c) { return IsLetter(c) || IsDigit(c) || c == '-' || c == '.' || c == '_'; });
  if (sized && good && bucket.front() != '.' && bucket.front() != '-') return absl::OkStatus();
  return absl::InvalidArgumentError(
      Concat("\"", bucket, "\" is no bucket: 3 to 255 letters, digits, '-', '.' and '_'"));
}

absl::StatusOr<std::vector<std::string>> ReadBuckets(const YAML::Node& node) {
  if (!node.IsSequence()) {
    return absl::InvalidArgumentError("expects a list, such as [backups, \"team.reports\"]");
  }
  ASSIGN_OR_RETURN(std::vector<std::string> buckets, ReadTextList(node));
  for (const std::string& bucket : buckets) RETURN_IF_ERROR(CheckBucket(bucket));
  return buckets;
}

absl::StatusOr<std::uint64_t> ReadPartBytes(const YAML::Node& node) {
  ASSIGN_OR_RETURN(const std::uint64_t bytes, ReadSize(node));
  if (bytes >= kMinPartBytes && bytes <= kMaxPartBytes) return bytes;
  return absl::InvalidArgumentError(
      Concat("must be ", FormatByteSize(kMinPartBytes), " to ", FormatByteSize(kMaxPartBytes)));
}

Kind<std::uint64_t> PartsKind() {
  constexpr std::uint64_t kMax = 16;
  return {Concat("number, 1 to ", kMax), false,
          [](const YAML::Node& node) { return ReadNumber(node, 1, kMax); },
          [](std::uint64_t parts) { return Concat(parts); }};
}

/// What is sent in a header.
absl::StatusOr<std::string> ReadHeaderText(const YAML::Node& node) {
  ASSIGN_OR_RETURN(std::string text, ReadText(node));
  if (std::ranges::all_of(text, [](char c) { return c >= ' ' && c <= '~'; })) return text;
  return absl::InvalidArgumentError("expects printable ASCII: it is sent in a header");
}

absl::StatusOr<std::string> ReadEncryption(const YAML::Node& node) {
  ASSIGN_OR_RETURN(std::string text, ReadText(node));
  if (text.empty() || text == "AES256" || text == "aws:kms") return text;
  return absl::InvalidArgumentError("expects AES256, aws:kms or nothing");
}

Kind<ConditionalWrites> ConditionalWritesKind() {
  return ChoiceKind<ConditionalWrites>({{"auto", ConditionalWrites::kAuto},
                                        {"all", ConditionalWrites::kAll},
                                        {"put", ConditionalWrites::kPut},
                                        {"none", ConditionalWrites::kNone}});
}

template <typename T>
ConfigKey StoreKey(const char* key, Kind<T> kind, T StoreSettings::* field, const char* help) {
  const auto named = [](auto& config) -> auto& { return config.stores; };
  return NamedKey("stores", named, key, std::move(kind), field, help, &CheckName);
}

std::vector<ConfigKey> PlaceKeys() {
  return {
      StoreKey("type", TypeKind(), &StoreSettings::type,
               "A store of objects that destinations, and with sources URLs, may name: s3 "
               "(Amazon's, and what speaks its "
               "protocol) for s3://bucket/key, gs (Google's, in S3's protocol) for "
               "gs://bucket/key, azblob (Azure Blob Storage) for azblob://container/key."),
      StoreKey(
          "endpoint", TextKind("URL", ReadEndpoint), &StoreSettings::endpoint,
          "Where it is. Empty: https://s3.<region>.amazonaws.com, for gs "
          "https://storage.googleapis.com, for azblob "
          "https://<account>.blob.core.windows.net. Only what writes to and reads from stores may "
          "contact it, whatever egress.allow says."),
      StoreKey("region", TextKind("name", ReadRegion), &StoreSettings::region,
               "The region that requests are signed for. Empty: us-east-1, for gs auto."),
      StoreKey("buckets",
               Kind<std::vector<std::string>>{"list of buckets", false, ReadBuckets, WriteTextList},
               &StoreSettings::buckets,
               "Which it serves of the destinations that name no store. Empty: all that no other "
               "store of its type lists."),
      StoreKey(
          "sources", BoolKind(), &StoreSettings::sources,
          "Jobs and calls may also fetch from it, by URLs such as s3://bucket/key: whoever may "
          "submit can then read all that these credentials can, of buckets alone where they "
          "are listed, and never one that another store lists and does not open. Off: it is "
          "written to, and finished jobs' bodies are read back."),
      StoreKey("path_style", BoolKind(), &StoreSettings::path_style,
               "Write the bucket into the path, endpoint/bucket/key, and not into the host, "
               "bucket.endpoint/key; needed where the endpoint is an IP address."),
      StoreKey("tls_profile", TextKind("name"), &StoreSettings::tls_profile,
               "The trust profile for an https endpoint. Empty: the default's."),
  };
}

std::vector<ConfigKey> CredentialKeys() {
  return {
      StoreKey("credentials", CredentialsKind(), &StoreSettings::credentials,
               "Whose requests are. auto: the first of environment, web_identity, file, container "
               "and instance that is there. gs takes HMAC keys: static, environment or file."),
      StoreKey("access_key_id", TextKind("text", ReadHeaderText), &StoreSettings::access_key_id,
               "For static: the id of the key."),
      StoreKey("secret_access_key_file", TextKind("path"), &StoreSettings::secret_access_key_file,
               "For static: a file with the secret key in its only line, read at the start."),
      StoreKey("session_token_file", TextKind("path"), &StoreSettings::session_token_file,
               "For static: a file with the session token that the key came with, if one did."),
      StoreKey("credentials_file", TextKind("path"), &StoreSettings::credentials_file,
               "For file and auto: AWS's credentials file. Empty: AWS_SHARED_CREDENTIALS_FILE, "
               "else ~/.aws/credentials."),
      // After tls_profile, with which it shares the end of its name in the environment.
      StoreKey("profile", TextKind("name"), &StoreSettings::profile,
               "For file and auto: the section of that file. Empty: AWS_PROFILE, else default."),
      StoreKey("role_arn", TextKind("ARN", ReadHeaderText), &StoreSettings::role_arn,
               "For web_identity and auto: the role to take on. Empty: AWS_ROLE_ARN."),
      StoreKey("web_identity_token_file", TextKind("path"), &StoreSettings::web_identity_token_file,
               "For web_identity and auto: a file with the token, read anew each time. Empty: "
               "AWS_WEB_IDENTITY_TOKEN_FILE."),
  };
}

std::vector<ConfigKey> AzureKeys() {
  return {
      StoreKey("account", TextKind("name"), &StoreSettings::account,
               "For azblob: the storage account."),
      StoreKey("account_key_file", TextKind("path"), &StoreSettings::account_key_file,
               "For azblob: a file with a key of the account in its only line, in Base64, read at "
               "the start."),
      StoreKey("sas_token_file", TextKind("path"), &StoreSettings::sas_token_file,
               "For azblob, in place of a key: a file with a shared access signature in its only "
               "line (sv=...&sig=...), read at the start. It needs the permissions r, c and w."),
  };
}

std::vector<ConfigKey> TransferKeys() {
  return {
      StoreKey("payload_signing", ChoiceKind<bool>({{"sha256", true}, {"unsigned", false}}),
               &StoreSettings::signs_payload,
               "What the signature of a request says of its body: its SHA-256, or nothing, which "
               "costs less and needs https."),
      StoreKey("checksum",
               ChoiceKind<StoreChecksum>({{"none", StoreChecksum::kNone},
                                          {"crc32c", StoreChecksum::kCrc32c},
                                          {"md5", StoreChecksum::kMd5}}),
               &StoreSettings::checksum,
               "What is sent with each body for the store to check besides: crc32c "
               "(x-amz-checksum-crc32c, which it keeps) or md5 (Content-MD5, which buckets with "
               "object lock want)."),
      StoreKey("conditional_writes", ConditionalWritesKind(), &StoreSettings::conditional_writes,
               "Which writes the store itself refuses when the object is there and must not be "
               "(If-None-Match): all, put (not the completion of an upload in parts) or none. "
               "auto: all at AWS's own endpoints and Azure's, none at others."),
      StoreKey("part_bytes", Kind<std::uint64_t>{"size", false, ReadPartBytes, WriteSize},
               &StoreSettings::part_bytes,
               "Size of the parts in which an object is sent, 5MiB to 1GiB; the later ones of a "
               "large object are larger."),
      StoreKey("parts_in_flight", PartsKind(), &StoreSettings::parts_in_flight,
               "Parts of one object that are sent at once, while one more fills; all of them are "
               "held in limits.buffer_bytes."),
  };
}

std::vector<ConfigKey> ObjectKeys() {
  return {
      StoreKey(
          "storage_class", TextKind("text", ReadHeaderText), &StoreSettings::storage_class,
          "The storage class of every object: STANDARD_IA, ...; for azblob the access tier: Cool, "
          "... Empty: the bucket's."),
      StoreKey("encryption", TextKind("AES256 | aws:kms", ReadEncryption),
               &StoreSettings::encryption,
               "How the store encrypts what it keeps. Empty: as the bucket says."),
      StoreKey("kms_key_id", TextKind("text", ReadHeaderText), &StoreSettings::kms_key_id,
               "With aws:kms: the key. Empty: the account's."),
      StoreKey("cache_control", TextKind("text", ReadHeaderText), &StoreSettings::cache_control,
               "Cache-Control of every object."),
      StoreKey("content_disposition", TextKind("text", ReadHeaderText),
               &StoreSettings::content_disposition, "Content-Disposition of every object."),
  };
}

}  // namespace

std::vector<ConfigKey> StoreKeys() {
  std::vector<ConfigKey> keys;
  for (auto* group : {&PlaceKeys, &CredentialKeys, &AzureKeys, &TransferKeys, &ObjectKeys}) {
    for (ConfigKey& key : group()) keys.push_back(std::move(key));
  }
  return keys;
}

}  // namespace fetchd::app
