#include "support/azurite.h"

#include <chrono>
#include <cstdlib>
#include <vector>

#include "base/check.h"

namespace fetchd::testing {
namespace {

std::string VariableOr(const char* name, const std::string& otherwise) {
  const char* const value = std::getenv(name);
  return value == nullptr || *value == '\0' ? otherwise : value;
}

std::filesystem::path AzuriteProgram() {
  return Azurite::Folder() / "node_modules/azurite/dist/src/blob/main.js";
}

}  // namespace

// As scripts/install-deps has it.
std::filesystem::path Azurite::Folder() {
  const std::string cache = VariableOr("XDG_CACHE_HOME", VariableOr("HOME", "/root") + "/.cache");
  return std::filesystem::path(cache) / "fetchd/azurite-3.35.0";
}

bool Azurite::IsInstalled() { return std::filesystem::exists(Folder() / "installed"); }

Azurite& Azurite::Shared() {
  static Azurite shared;
  return shared;
}

Azurite::Azurite()
    : authority_(folder_.path()),
      identity_(authority_.Issue("azurite", {"DNS:localhost", "IP:127.0.0.1"})),
      http_port_(FreePort()),
      https_port_(FreePort()) {
  http_ = Start("http", http_port_, {});
}

std::unique_ptr<Process> Azurite::Start(const std::string& name, std::uint16_t port,
                                        const std::vector<std::string>& more) const {
  std::vector<std::string> argv = {
      "env", std::string("AZURITE_ACCOUNTS=") + kAccount + ":" + kAccountKey, "node"};
  for (const std::string& word :
       {AzuriteProgram().string(), std::string("--inMemoryPersistence"),
        std::string("--disableTelemetry"), std::string("--silent"), std::string("--blobHost"),
        std::string("127.0.0.1"), std::string("--blobPort"), std::to_string(port)}) {
    argv.push_back(word);
  }
  argv.insert(argv.end(), more.begin(), more.end());
  auto process = std::make_unique<Process>(std::move(argv), folder_.path() / (name + ".out"));
  FETCHD_CHECK(WaitForListener(port, std::chrono::minutes(1)));
  return process;
}

std::string Azurite::HttpUrl() const {
  return "http://127.0.0.1:" + std::to_string(http_port_) + "/" + kAccount;
}
std::string Azurite::HttpsUrl() {
  if (https_ == nullptr) {
    https_ = Start("https", https_port_,
                   {"--cert", identity_.certificate.string(), "--key", identity_.key.string()});
  }
  return "https://localhost:" + std::to_string(https_port_) + "/" + kAccount;
}

}  // namespace fetchd::testing
