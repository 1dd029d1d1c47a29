#include "support/proxies.h"

#include <poll.h>

#include <system_error>
#include <vector>

#include "base/check.h"

namespace fetchd::testing {
namespace {

using std::chrono::seconds;

/// kProxyUser and kProxyPassword, as `openssl passwd -apr1` writes them.
constexpr char kPasswordFile[] = "me:$apr1$fetchdte$nps4.kZbvHL63qxO0o0as1\n";

}  // namespace

Squid::Squid(bool wants_password)
    : authority_(folder_.path()),
      identity_(authority_.Issue("proxy", {"DNS:localhost", "IP:127.0.0.1"})),
      http_port_(FreePort()),
      https_port_(FreePort()),
      name_("fetchdtest" + std::to_string(http_port_)) {
  // Started by root it becomes nobody, who has to read and write here as well.
  std::filesystem::permissions(folder_.path(), std::filesystem::perms(0777));
  std::filesystem::permissions(identity_.key, std::filesystem::perms(0644));
  WriteFile(folder_.path() / "users", kPasswordFile);
  const std::filesystem::path configuration = folder_.path() / "squid.conf";
  WriteFile(configuration, Configuration(wants_password));
  process_ = std::make_unique<Process>(
      std::vector<std::string>{"squid", "-N", "-n", name_, "-f", configuration.string()},
      folder_.path() / "squid.out");
  FETCHD_CHECK(WaitForListener(http_port_, seconds(20)));
  FETCHD_CHECK(WaitForListener(https_port_, seconds(20)));
}

Squid::~Squid() {
  process_.reset();
  // What it shares with the workers that it does not have.
  for (const auto& file : std::filesystem::directory_iterator("/dev/shm")) {
    std::error_code ignored;
    if (file.path().filename().string().starts_with(name_ + "-")) {
      std::filesystem::remove(file.path(), ignored);
    }
  }
}

std::string Squid::Configuration(bool wants_password) const {
  const std::string folder = folder_.path().string();
  std::string text = "http_port 127.0.0.1:" + std::to_string(http_port_) + "\n";
  text += "https_port 127.0.0.1:" + std::to_string(https_port_) +
          " tls-cert=" + identity_.certificate.string() + " tls-key=" + identity_.key.string() +
          "\n";
  text += "visible_hostname squid.test\ncache_effective_user nobody\n";
  text += "pid_filename " + folder + "/squid.pid\ncoredump_dir " + folder + "\n";
  text += "cache_log " + folder + "/cache.log\n";
  text += "logformat test %>a %Ss/%03>Hs %rm %ru %un\n";
  text += "access_log stdio:" + folder + "/access.log test\n";
  text += "cache deny all\ncache_mem 8 MB\nshutdown_lifetime 0 seconds\npinger_enable off\n";
  text += "sslproxy_session_cache_size 0\n";
  text += "acl forbidden dst 127.0.0.66\nhttp_access deny forbidden\n";
  if (wants_password) {
    text += "auth_param basic program /usr/lib/squid/basic_ncsa_auth " + folder + "/users\n";
    text += "auth_param basic children 1\nacl known proxy_auth REQUIRED\n";
    text += "http_access allow known\nhttp_access deny all\n";
  } else {
    text += "http_access allow all\n";
  }
  return text;
}

Microsocks::Microsocks(bool wants_password) : port_(FreePort()) {
  std::vector<std::string> command = {"microsocks", "-i", "127.0.0.1", "-p", std::to_string(port_)};
  if (wants_password) command.insert(command.end(), {"-u", kProxyUser, "-P", kProxyPassword});
  process_ = std::make_unique<Process>(command, folder_.path() / "microsocks.out");
  FETCHD_CHECK(WaitForListener(port_, seconds(10)));
}

bool WaitForLog(const std::function<std::string()>& log, const std::string& text,
                std::chrono::milliseconds timeout) {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  while (log().find(text) == std::string::npos) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    poll(nullptr, 0, 10);  // Nothing signals that another process has written its log.
  }
  return true;
}

}  // namespace fetchd::testing
