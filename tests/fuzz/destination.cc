// Where bodies go to, and objects that they come from: what is taken stays beneath its root, and
// reads back to itself.
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "base/object_uri.h"
#include "base/strings.h"
#include "base/url.h"
#include "sink/destinations.h"

namespace {

using fetchd::sink::Destination;

void CheckPath(std::string_view path) {
  FETCHD_CHECK(!path.empty() && !path.starts_with('/') && !fetchd::HasControl(path));
  for (std::string_view rest = path; !rest.empty();) {
    const std::string_view segment = rest.substr(0, rest.find('/'));
    FETCHD_CHECK(!segment.empty() && segment != "." && segment != "..");
    rest.remove_prefix(std::min(segment.size() + 1, rest.size()));
  }
}

void CheckDestination(const absl::StatusOr<Destination>& destination) {
  if (!destination.ok()) {
    FETCHD_CHECK(absl::IsInvalidArgument(destination.status()));
    return;
  }
  if (destination->kind == Destination::Kind::kFile) CheckPath(destination->path);
  const auto again = fetchd::sink::ParseResolvedDestination(destination->ToString());
  FETCHD_CHECK(again.ok() && again->ToString() == destination->ToString());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // The first line is the destination, the rest the URL that its placeholders speak of.
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::string_view text = input.substr(0, input.find('\n'));
  const std::string_view url_text =
      text.size() == input.size() ? "https://h.test/a/b" : input.substr(text.size() + 1);
  static const auto job = *fetchd::JobId::Parse("01h2xcejqtf2nbrexx3vqjhp41");
  const fetchd::WallTime created_at{std::chrono::seconds(1'800'000'000)};

  if (const auto url = fetchd::Url::ParseSource(url_text, {}); url.ok()) {
    CheckDestination(fetchd::sink::ParseDestination(text, *url, job, created_at));
  }
  CheckDestination(fetchd::sink::ParseResolvedDestination(text));
  if (const auto object = fetchd::ParseObjectUri(text); object.ok() && *object) {
    const auto again = fetchd::ParseObjectUri((*object)->ToString());
    FETCHD_CHECK(again.ok() && *again == *object);
    FETCHD_CHECK(!(*object)->bucket.empty() && !(*object)->key.empty());
    FETCHD_CHECK(!fetchd::HasControl((*object)->key));
  }
  if (const auto bucket = fetchd::ParseBucketUri(text); bucket.ok() && *bucket) {
    FETCHD_CHECK((*bucket)->key.empty());
  }
  return 0;
}
