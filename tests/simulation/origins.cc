#include "simulation/origins.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

#include "base/http_date.h"
#include "base/strings.h"

namespace fetchd::simulation {
namespace {

using namespace std::chrono_literals;
using testing::BodyStep;
using testing::FakeAnswer;

// The origins' clocks go right, whatever becomes of ours.
constexpr WallTime kOriginsBegan = WallTime(std::chrono::hours(24 * 365 * 55));

constexpr int kFreshDates = 4;  // Of Resource::validators.

std::string HeaderOf(const http::Request& request, std::string_view name) {
  for (const http::Header& header : request.headers) {
    if (EqualsIgnoreCase(header.name, name)) return header.value;
  }
  return "";
}

std::optional<ByteRange> ParseRange(std::string_view value) {
  if (!value.starts_with("bytes=")) return std::nullopt;
  value.remove_prefix(6);
  ByteRange range;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), range.first);
  if (error != std::errc()) return std::nullopt;
  const std::string_view last(end + 1, value.data() + value.size());
  std::uint64_t last_byte = 0;
  const auto parsed = std::from_chars(last.data(), last.data() + last.size(), last_byte);
  if (parsed.ec == std::errc()) range.last = last_byte;
  return range;
}

}  // namespace

std::string ResourceOf(const Url& url) { return url.origin().ToString() + std::string(url.path()); }

Weather Weather::Of(Dice& dice) {
  Weather weather;
  constexpr std::array<double, 5> kShares = {0, 0, 0.05, 0.2, 0.5};
  for (double* share : {&weather.refused, &weather.no_head, &weather.status, &weather.pushback,
                        &weather.redirected, &weather.range_ignored, &weather.range_wrong,
                        &weather.unsatisfiable, &weather.reset, &weather.short_body, &weather.stall,
                        &weather.slow, &weather.chunked, &weather.bare, &weather.change}) {
    *share = dice.Pick(kShares);
  }
  // Half of what is asked for succeeds at last, or nothing else would ever be tried.
  weather.refused /= 2;
  weather.no_head /= 2;
  weather.status /= 2;
  return weather;
}

Origins::Origins(const Clock& clock, Dice& dice, Trace& trace, Weather weather)
    : clock_(clock), dice_(dice), trace_(trace), weather_(weather) {}

std::string Origins::Date() const {
  return FormatHttpDate(kOriginsBegan + std::chrono::duration_cast<WallTime::duration>(
                                            clock_.Now().time_since_epoch()));
}

Origins::Resource& Origins::Open(const std::string& name) {
  const auto [entry, first] = resources_.try_emplace(name);
  if (first) {
    entry->second.validators = static_cast<int>(dice_.Below(6));
    AddVersion(entry->second);
  }
  return entry->second;
}

