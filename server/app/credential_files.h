// The secrets that the configuration names: read once, at the start.
#pragma once

#include "app/config.h"
#include "base/status.h"
#include "http/netrc.h"
#include "http/origin_rules.h"
#include "objstore/azure_config.h"
#include "objstore/credentials.h"

namespace fetchd::app {

/// A password or a token: all of the file at `path` but one line end. FAILED_PRECONDITION, naming
/// the path, when it cannot be read, is empty or larger than 1 MiB, or holds a control character.
absl::StatusOr<Secret> ReadSecretFile(const std::string& path);

/// All of a file that others than its owner and group cannot read, nor others than its owner write.
/// FAILED_PRECONDITION, naming the path, otherwise, and when it cannot be read or is larger than
/// 1 MiB.
absl::StatusOr<Secret> ReadPrivateFile(const std::string& path);

/// All of a file that says who may call. FAILED_PRECONDITION, naming the path, when it cannot be
/// read, is larger than 1 MiB, or can be written by others than its owner: they could let
/// themselves in.
absl::StatusOr<std::string> ReadGuardedFile(const std::string& path);

/// The rules of `config.origins`, with credentials. FAILED_PRECONDITION naming the key whose file
/// is of no use.
absl::StatusOr<http::OriginRules> ReadOriginRules(const Config& config);

/// The static keys of `stores.<name>`. FAILED_PRECONDITION naming the key whose file is of no use.
absl::StatusOr<objstore::AwsCredentials> ReadStoreKeys(const std::string& name,
                                                       const StoreSettings& store);

/// The account's key or the token of `stores.<name>`, whose type is azblob. FAILED_PRECONDITION
/// naming the key whose file is of no use.
absl::StatusOr<objstore::AzureAccess> ReadAzureAccess(const std::string& name,
                                                      const StoreSettings& store);

/// Empty when `path` is. FAILED_PRECONDITION when the file cannot be read or is no netrc file, and
/// when others than its owner and group may read it or others than its owner write it.
absl::StatusOr<http::Netrc> ReadNetrc(const std::string& path);

}  // namespace fetchd::app
