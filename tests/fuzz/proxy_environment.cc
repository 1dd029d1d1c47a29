// Proxies as the environment describes them.
#include "app/proxy_environment.h"

#include <fuzzer/FuzzedDataProvider.h>

#include <string>

#include "base/check.h"
#include "base/strings.h"
#include "http/no_proxy.h"

namespace {

void CheckUsable(const fetchd::net::ProxyPtr& proxy) {
  if (proxy == nullptr) return;
  FETCHD_CHECK(!proxy->host.empty() && proxy->port != 0);
  FETCHD_CHECK(proxy->host.find_first_of("\r\n \t/@") == std::string::npos);
  FETCHD_CHECK(fetchd::net::CheckCredentials(*proxy).ok());
  FETCHD_CHECK(!fetchd::HasControl(proxy->Authorization().Reveal()));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FuzzedDataProvider input(data, size);
  const std::string proxy = input.ConsumeRandomLengthString();
  const std::string no_proxy = input.ConsumeRemainingBytesAsString();

  const auto read =
      fetchd::app::ReadProxyEnvironment({"https_proxy=" + proxy, "NO_PROXY=" + no_proxy});

  CheckUsable(read.for_https);
  FETCHD_CHECK(read.for_http == nullptr);
  FETCHD_CHECK(proxy.empty() || (read.for_https == nullptr) != read.errors.empty());
  // What has no meaning is left out: the rest is a list.
  FETCHD_CHECK(fetchd::http::NoProxyList::Create(read.no_proxy).ok());
  return 0;
}
