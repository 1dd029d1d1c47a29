// Databases of jobs on a real PostgreSQL.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "store/postgres_store.h"
#include "support/postgres.h"
#include "support/store_harness.h"

namespace fetchd::store {

inline KeyRing TestKeys(char first = 'k') {
  return KeyRing(Sealer(std::string(Sealer::kKeyBytes, first)));
}

/// A database of its own.
class PostgresBackend final : public jobs::StoreBackend {
 public:
  explicit PostgresBackend(testing::Postgres& server = testing::Postgres::Shared())
      : url(server.MakeDatabase()) {}
  /// Of another one: a second process on it.
  explicit PostgresBackend(std::string shared_url) : url(std::move(shared_url)) {}

  absl::StatusOr<std::unique_ptr<jobs::Store>> Open(Clock& clock,
                                                    runtime::BlockingPool& /*pool*/) override {
    return PostgresStore::Open({.address = {url, {}},
                                .keys = keys,
                                .keys_from = "these keys",
                                .lease = lease,
                                .facts = {.host = "host", .version = "1.2.3"},
                                .on_clock = on_clock,
                                .commits = &commits},
                               clock);
  }

  std::string url;
  KeyRing keys = TestKeys();
  LeaseTime lease = std::chrono::seconds(30);
  std::function<void(Duration)> on_clock;
  CommitMeter commits;
};

}  // namespace fetchd::store