void Origins::AddVersion(Resource& resource) {
  // The last one is more than a buffer: it may be read in pieces.
  constexpr std::array<std::size_t, 7> kSizes = {0, 1, 100, 700, 3000, 9000, 600'000};
  const std::size_t size = resource.versions.empty() || dice_.Chance(0.5)
                               ? dice_.Pick(kSizes) + dice_.Below(200)
                               : resource.versions.back().bytes.size();
  const std::size_t number = resource.versions.size() + 1;
  Version version;
  version.bytes.resize(size);
  for (std::size_t at = 0; at < size; at += sizeof(std::uint64_t)) {
    const std::uint64_t some = dice_.random()();
    std::memcpy(version.bytes.data() + at, &some, std::min(sizeof some, size - at));
  }
  // Each names itself, so that no two are equal but the empty ones.
  const std::string name = Concat(number, '.');
  version.bytes.replace(0, std::min(size, name.size()), name.substr(0, size));
  const int kind = resource.validators;
  if (kind <= 1) version.etag = Concat("\"v", number, '"');
  if (kind == 2) version.etag = Concat("W/\"v", number, '"');
  if (kind == 1 || kind == 3) {
    version.last_modified =
        FormatHttpDate(kOriginsBegan - std::chrono::hours(1000) + std::chrono::hours(number));
  }
  if (kind == kFreshDates) version.last_modified = Date();  // Strong only after a while.
  resource.versions.push_back(std::move(version));
  resource.current = resource.versions.size() - 1;
}

void Origins::Change(const std::string& name) {
  Resource& resource = Open(name);
  // Of one whose dates are of its changes a date may be that of two: a third would be its own
  // doing.
  const bool again = resource.versions.size() > 1 && resource.validators != kFreshDates;
  if (again && dice_.Chance(0.4)) {
    resource.current = dice_.Below(resource.versions.size());
  } else {
    AddVersion(resource);
  }
  trace_.Note(name, " has version ", resource.current + 1, " of ",
              resource.versions[resource.current].bytes.size(), " bytes");
}

const Version& Origins::Current(const std::string& name) {
  const Resource& resource = Open(name);
  return resource.versions[resource.current];
}

std::vector<const Version*> Origins::VersionsFor(const jobs::FetchSpec& spec) {
  std::vector<const Version*> all;
  const auto add = [&](const std::string& name) {
    for (const Version& version : Open(name).versions) all.push_back(&version);
  };
  for (const std::string& url : spec.urls) {
    const std::string name = ResourceOf(*Url::Parse(url));
    const std::size_t slash = name.rfind('/');
    add(name);
    if (name[slash + 1] != 'r') continue;
    add(name.substr(0, slash) + "/a" + name.substr(slash + 2));
    add(name.substr(0, slash) + "/b" + name.substr(slash + 2));
  }
  return all;
}

// What comes instead of an answer about the resource.
std::optional<FakeAnswer> Origins::Refusal(const http::Request& request) {
  FakeAnswer answer;
  if (dice_.Chance(weather_.refused)) {
    answer.error = absl::UnavailableError("connection refused");
    return answer;
  }
  if (dice_.Chance(weather_.no_head)) {
    const bool silent = dice_.Chance(0.5);
    answer.head_wait = silent ? kPatience : dice_.Between(1ms, Duration(1s));
    answer.error = silent ? absl::DeadlineExceededError("first byte")
                          : absl::UnavailableError("reset before the head");
    return answer;
  }
  if (dice_.Chance(weather_.pushback)) {
    answer.status = dice_.Chance(0.5) ? 429 : 503;
    if (dice_.Chance(0.8)) answer.headers.emplace_back("Retry-After", Concat(dice_.Below(20)));
    return answer;
  }
  if (dice_.Chance(weather_.status)) {
    constexpr std::array<int, 8> kStatuses = {500, 502, 503, 504, 408, 404, 403, 416};
    answer.status = dice_.Pick(kStatuses);
    answer.content_length = 3;
    answer.body = {BodyStep::Bytes("no.")};
    return answer;
  }
  if (request.url.path().starts_with("/r")) return Redirect(request);
  return std::nullopt;
}

FakeAnswer Origins::Redirect(const http::Request& request) {
  FakeAnswer answer;
  answer.status = 302;
  answer.content_length = 0;
  const std::string rest(request.url.path().substr(2));
  answer.headers.emplace_back("Location", (dice_.Chance(0.5) ? "/a" : "/b") + rest);
  return answer;
}

FakeAnswer Origins::Whole(const Version& version, bool bare) {
  FakeAnswer answer;
  if (!bare && !version.etag.empty()) answer.headers.emplace_back("ETag", version.etag);
  if (!bare && !version.last_modified.empty()) {
    answer.headers.emplace_back("Last-Modified", version.last_modified);
  }
  answer.headers.emplace_back("Date", Date());
  if (!dice_.Chance(weather_.chunked)) answer.content_length = version.bytes.size();
  return answer;
}

FakeAnswer Origins::Part(const Version& version, ByteRange range) {
  FakeAnswer answer = Whole(version, dice_.Chance(weather_.bare));
  const std::uint64_t size = version.bytes.size();
  std::uint64_t first = range.first;
  std::uint64_t last = std::min(range.last.value_or(size - 1), size - 1);
  std::uint64_t complete = size;
  if (dice_.Chance(weather_.range_wrong)) {  // It is not what was asked for, and says so.
    const auto kind = dice_.Below(3);
    if (kind == 0) first = first > 0 ? first - 1 : 0;
    if (kind == 1) complete += 1;
    if (kind == 2) last = std::max(first, last - std::min<std::uint64_t>(last, 1));
  }
  answer.status = 206;
  answer.headers.emplace_back(
      "Content-Range", dice_.Chance(0.1) ? Concat("bytes ", first, '-', last, "/*")
                                         : Concat("bytes ", first, '-', last, '/', complete));
  if (answer.content_length) answer.content_length = last - first + 1;
  answer.body = {BodyStep::Bytes(version.bytes.substr(first, last - first + 1))};
  return answer;
}

Origins::Wanted Origins::WantedBy(const http::Request& request, const Version& version) {
  Wanted wanted{ParseRange(HeaderOf(request, "Range")), true};
  const std::string condition = HeaderOf(request, "If-Range");
  if (condition.empty()) return wanted;
  const bool tag = condition.front() == '"';
  wanted.if_range_holds = condition == (tag ? version.etag : version.last_modified);
  return wanted;
}

FakeAnswer Origins::Answer(const http::Request& request) {
  const std::string name = ResourceOf(request.url);
  if (auto refusal = Refusal(request)) {
    trace_.Note(request.method, ' ', name, " -> ", refusal->status, ' ', MessageOf(refusal->error));
    return *std::move(refusal);
  }
  Open(name);
  if (dice_.Chance(weather_.change)) Change(name);
  const Version& version = Current(name);
  const Wanted wanted = WantedBy(request, version);
  const bool ranged = wanted.range && wanted.if_range_holds && request.method == "GET" &&
                      !dice_.Chance(weather_.range_ignored);
  FakeAnswer answer;
  if (ranged &&
      (wanted.range->first >= version.bytes.size() || dice_.Chance(weather_.unsatisfiable / 4))) {
    answer = Whole(version);
    answer.status = 416;
    answer.content_length = 0;
    answer.headers.emplace_back("Content-Range", Concat("bytes */", version.bytes.size()));
  } else if (ranged) {
    answer = Part(version, *wanted.range);
  } else {
    answer = Whole(version);
    answer.body = {BodyStep::Bytes(version.bytes)};
  }
  if (dice_.Chance(weather_.slow)) answer.head_wait = dice_.Between(1ms, Duration(1500ms));
  trace_.Note(request.method, ' ', name, ' ', HeaderOf(request, "Range"), " If-Range ",
              HeaderOf(request, "If-Range"), " -> ", answer.status, " of ", version.etag, ' ',
              version.last_modified, ", ", version.bytes.size(), " bytes");
  if (request.method == "HEAD" || answer.status == 416) return answer;
  const std::string bytes = std::move(answer.body.front().bytes);
  FillBody(name, bytes, answer);
  return answer;
}

// In some pieces, which come when they come, until something happens.
void Origins::FillBody(const std::string& resource, const std::string& bytes, FakeAnswer& answer) {
  answer.body.clear();
  std::optional<std::size_t> cut;
  absl::Status error;
  if (dice_.Chance(weather_.reset)) {
    error = absl::UnavailableError("connection reset");
  } else if (dice_.Chance(weather_.short_body)) {
    error = absl::DataLossError("the body is short");
  } else if (dice_.Chance(weather_.stall)) {
    error = absl::DeadlineExceededError("read idle");
  }
  if (!error.ok()) cut = dice_.Below(bytes.size() + 1);
  const std::size_t end = cut.value_or(bytes.size());
  for (std::size_t at = 0; at < end;) {
    constexpr std::size_t kMost = 50'000;
    const std::size_t most = std::min(1 + bytes.size() / 2, kMost);
    const std::size_t size = std::min(end - at, 1 + dice_.Below(most));
    if (dice_.Chance(weather_.slow)) {
      answer.body.push_back(BodyStep::Wait(dice_.Between(1ms, Duration(1s))));
    }
    if (dice_.Chance(weather_.change / 4)) {  // Those who read it already go on with the old one.
      answer.body.push_back(BodyStep::Call([this, resource] { Change(resource); }));
    }
    answer.body.push_back(BodyStep::Bytes(bytes.substr(at, size)));
    at += size;
  }
  if (error.ok()) return;
  if (absl::IsDeadlineExceeded(error)) answer.body.push_back(BodyStep::Wait(kPatience));
  trace_.Note("  cut after ", end, " bytes: ", MessageOf(error));
  answer.body.push_back(BodyStep::Error(std::move(error)));
}

}  // namespace fetchd::simulation
