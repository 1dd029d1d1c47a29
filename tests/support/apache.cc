#include "support/apache.h"

#include <openssl/evp.h>

#include <array>
#include <cstdio>

#include "base/check.h"

namespace fetchd::testing {
namespace {

constexpr char kRealm[] = "members of the house";

std::string Md5Hex(const std::string& text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> hash;
  unsigned size = 0;
  FETCHD_CHECK(EVP_Digest(text.data(), text.size(), hash.data(), &size, EVP_md5(), nullptr) == 1);
  std::string hex;
  for (unsigned i = 0; i < size; ++i) {
    char digits[3];
    std::snprintf(digits, sizeof digits, "%02x", hash[i]);
    hex += digits;
  }
  return hex;
}

/// The server gives up root for a user that has to read all of it.
void MakeReadable(const std::filesystem::path& folder) {
  std::filesystem::permissions(folder, std::filesystem::perms(0755));
}

}  // namespace

Apache::Apache() : root_(folder_.path() / "www"), port_(FreePort()) {
  std::filesystem::create_directories(root_ / "next");
  for (const auto& folder : {folder_.path(), root_, root_ / "next"}) MakeReadable(folder);
  const std::string login = std::string(kUser) + ":" + kRealm;
  WriteFile(folder_.path() / "htdigest", login + ":" + Md5Hex(login + ":" + kPassword) + "\n");
  WriteFile(folder_.path() / "apache.conf", Configuration());
  Start();
}

void Apache::Start() {
  // -X: one process, so that ending it leaves no worker behind.
  process_ = std::make_unique<Process>(
      std::vector<std::string>{"apache2", "-X", "-f", (folder_.path() / "apache.conf").string()},
      folder_.path() / "apache.out");
  FETCHD_CHECK(WaitForListener(port_, std::chrono::seconds(10)));
}

void Apache::Restart() {
  process_.reset();
  Start();
}

std::string Apache::Url(std::string_view target) const {
  return "http://127.0.0.1:" + std::to_string(port_) + std::string(target);
}

std::string Apache::Configuration() const {
  const std::string folder = folder_.path().string();
  std::string text = "ServerName 127.0.0.1\nServerRoot " + folder + "\nDefaultRuntimeDir " +
                     folder + "\nPidFile " + folder + "/apache.pid\nErrorLog " + folder +
                     "/error.log\nListen 127.0.0.1:" + std::to_string(port_) +
                     "\nUser nobody\nGroup nogroup\n";
  for (const char* module :
       {"mpm_event", "authn_core", "authn_file", "authz_core", "authz_user", "auth_digest"}) {
    text += "LoadModule " + std::string(module) + "_module /usr/lib/apache2/modules/mod_" + module +
            ".so\n";
  }
  text += "LogFormat \"%m %U %>s\" test\nCustomLog " + folder + "/access.log test\n";
  text += "DocumentRoot " + root_.string() + "\n<Location />\n  AuthType Digest\n  AuthName \"" +
          kRealm + "\"\n  AuthDigestProvider file\n  AuthUserFile " + folder +
          "/htdigest\n  AuthDigestNonceLifetime -1\n  Require valid-user\n</Location>\n";
  text += "<Location /next>\n  AuthDigestNonceLifetime 0\n</Location>\n";
  return text;
}

}  // namespace fetchd::testing
