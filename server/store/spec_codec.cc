#include "store/spec_codec.h"

#include <stdexcept>
#include <utility>

#include "base/signed_url.h"
#include "store/json.h"
#include "store/object_codec.h"
#include "store/spec_secrets.h"

namespace fetchd::store {
namespace {

using jobs::BasicCredentials;
using jobs::BearerCredentials;
using jobs::Credentials;
using jobs::DigestCredentials;
using jobs::FetchSpec;
using jobs::Overwrite;
using jobs::RetryOverrides;
using jobs::TimeoutOverrides;

json::object TimeoutsToJson(const TimeoutOverrides& timeouts) {
  json::object object;
  PutOptional(object, "dns", timeouts.dns);
  PutOptional(object, "connect", timeouts.connect);
  PutOptional(object, "proxy", timeouts.proxy);
  PutOptional(object, "tls", timeouts.tls);
  PutOptional(object, "first_byte", timeouts.first_byte);
  PutOptional(object, "read_idle", timeouts.read_idle);
  PutOptional(object, "total", timeouts.total);
  return object;
}

TimeoutOverrides TimeoutsFromJson(const json::object& object) {
  TimeoutOverrides timeouts;
  timeouts.dns = GetOptional<Duration>(object, "dns");
  timeouts.connect = GetOptional<Duration>(object, "connect");
  timeouts.proxy = GetOptional<Duration>(object, "proxy");
  timeouts.tls = GetOptional<Duration>(object, "tls");
  timeouts.first_byte = GetOptional<Duration>(object, "first_byte");
  timeouts.read_idle = GetOptional<Duration>(object, "read_idle");
  timeouts.total = GetOptional<Duration>(object, "total");
  return timeouts;
}

json::object RetryToJson(const RetryOverrides& retry) {
  json::object object;
  PutOptional(object, "max_attempts", retry.max_attempts);
  PutOptional(object, "base_delay", retry.base_delay);
  PutOptional(object, "max_delay", retry.max_delay);
  return object;
}

RetryOverrides RetryFromJson(const json::object& object) {
  RetryOverrides retry;
  retry.max_attempts = GetOptional<int>(object, "max_attempts");
  retry.base_delay = GetOptional<Duration>(object, "base_delay");
  retry.max_delay = GetOptional<Duration>(object, "max_delay");
  return retry;
}

void PutCredentials(json::object& object, const FetchSpec& spec) {
  const Credentials& credentials = spec.credentials;
  PutText(object, "credentials_secret", spec.credentials_secret);
  if (const auto* basic = std::get_if<BasicCredentials>(&credentials)) {
    object["basic_username"] = View(basic->username);
  } else if (const auto* digest = std::get_if<DigestCredentials>(&credentials)) {
    object["digest_username"] = View(digest->username);
  } else if (std::holds_alternative<BearerCredentials>(credentials)) {
    object["bearer"] = true;
  }
}

/// Without their secrets.
Credentials GetCredentials(const json::object& object) {
  if (object.contains("basic_username")) {
    return BasicCredentials{GetText(object, "basic_username"), Secret()};
  }
  if (object.contains("digest_username")) {
    return DigestCredentials{GetText(object, "digest_username"), Secret()};
  }
  return GetBool(object, "bearer") ? Credentials(BearerCredentials()) : Credentials();
}

// Members that earlier versions did not write are left out while they say nothing, so that
// fingerprints of the same content stay the same.
void PutPartWanted(json::object& object, const FetchSpec& spec) {
  if (spec.decode) object["decode"] = true;
  if (spec.share == jobs::Sharing::kNever) object["share"] = "never";
  if (spec.share == jobs::Sharing::kAlways) object["share"] = "always";
  if (!spec.if_none_match.empty()) {
    json::array& tags = object["if_none_match"].emplace_array();
    for (const std::string& tag : spec.if_none_match) tags.emplace_back(View(tag));
  }
  if (spec.if_modified_since) {
    object["if_modified_since"] = Duration(spec.if_modified_since->time_since_epoch()).count();
  }
  if (!spec.range) return;
  object["range_first"] = spec.range->first;
  PutOptional(object, "range_last", spec.range->last);
}

void GetPartWanted(const json::object& object, FetchSpec& spec) {
  spec.decode = GetBool(object, "decode");
  const std::string share = GetText(object, "share");
  if (share == "never") spec.share = jobs::Sharing::kNever;
  if (share == "always") spec.share = jobs::Sharing::kAlways;
  if (const json::value* tags = object.if_contains("if_none_match")) {
    for (const json::value& tag : tags->as_array()) spec.if_none_match.push_back(Text(tag));
  }
  if (const auto since = GetOptional<Duration>(object, "if_modified_since")) {
    spec.if_modified_since = WallTime(*since);
  }
  if (const auto first = GetOptional<std::uint64_t>(object, "range_first")) {
    spec.range = ByteRange{*first, GetOptional<std::uint64_t>(object, "range_last")};
  }
}

/// By the place of the header among `headers`.
void PutHeaderSecrets(json::object& object, const FetchSpec& spec) {
  json::object names;
  for (std::size_t i = 0; i < spec.headers.size(); ++i) {
    const std::string& secret = spec.headers[i].secret;
    if (!secret.empty()) names[View(Concat(i))] = View(secret);
  }
  if (!names.empty()) object["header_secrets"] = std::move(names);
}

void GetHeaderSecrets(const json::object& object, FetchSpec& spec) {
  const json::value* const names = object.if_contains("header_secrets");
  if (names == nullptr) return;
  for (const auto& [place, name] : names->as_object()) {
    const auto i = ParseDecimal<std::size_t>({place.data(), place.size()});
    if (!i) throw std::invalid_argument("the place of a secret is no number");
    spec.headers.at(*i).secret = Text(name);
  }
}

json::object TraceToJson(const TraceContext& trace) {
  json::object object;
  PutText(object, "id", trace.trace_id);
  PutText(object, "parent", trace.parent_id);
  if (trace.sampled) object["sampled"] = true;
  PutText(object, "state", trace.state);
  PutText(object, "request", trace.request_id);
  return object;
}

TraceContext TraceFromJson(const json::object& object) {
  return {.trace_id = GetText(object, "id"),
          .parent_id = GetText(object, "parent"),
          .sampled = GetBool(object, "sampled"),
          .state = GetText(object, "state"),
          .request_id = GetText(object, "request")};
}

enum class Signatures { kHidden, kInClear };

json::object SpecToJson(const FetchSpec& spec, Signatures signatures) {
  json::object object;
  json::array& urls = object["urls"].emplace_array();
  const bool in_clear = signatures == Signatures::kInClear;
  for (const std::string& url : spec.urls) {
    urls.emplace_back(View(in_clear ? url : HideSignatures(url)));
  }
  object["method"] = spec.method == jobs::Method::kHead ? "HEAD" : "GET";
  json::array& headers = object["headers"].emplace_array();
  for (const jobs::RequestHeader& header : spec.headers) headers.emplace_back(View(header.name));
  PutHeaderSecrets(object, spec);
  PutCredentials(object, spec);
  json::array& digests = object["digests"].emplace_array();
  for (const Digest& digest : spec.digests) digests.emplace_back(View(digest.ToSri()));
  PutOptional(object, "expected_size", spec.expected_size);
  PutOptional(object, "max_bytes", spec.max_bytes);
  PutOptional(object, "max_bytes_per_sec", spec.max_bytes_per_sec);
  object["timeouts"] = TimeoutsToJson(spec.timeouts);
  object["retry"] = RetryToJson(spec.retry);
  PutOptional(object, "max_redirects", spec.max_redirects);
  PutText(object, "tls_profile", spec.tls_profile);
  PutText(object, "proxy", spec.proxy);
  PutPartWanted(object, spec);
  return object;
}

FetchSpec SpecFromJson(const json::value& value) {
  const json::object& object = value.as_object();
  FetchSpec spec;
  for (const json::value& url : object.at("urls").as_array()) spec.urls.push_back(Text(url));
  if (GetText(object, "method") == "HEAD") spec.method = jobs::Method::kHead;
  for (const json::value& name : object.at("headers").as_array()) {
    spec.headers.push_back({Text(name), Secret()});
  }
  GetHeaderSecrets(object, spec);
  spec.credentials = GetCredentials(object);
  spec.credentials_secret = GetText(object, "credentials_secret");
  for (const json::value& text : object.at("digests").as_array()) {
    auto digest = Digest::Parse(Text(text));
    if (!digest.ok()) throw std::invalid_argument(MessageOf(digest.status()));
    spec.digests.push_back(*std::move(digest));
  }
  spec.expected_size = GetOptional<std::uint64_t>(object, "expected_size");
  spec.max_bytes = GetOptional<std::uint64_t>(object, "max_bytes");
  spec.max_bytes_per_sec = GetOptional<std::uint64_t>(object, "max_bytes_per_sec");
  spec.timeouts = TimeoutsFromJson(object.at("timeouts").as_object());
  spec.retry = RetryFromJson(object.at("retry").as_object());
  spec.max_redirects = GetOptional<int>(object, "max_redirects");
  spec.tls_profile = GetText(object, "tls_profile");
  spec.proxy = GetText(object, "proxy");
  GetPartWanted(object, spec);
  if (const json::value* trace = object.if_contains("trace")) {
    spec.trace = TraceFromJson(trace->as_object());
  }
  return spec;
}

}  // namespace

std::string EncodeSpec(const FetchSpec& spec) {
  json::object object = SpecToJson(spec, Signatures::kHidden);
  if (spec.trace != TraceContext()) object["trace"] = TraceToJson(spec.trace);
  return json::serialize(object);
}

absl::StatusOr<FetchSpec> DecodeSpec(std::string_view spec_text, std::string_view secrets) {
  ASSIGN_OR_RETURN(FetchSpec spec, Decode("fetch specification", spec_text, SpecFromJson));
  return WithSecrets(std::move(spec), secrets);
}

absl::StatusOr<std::vector<std::string>> UrlsOfSpec(std::string_view spec) {
  ASSIGN_OR_RETURN(FetchSpec parsed, Decode("fetch specification", spec, SpecFromJson));
  return std::move(parsed.urls);
}

std::string CanonicalContent(const jobs::Job& job) {
  const std::string& destination =
      job.destination_template.empty() ? job.destination : job.destination_template;
  json::array content;
  // As it was before signatures were sealed: the fingerprints of then still hold.
  content.emplace_back(SpecToJson(job.spec, Signatures::kInClear));
  content.emplace_back(View(EncodeSecretsBesideUrls(job.spec)));
  content.emplace_back(View(destination));
  content.emplace_back(OverwriteName(job.overwrite));
  content.emplace_back(job.priority);
  content.emplace_back(View(EncodeLabels(job.labels)));
  // Jobs from before there were tenants have the same content as those of the default one.
  if (job.tenant != jobs::kDefaultTenant) content.emplace_back(View(job.tenant));
  if (!job.more_destinations.empty()) {
    json::array more;
    for (const jobs::MoreDestination& place : job.more_destinations) {
      more.emplace_back(View(place.asked_for));
    }
    content.emplace_back(std::move(more));
  }
  if (!job.object.empty()) content.emplace_back(View(EncodeObject(job.object)));
  return json::serialize(content);
}

const char* OverwriteName(Overwrite overwrite) {
  switch (overwrite) {
    case Overwrite::kAlways:
      return "ALWAYS";
    case Overwrite::kNever:
      return "NEVER";
    case Overwrite::kIfDifferent:
      return "IF_DIFFERENT";
  }
  return "UNKNOWN";
}

absl::StatusOr<Overwrite> ParseOverwrite(std::string_view name) {
  for (const auto overwrite : {Overwrite::kAlways, Overwrite::kNever, Overwrite::kIfDifferent}) {
    if (name == OverwriteName(overwrite)) return overwrite;
  }
  return absl::DataLossError(Concat("a stored job has the unknown overwrite policy ", name));
}

std::string EncodeMoreDestinations(const std::vector<jobs::MoreDestination>& destinations) {
  if (destinations.empty()) return std::string();
  json::array places;
  for (const jobs::MoreDestination& place : destinations) {
    places.push_back(json::array{View(place.resolved), View(place.asked_for)});
  }
  return json::serialize(places);
}

absl::StatusOr<std::vector<jobs::MoreDestination>> DecodeMoreDestinations(std::string_view text) {
  if (text.empty()) return std::vector<jobs::MoreDestination>();
  return Decode("list of destinations", text, [](const json::value& value) {
    std::vector<jobs::MoreDestination> destinations;
    for (const json::value& place : value.as_array()) {
      const json::array& pair = place.as_array();
      destinations.push_back({Text(pair.at(0)), Text(pair.at(1))});
    }
    return destinations;
  });
}

std::string EncodeLabels(const std::map<std::string, std::string>& labels) {
  return json::serialize(TextsToJson(labels));
}

absl::StatusOr<std::map<std::string, std::string>> DecodeLabels(std::string_view text) {
  return Decode("set of labels", text, TextsFromJson);
}

}  // namespace fetchd::store
