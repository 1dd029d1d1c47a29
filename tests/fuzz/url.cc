// URLs as callers and redirects give them.
#include "base/url.h"

#include <fuzzer/FuzzedDataProvider.h>

#include <string>

#include "base/check.h"
#include "base/object_uri.h"

namespace {

void CheckReadsBack(const fetchd::Url& url) {
  const auto again = fetchd::Url::Parse(url.ToString());
  FETCHD_CHECK(again.ok() && *again == url);
  FETCHD_CHECK(!url.host().empty() && url.port() != 0 && url.target().starts_with('/'));
  FETCHD_CHECK(url.host_header().find_first_of("\r\n \t") == std::string::npos);
  FETCHD_CHECK(url.target().find_first_of("\r\n \t") == std::string::npos);
  FETCHD_CHECK(!url.basename().empty() && url.basename().find('/') == std::string::npos);
}

/// Of callers alone: an origin never leads to one.
void CheckObject(const fetchd::Url& url) {
  const auto again = fetchd::Url::ParseSource(url.ToString());
  FETCHD_CHECK(again.ok() && *again == url);
  FETCHD_CHECK(fetchd::Url::Of(url.object()) == url);
  FETCHD_CHECK(url.target().find_first_of("\r\n \t?#") == std::string::npos);
  FETCHD_CHECK(url.basename().find('/') == std::string::npos);
  FETCHD_CHECK(!fetchd::Url::Parse(url.ToString()).ok());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FuzzedDataProvider input(data, size);
  fetchd::UrlOptions options;
  if (input.ConsumeBool()) options.ipv4_forms = fetchd::Ipv4Forms::kWhatwg;
  const std::string text = input.ConsumeRandomLengthString();
  const std::string reference = input.ConsumeRemainingBytesAsString();

  const auto source = fetchd::Url::ParseSource(text, options);
  if (source.ok() && source->names_object()) CheckObject(*source);
  const auto url = fetchd::Url::Parse(text, options);
  if (!url.ok()) return 0;
  CheckReadsBack(*url);
  const auto resolved = url->Resolve(reference, options);
  if (resolved.ok()) CheckReadsBack(*resolved);
  return 0;
}
