#include "support/swift.h"

#include <sys/xattr.h>

#include <chrono>
#include <vector>

#include "base/check.h"

namespace fetchd::testing {

bool Swift::CanRun() {
  const TempFolder folder;
  return setxattr(folder.path().c_str(), "user.fetchd", "1", 1, 0) == 0;
}

Swift& Swift::Shared() {
  static Swift shared;
  return shared;
}

Swift::Swift() : port_(FreePort()) {
  // That of the system: Swift is a package of it.
  std::vector<std::string> argv = {"/usr/bin/python3", FETCHD_SWIFT_SERVER,
                                   folder_.path().string()};
  for (const std::uint16_t port : {port_, FreePort(), FreePort(), FreePort()}) {
    argv.push_back(std::to_string(port));
  }
  argv.emplace_back(kAccessKey);
  argv.emplace_back(kSecretKey);
  process_ = std::make_unique<Process>(std::move(argv), folder_.path() / "swift.out");
  FETCHD_CHECK(WaitForListener(port_, std::chrono::minutes(1)));
}

}  // namespace fetchd::testing
