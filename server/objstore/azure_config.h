// How a container of Azure Blob Storage is reached, and whose the requests are.
#pragma once

#include <optional>
#include <string>

#include "base/secret.h"
#include "base/url.h"
#include "objstore/object_text.h"
#include "objstore/store_requests.h"

namespace fetchd::objstore {

struct AzureConfig {
  std::string name;     ///< For messages.
  std::string account;  ///< Of storage: it is part of signatures, and of the default endpoint.
  /// Absent: https://<account>.blob.core.windows.net. A path in it is kept in front: an emulator's
  /// has the account there.
  std::optional<Url> endpoint;
  std::string tls_profile;
  std::string proxy;         ///< As in http::Request.
  bool content_md5 = false;  ///< Content-MD5 with each body.
  StoreTiming timing;
};

/// One of the two.
struct AzureAccess {
  Secret account_key;  ///< Decoded: signs each request.
  Secret sas_token;    ///< A query, without '?': part of each URL.
};

/// INVALID_ARGUMENT that repeats nothing of `text`: not Base64.
absl::StatusOr<AzureAccess> AccountKeyAccess(const Secret& text);
/// A '?' in front is left out. INVALID_ARGUMENT that repeats nothing of `text`: no signature in it,
/// or characters that no query has.
absl::StatusOr<AzureAccess> SasTokenAccess(const Secret& text);

/// INVALID_ARGUMENT: no account's name, an endpoint with a query.
absl::Status Check(const AzureConfig& config);

/// "https://<account>.blob.core.windows.net".
absl::StatusOr<Url> AzureEndpoint(const std::string& account);

/// `query` is encoded, without '?'. INVALID_ARGUMENT: not a container's name, or a blob's that the
/// service would not keep as it is: it resolves dot segments, drops dots at the end of a segment
/// and turns '\' into '/'.
absl::StatusOr<Url> AzureUrlFor(const AzureConfig& config, const std::string& container,
                                const std::string& key, const std::string& query);

/// The part of that which is about the blob's name.
absl::Status CheckBlobName(const std::string& key);

}  // namespace fetchd::objstore
