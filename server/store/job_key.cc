#include "store/job_key.h"

#include <string>
#include <utility>

#include "base/secret.h"
#include "base/strings.h"
#include "store/data_files.h"

namespace fetchd::store {
namespace {

std::string SourceOf(const SqliteConfig& config) {
  return config.keys ? config.keys_from : Concat("the key file ", config.key_file.native());
}

/// Credentials that none of `keys` opens are an error; null stands for no keys at all.
absl::Status CheckOpensAll(Database& database, const KeyRing* keys, const std::string& source) {
  Query query(database,
              "SELECT key_id, count(*), min(id) FROM jobs WHERE sealed IS NOT NULL"
              " AND key_id IS NOT NULL GROUP BY key_id");
  while (true) {
    ASSIGN_OR_RETURN(const bool found, query.Step());
    if (!found) return absl::OkStatus();
    const std::string key_id = query.Text(0);
    if (keys != nullptr && keys->Has(key_id)) continue;
    return absl::FailedPreconditionError(Concat(
        query.Int(1), " stored jobs, such as jobs/", query.Text(2),
        ", have credentials sealed with the key ", key_id, ", which ", source,
        keys == nullptr ? " should hold, but the file is missing" : " does not hold",
        "; add that key behind the first one, restore it from a backup, or remove the job database "
        "with it"));
  }
}

absl::StatusOr<bool> IsAnySealedWithAnother(Database& database, const std::string& key_id) {
  for (const char* sql : {"SELECT 1 FROM jobs WHERE key_id < ?1 ORDER BY key_id LIMIT 1",
                          "SELECT 1 FROM jobs WHERE key_id > ?1 ORDER BY key_id LIMIT 1"}) {
    Query query(database, sql, key_id);
    ASSIGN_OR_RETURN(const bool found, query.Step());
    if (found) return true;
  }
  return false;
}

}  // namespace

absl::StatusOr<KeyRing> ReadKeyFile(const std::filesystem::path& path) {
  ASSIGN_OR_RETURN(std::string text, ReadPrivateFile(path, KeyRing::kMaxTextBytes + 1));
  const CleansedAtEnd end(text);
  absl::StatusOr<KeyRing> keys = KeyRing::Parse(text);
  if (keys.ok()) return keys;
  return absl::FailedPreconditionError(Concat("the key file ", path.native(), ": ",
                                              MessageOf(keys.status()),
                                              "; restore it from a backup"));
}

absl::StatusOr<KeyRing> CreateKeyFile(const std::filesystem::path& path) {
  ASSIGN_OR_RETURN(const Secret key, NewKey());
  RETURN_IF_ERROR(CreateFile(path, Base64Encode(key.Reveal()) + '\n'));  // A line, to add others.
  return KeyRing(Sealer(key.Reveal()));
}

absl::Status AdoptSharedKeys(Database& database, const KeyRing& keys, const std::string& source,
                             const ResealingCalls& calls) {
  ASSIGN_OR_RETURN(const std::string sealed_with, LoadSealedWith(database));
  ASSIGN_OR_RETURN(const bool others, IsAnySealedWithAnother(database, keys.key_id()));
  if (!others && sealed_with == keys.key_id()) return absl::OkStatus();
  RETURN_IF_ERROR(CheckOpensAll(database, &keys, source));
  return SealAnew(database, keys, calls);
}

absl::StatusOr<KeyRing> OpenKeys(Database& database, const SqliteConfig& config) {
  ASSIGN_OR_RETURN(const std::string sealed_with, LoadSealedWith(database));
  absl::StatusOr<KeyRing> keys = config.keys ? *config.keys : ReadKeyFile(config.key_file);
  if (!keys.ok() && !absl::IsNotFound(keys.status())) return keys.status();
  if (keys.ok() && keys->key_id() == sealed_with) return keys;

  RETURN_IF_ERROR(CheckOpensAll(database, keys.ok() ? &*keys : nullptr, SourceOf(config)));
  if (!keys.ok()) keys = CreateKeyFile(config.key_file);
  RETURN_IF_ERROR(keys.status());
  RETURN_IF_ERROR(SealAnew(database, *keys, {config.on_sealing_anew, config.stop_asked}));
  return keys;
}

}  // namespace fetchd::store
