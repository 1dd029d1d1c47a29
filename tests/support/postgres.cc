#include "support/postgres.h"

#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <vector>

#include "base/check.h"

namespace fetchd::testing {
namespace {

constexpr std::chrono::minutes kPostgresComesUp{
    2};  // On a machine that is busy; else it takes a second.
constexpr char kPrograms[] = "/usr/lib/postgresql/15/bin/";
constexpr char kNobody[] = "65534";

std::string RunToEnd(std::vector<std::string> argv, const std::filesystem::path& output) {
  std::filesystem::remove(output);
  Process process(std::move(argv), output);
  const auto code = process.Wait(kPostgresComesUp);
  FETCHD_CHECK(code.has_value());
  std::string text = process.Output();
  while (text.ends_with('\n')) text.pop_back();
  return text;
}

}  // namespace

Postgres& Postgres::Shared() {
  static Postgres shared;
  return shared;
}

std::vector<std::string> Postgres::AsUser(std::vector<std::string> argv) {
  if (geteuid() != 0) return argv;
  std::vector<std::string> all = {"setpriv", std::string("--reuid=") + kNobody,
                                  std::string("--regid=") + kNobody, "--clear-groups",
                                  "--pdeathsig=QUIT"};
  all.insert(all.end(), argv.begin(), argv.end());
  return all;
}

Postgres::Postgres() : port_(FreePort()) {
  const std::filesystem::path home = folder_.path() / "pg";
  std::filesystem::create_directory(home);
  if (geteuid() == 0) {
    FETCHD_CHECK(chmod(folder_.path().c_str(), 0711) == 0);
    FETCHD_CHECK(chown(home.c_str(), 65534, 65534) == 0);
  }
  RunToEnd(AsUser({std::string(kPrograms) + "initdb", "-D", home / "data", "-U", "test", "-A",
                   "trust", "--no-sync", "-E", "UTF8", "--locale=C"}),
           folder_.path() / "initdb.log");
  Start();
}

Postgres::~Postgres() { Stop(); }

void Postgres::Start() {
  const std::filesystem::path home = folder_.path() / "pg";
  std::vector<std::string> argv = {std::string(kPrograms) + "postgres", "-D", home / "data", "-k",
                                   home};
  for (const std::string& setting :
       {std::string("listen_addresses=127.0.0.1"), "port=" + std::to_string(port_),
        std::string("fsync=off"), std::string("full_page_writes=off"),
        std::string("shared_buffers=32MB"), std::string("max_connections=60"),
        std::string("autovacuum=off")}) {
    argv.emplace_back("-c");
    argv.push_back(setting);
  }
  server_ = std::make_unique<Process>(AsUser(std::move(argv)), folder_.path() / "server.log");
  FETCHD_CHECK(WaitForListener(port_, kPostgresComesUp));
  // It accepts connections before it serves them.
  while (Query(Url("postgres"), "SELECT 1") != "1") {
  }
}

void Postgres::Stop() {
  if (server_ == nullptr) return;
  server_->Signal(SIGQUIT);
  FETCHD_CHECK(server_->Wait(kPostgresComesUp).has_value());
  server_.reset();
}

std::string Postgres::Url(const std::string& database) const {
  return "postgres://test@127.0.0.1:" + std::to_string(port_) + "/" + database;
}

std::string Postgres::MakeDatabase() {
  const std::string name = "test" + std::to_string(++databases_);
  FETCHD_CHECK(Query(Url("postgres"), "CREATE SCHEMA " + name) == "CREATE SCHEMA");
  return Url("postgres") + "?options=-csearch_path%3D" + name;
}

std::string Postgres::Query(const std::string& url, const std::string& sql) const {
  return RunToEnd({std::string(kPrograms) + "psql", "-X", "-A", "-t", "-d", url, "-c", sql},
                  folder_.path() / "psql.out");
}

}  // namespace fetchd::testing
