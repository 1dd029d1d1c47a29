// A PostgreSQL server on loopback, for tests.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "support/process.h"

namespace fetchd::testing {

/// Its data are in a temporary folder and need not be safe. It refuses root: then it runs as
/// nobody. CHECKs that it came up. Takes some seconds: one for all tests of a program, each with a
/// database of its own.
class Postgres {
 public:
  static Postgres& Shared();
  Postgres();
  ~Postgres();
  Postgres(const Postgres&) = delete;
  Postgres& operator=(const Postgres&) = delete;

  /// A new database, as far as those who use it can tell (a schema of its own), and its URL.
  std::string MakeDatabase();
  /// What psql says to `sql`, in the database of `url`: rows, columns between "|".
  std::string Query(const std::string& url, const std::string& sql) const;

  /// Ends it at once, as a crash of the server would; its data stay.
  void Stop();
  void Start();

 private:
  std::string Url(const std::string& database) const;
  /// With what it takes to be another user before it.
  static std::vector<std::string> AsUser(std::vector<std::string> argv);

  TempFolder folder_;
  std::uint16_t port_;
  int databases_ = 0;
  std::unique_ptr<Process> server_;
};

}  // namespace fetchd::testing
