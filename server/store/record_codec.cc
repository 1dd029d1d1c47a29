#include "store/record_codec.h"

#include <absl/strings/cord.h>

#include <stdexcept>
#include <utility>

#include "store/json.h"

namespace fetchd::store {
namespace {

using jobs::AttemptOutcome;
using jobs::AttemptRecord;
using jobs::Checkpoint;
using jobs::HopRecord;
using jobs::Result;
using jobs::SegmentsRecord;

void PutDuration(json::object& object, const char* key, Duration duration) {
  if (duration != Duration{}) object[key] = duration.count();
}
void PutFlag(json::object& object, const char* key, bool flag) {
  if (flag) object[key] = true;
}

json::object StatusToJson(const absl::Status& status) {
  json::object object;
  if (status.ok()) return object;
  object["code"] = status.raw_code();
  object["message"] = View(MessageOf(status));
  json::object payloads;
  status.ForEachPayload([&payloads](absl::string_view url, const absl::Cord& payload) {
    payloads[json::string_view(url.data(), url.size())] = View(Base64Encode(std::string(payload)));
  });
  if (!payloads.empty()) object["details"] = std::move(payloads);
  return object;
}

absl::Status StatusFromJson(const json::object& object) {
  if (object.empty()) return absl::OkStatus();
  absl::Status status(static_cast<absl::StatusCode>(object.at("code").to_number<int>()),
                      GetText(object, "message"));
  const json::value* payloads = object.if_contains("details");
  if (payloads == nullptr) return status;
  for (const auto& [url, encoded] : payloads->as_object()) {
    const auto payload = Base64Decode(Text(encoded));
    if (!payload) throw std::invalid_argument("an error's detail is not base64");
    status.SetPayload(absl::string_view(url.data(), url.size()), absl::Cord(*payload));
  }
  return status;
}

json::object HopToJson(const HopRecord& hop) {
  json::object object;
  object["url"] = View(hop.url);
  PutText(object, "proxy", hop.proxy);
  PutDuration(object, "pool_wait", hop.pool_wait);
  PutDuration(object, "dns", hop.dns);
  PutDuration(object, "connect", hop.connect);
  PutDuration(object, "proxy_negotiation", hop.proxy_negotiation);
  PutDuration(object, "tls", hop.tls);
  PutDuration(object, "first_byte", hop.first_byte);
  PutFlag(object, "dns_cached", hop.dns_cached);
  PutFlag(object, "reused", hop.reused);
  PutFlag(object, "redialled", hop.redialled);
  PutFlag(object, "joined", hop.joined);
  PutFlag(object, "tls_resumed", hop.tls_resumed);
  PutText(object, "tls_description", hop.tls_description);
  json::array addresses;
  for (const HopRecord::Address& address : hop.addresses) {
    json::object entry;
    entry["address"] = View(address.address);
    entry["outcome"] = View(address.outcome);
    PutDuration(entry, "took", address.took);
    addresses.push_back(std::move(entry));
  }
  if (!addresses.empty()) object["addresses"] = std::move(addresses);
  object["http_status"] = hop.http_status;
  return object;
}

HopRecord HopFromJson(const json::value& value) {
  const json::object& object = value.as_object();
  HopRecord hop;
  hop.url = GetText(object, "url");
  hop.proxy = GetText(object, "proxy");
  hop.pool_wait = GetDuration(object, "pool_wait");
  hop.dns = GetDuration(object, "dns");
  hop.connect = GetDuration(object, "connect");
  hop.proxy_negotiation = GetDuration(object, "proxy_negotiation");
  hop.tls = GetDuration(object, "tls");
  hop.first_byte = GetDuration(object, "first_byte");
  hop.dns_cached = GetBool(object, "dns_cached");
  hop.reused = GetBool(object, "reused");
  hop.redialled = GetBool(object, "redialled");
  hop.joined = GetBool(object, "joined");
  hop.tls_resumed = GetBool(object, "tls_resumed");
  hop.tls_description = GetText(object, "tls_description");
  if (const json::value* addresses = object.if_contains("addresses")) {
    for (const json::value& entry : addresses->as_array()) {
      const json::object& address = entry.as_object();
      hop.addresses.push_back(
          {GetText(address, "address"), GetText(address, "outcome"), GetDuration(address, "took")});
    }
  }
  hop.http_status = object.at("http_status").to_number<int>();
  return hop;
}

AttemptOutcome OutcomeFromText(std::string_view name) {
  for (const auto outcome :
       {AttemptOutcome::kSucceeded, AttemptOutcome::kFailed, AttemptOutcome::kPutOff,
        AttemptOutcome::kInterrupted, AttemptOutcome::kCancelled}) {
    if (name == jobs::AttemptOutcomeName(outcome)) return outcome;
  }
  throw std::invalid_argument("unknown outcome of an attempt");
}

json::object SegmentsToJson(const SegmentsRecord& segments) {
  json::object object;
  object["most_connections"] = segments.most_connections;
  object["pieces"] = segments.pieces;
  object["added"] = segments.added;
  object["dropped"] = segments.dropped;
  json::array& notes = object["notes"].emplace_array();
  for (const std::string& note : segments.notes) notes.emplace_back(View(note));
  return object;
}

SegmentsRecord SegmentsFromJson(const json::object& object) {
  SegmentsRecord segments;
  segments.most_connections = object.at("most_connections").to_number<int>();
  segments.pieces = object.at("pieces").to_number<std::uint64_t>();
  segments.added = object.at("added").to_number<int>();
  segments.dropped = object.at("dropped").to_number<int>();
  for (const json::value& note : object.at("notes").as_array()) {
    segments.notes.emplace_back(Text(note));
  }
  return segments;
}

AttemptRecord AttemptFromJson(const json::value& value) {
  const json::object& object = value.as_object();
  AttemptRecord record;
  record.number = object.at("number").to_number<int>();
  record.span_id = GetText(object, "span_id");
  record.started_at = WallTime(GetDuration(object, "started_at"));
  record.took = GetDuration(object, "took");
  record.transfer_permit_wait = GetDuration(object, "transfer_permit_wait");
  record.buffer_wait = GetDuration(object, "buffer_wait");
  record.rate_wait = GetDuration(object, "rate_wait");
  record.outcome = OutcomeFromText(GetText(object, "outcome"));
  record.resumed_from_bytes = object.at("resumed_from_bytes").to_number<std::uint64_t>();
  record.received_bytes = object.at("received_bytes").to_number<std::uint64_t>();
  record.restarted = GetBool(object, "restarted");
  for (const json::value& hop : object.at("hops").as_array()) {
    record.hops.push_back(HopFromJson(hop));
  }
  if (const json::value* segments = object.if_contains("segments")) {
    record.segments = SegmentsFromJson(segments->as_object());
  }
  record.status = StatusFromJson(object.at("status").as_object());
  record.failed_phase = GetText(object, "failed_phase");
  record.decision = GetText(object, "decision");
  record.retry_delay = GetOptional<Duration>(object, "retry_delay");
  return record;
}

json::object DeliveryToJson(const jobs::Delivery& delivery) {
  json::object object;
  PutText(object, "destination", delivery.destination);
  if (!delivery.error.ok()) object["error"] = StatusToJson(delivery.error);
  PutFlag(object, "unchanged", delivery.unchanged);
  PutText(object, "digest", delivery.digest);
  return object;
}

jobs::Delivery DeliveryFromJson(const json::object& object) {
  jobs::Delivery delivery;
  delivery.destination = GetText(object, "destination");
  if (const json::value* error = object.if_contains("error")) {
    delivery.error = StatusFromJson(error->as_object());
  }
  delivery.unchanged = GetBool(object, "unchanged");
  delivery.digest = GetText(object, "digest");
  return delivery;
}

Result ResultFromJson(const json::value& value) {
  const json::object& object = value.as_object();
  Result result;
  result.final_url = GetText(object, "final_url");
  result.http_status = object.at("http_status").to_number<int>();
  for (const json::value& header : object.at("headers").as_array()) {
    const json::array& pair = header.as_array();
    result.headers.emplace_back(Text(pair.at(0)), Text(pair.at(1)));
  }
  result.size_bytes = object.at("size_bytes").to_number<std::uint64_t>();
  for (const json::value& text : object.at("digests").as_array()) {
    auto digest = Digest::Parse(Text(text));
    if (!digest.ok()) throw std::invalid_argument(MessageOf(digest.status()));
    result.digests.push_back(*std::move(digest));
  }
  result.etag = GetText(object, "etag");
  result.destination = GetText(object, "destination");
  result.not_modified = GetBool(object, "not_modified");
  result.unchanged = GetBool(object, "unchanged");
  if (const json::value* deliveries = object.if_contains("deliveries")) {
    for (const json::value& delivery : deliveries->as_array()) {
      result.deliveries.push_back(DeliveryFromJson(delivery.as_object()));
    }
  }
  return result;
}

}  // namespace

std::string EncodeCheckpoint(const Checkpoint& checkpoint) {
  json::object object;
  object["bytes"] = checkpoint.bytes;
  PutText(object, "url", checkpoint.url);
  PutText(object, "etag", checkpoint.etag);
  PutText(object, "last_modified", checkpoint.last_modified);
  PutOptional(object, "total_bytes", checkpoint.total_bytes);
  PutText(object, "source", checkpoint.source);
  PutText(object, "source_query", checkpoint.source_query);
  PutFlag(object, "mixed", checkpoint.mixed);
  if (checkpoint.fence > 0) object["fence"] = checkpoint.fence;
  PutText(object, "digest_state", Base64Encode(checkpoint.digest_state));
  return json::serialize(object);
}

absl::StatusOr<Checkpoint> DecodeCheckpoint(std::string_view text) {
  return Decode("checkpoint", text, [](const json::value& value) {
    const json::object& object = value.as_object();
    Checkpoint checkpoint;
    checkpoint.bytes = object.at("bytes").to_number<std::uint64_t>();
    checkpoint.url = GetText(object, "url");
    checkpoint.etag = GetText(object, "etag");
    checkpoint.last_modified = GetText(object, "last_modified");
    checkpoint.total_bytes = GetOptional<std::uint64_t>(object, "total_bytes");
    checkpoint.source = GetText(object, "source");
    checkpoint.source_query = GetText(object, "source_query");
    checkpoint.mixed = GetBool(object, "mixed");
    checkpoint.fence = GetOptional<std::int64_t>(object, "fence").value_or(0);
    // Only saves work: one that does not decode is as good as none.
    checkpoint.digest_state = Base64Decode(GetText(object, "digest_state")).value_or("");
    return checkpoint;
  });
}

std::string EncodeUrlMemory(const jobs::UrlMemory& memory) {
  if (memory == jobs::UrlMemory()) return std::string();
  json::object object;
  object["next"] = memory.next;
  json::array& notes = object["notes"].emplace_array();
  for (const jobs::UrlNote& note : memory.notes) {
    json::object entry;
    entry["error"] = StatusToJson(note.error);
    PutFlag(entry, "refused", note.refused);
    notes.push_back(std::move(entry));
  }
  return json::serialize(object);
}

absl::StatusOr<jobs::UrlMemory> DecodeUrlMemory(std::string_view text) {
  if (text.empty()) return jobs::UrlMemory();
  return Decode("memory of urls", text, [](const json::value& value) {
    const json::object& object = value.as_object();
    jobs::UrlMemory memory;
    memory.next = object.at("next").to_number<std::size_t>();
    for (const json::value& entry : object.at("notes").as_array()) {
      const json::object& note = entry.as_object();
      memory.notes.push_back(
          {StatusFromJson(note.at("error").as_object()), GetBool(note, "refused")});
    }
    return memory;
  });
}

std::string EncodeResult(const Result& result) {
  json::object object;
  object["final_url"] = View(result.final_url);
  object["http_status"] = result.http_status;
  json::array& headers = object["headers"].emplace_array();
  for (const auto& [name, value] : result.headers) {
    headers.push_back(json::array{View(name), View(value)});
  }
  object["size_bytes"] = result.size_bytes;
  json::array& digests = object["digests"].emplace_array();
  for (const Digest& digest : result.digests) digests.emplace_back(View(digest.ToSri()));
  PutText(object, "etag", result.etag);
  PutText(object, "destination", result.destination);
  PutFlag(object, "not_modified", result.not_modified);
  PutFlag(object, "unchanged", result.unchanged);
  if (!result.deliveries.empty()) {
    json::array& deliveries = object["deliveries"].emplace_array();
    for (const jobs::Delivery& delivery : result.deliveries) {
      deliveries.push_back(DeliveryToJson(delivery));
    }
  }
  return json::serialize(object);
}

absl::StatusOr<Result> DecodeResult(std::string_view text) {
  return Decode("result", text, ResultFromJson);
}

std::string EncodeAttempt(const AttemptRecord& record) {
  json::object object;
  object["number"] = record.number;
  PutText(object, "span_id", record.span_id);
  object["started_at"] = Duration(record.started_at.time_since_epoch()).count();
  PutDuration(object, "took", record.took);
  PutDuration(object, "transfer_permit_wait", record.transfer_permit_wait);
  PutDuration(object, "buffer_wait", record.buffer_wait);
  PutDuration(object, "rate_wait", record.rate_wait);
  object["outcome"] = jobs::AttemptOutcomeName(record.outcome);
  object["resumed_from_bytes"] = record.resumed_from_bytes;
  object["received_bytes"] = record.received_bytes;
  PutFlag(object, "restarted", record.restarted);
  json::array& hops = object["hops"].emplace_array();
  for (const HopRecord& hop : record.hops) hops.push_back(HopToJson(hop));
  if (record.segments != SegmentsRecord()) object["segments"] = SegmentsToJson(record.segments);
  object["status"] = StatusToJson(record.status);
  PutText(object, "failed_phase", record.failed_phase);
  PutText(object, "decision", record.decision);
  PutOptional(object, "retry_delay", record.retry_delay);
  return json::serialize(object);
}

absl::StatusOr<AttemptRecord> DecodeAttempt(std::string_view text) {
  return Decode("attempt record", text, AttemptFromJson);
}

std::string EncodeStatus(const absl::Status& status) {
  return json::serialize(StatusToJson(status));
}

absl::Status DecodeStatus(std::string_view text, absl::Status& status) {
  return Decode("error", text,
                [&status](const json::value& value) {
                  status = StatusFromJson(value.as_object());
                  return true;
                })
      .status();
}

}  // namespace fetchd::store
