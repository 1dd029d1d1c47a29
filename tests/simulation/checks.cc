#include "simulation/checks.h"

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "sink/part_name.h"

namespace fetchd::simulation {
namespace {

constexpr std::string_view kFile = "file:";

bool IsFile(const jobs::Job& job) {
  return job.destination.starts_with(kFile) && job.spec.method == jobs::Method::kGet;
}

/// What a job wants of a body; nullopt: the body has no such part.
std::optional<std::string_view> WantedOf(std::string_view bytes, const jobs::FetchSpec& spec) {
  if (!spec.range) return bytes;
  if (spec.range->first > 0 && spec.range->first >= bytes.size()) return std::nullopt;
  const std::uint64_t size = spec.range->size().value_or(bytes.size());
  return bytes.substr(spec.range->first, size);
}

Digest Sha256Of(std::string_view bytes) {
  Digester digester({DigestAlgorithm::kSha256});
  digester.Update(std::as_bytes(std::span(bytes)));
  return digester.Finish().front();
}

bool Validates(const jobs::Checkpoint& checkpoint, const Version& version) {
  return checkpoint.etag.empty() ? checkpoint.last_modified == version.last_modified
                                 : checkpoint.etag == version.etag;
}

}  // namespace

std::string Checks::PathOf(const jobs::Job& job) const {
  return (machine_.files.root() / job.destination.substr(kFile.size())).string();
}

void Checks::PutForeign(const std::string& destination, const std::string& bytes) {
  const auto path = machine_.files.root() / destination.substr(kFile.size());
  std::filesystem::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << bytes;
  foreign_[destination] = bytes;
}

std::vector<std::string_view> Checks::Admissible(const std::string& destination) {
  std::vector<std::string_view> all;
  const auto specs = scene_.ledger.destinations().find(destination);
  if (specs == scene_.ledger.destinations().end()) return all;
  for (const jobs::FetchSpec& spec : specs->second) {
    for (const Version* version : scene_.origins.VersionsFor(spec)) {
      const auto wanted = WantedOf(version->bytes, spec);
      if (!wanted) continue;
      const bool expected = spec.digests.empty() || Sha256Of(*wanted) == spec.digests.front();
      if (expected) all.push_back(*wanted);
    }
  }
  return all;
}

void Checks::Visible(const std::string& path) {
  const std::string destination =
      Concat(kFile, std::filesystem::relative(path, machine_.files.root()).string());
  const std::string bytes = ReadFile(path);
  scene_.trace.Note(destination, " shows ", bytes.size(), " bytes");
  if (const auto found = foreign_.find(destination);
      found != foreign_.end() && found->second == bytes) {
    return;
  }
  const std::vector<std::string_view> admissible = Admissible(destination);
  if (std::ranges::find(admissible, bytes) == admissible.end()) {
    scene_.trace.Violated(destination, " shows ", bytes.size(), " bytes that are no version");
  }
}

void Checks::Kept(const std::map<JobId, jobs::Job>& jobs) {
  for (const auto& [id, job] : jobs) {
    if (IsFile(job) && !jobs::IsTerminal(job.state) && job.checkpoint.bytes > 0) KeptOf(job);
  }
}

void Checks::KeptOf(const jobs::Job& job) {
  const std::filesystem::path path = PathOf(job);
  const std::string part =
      ReadFile(path.parent_path() / sink::PartFileName(path.filename().string(), job.id));
  const std::uint64_t kept = job.checkpoint.bytes;
  // Shorter: gone, and so the next attempt finds it. What must not be is another body's.
  if (part.size() < kept) return;
  const std::string_view mine(part.data(), kept);
  const std::vector<const Version*> versions = scene_.origins.VersionsFor(job.spec);
  const bool right = std::ranges::any_of(versions, [&](const Version* version) {
    const auto wanted = WantedOf(version->bytes, job.spec);
    return Validates(job.checkpoint, *version) && wanted && wanted->starts_with(mine);
  });
  if (!right) {
    scene_.trace.Violated(job.id.str(), " kept ", kept, " bytes that are not of ",
                          job.checkpoint.etag, job.checkpoint.last_modified);
  }
}

void Checks::Published(const std::map<JobId, jobs::Job>& jobs) {
  for (const auto& [id, job] : jobs) {
    if (!IsFile(job) || job.state != jobs::State::kSucceeded) continue;
    const std::string path = PathOf(job);
    if (!std::filesystem::exists(path)) {
      scene_.trace.Violated(id.str(), " has succeeded, and ", job.destination, " is not there");
      continue;
    }
    const bool alone = scene_.ledger.destinations().at(job.destination).size() == 1;
    const std::string bytes = ReadFile(path);
    const bool as_promised = job.result && job.result->size_bytes == bytes.size() &&
                             !job.result->digests.empty() &&
                             job.result->digests.front() == Sha256Of(bytes);
    if (alone && !as_promised) {
      scene_.trace.Violated(id.str(), " has succeeded with other bytes than it says");
    }
    Visible(path);
  }
}

void Checks::Success(const jobs::Job& job, const jobs::AttemptRecord& record) {
  if (record.outcome != jobs::AttemptOutcome::kSucceeded) {
    scene_.trace.Violated(job.id.str(), " has succeeded, and its last attempt has not");
    return;
  }
  if (job.spec.method == jobs::Method::kHead) return;
  const std::uint64_t before = record.restarted ? 0 : record.resumed_from_bytes;
  // Of what was read in pieces, some is read again when one of them does not fit; and who begins
  // anew has received bytes of another version, too.
  const bool once = record.segments == jobs::SegmentsRecord() && !record.restarted;
  const std::uint64_t had = before + record.received_bytes;
  if (once ? had != job.result->size_bytes : had < job.result->size_bytes) {
    scene_.trace.Violated(job.id.str(), " has ", job.result->size_bytes, " bytes, of ", before,
                          " kept and ", record.received_bytes, " received");
  }
  const std::vector<const Version*> versions = scene_.origins.VersionsFor(job.spec);
  const bool one = std::ranges::any_of(versions, [&](const Version* version) {
    const auto wanted = WantedOf(version->bytes, job.spec);
    const std::string& etag = job.result->etag;
    return wanted && (etag.empty() || version->etag == etag) &&
           Sha256Of(*wanted) == job.result->digests.front();
  });
  if (!one) scene_.trace.Violated(job.id.str(), " has bytes of no version ", job.result->etag);
}

// A failed attempt consumes its number; one that was put off, interrupted or lost in a crash does
// not; a retry begins again.
void Checks::Numbers(const jobs::Job& job, const std::vector<jobs::AttemptRecord>& attempts) {
  int next = 1;
  std::size_t successes = 0;
  for (const jobs::AttemptRecord& record : attempts) {
    const bool begun_again = job.retried_at && record.number == 1;
    if (record.number != next && !begun_again) {
      scene_.trace.Violated(job.id.str(), " has an attempt ", record.number, " where ", next,
                            " was due");
    }
    const bool consumed = record.outcome == jobs::AttemptOutcome::kFailed;
    next = record.number + (consumed ? 1 : 0);
    if (record.outcome == jobs::AttemptOutcome::kSucceeded) ++successes;
    if (record.took < Duration::zero())
      scene_.trace.Violated(job.id.str(), " took less than nothing");
  }
  const std::size_t due = job.state == jobs::State::kSucceeded ? 1 : 0;
  if (successes != due) {
    scene_.trace.Violated(job.id.str(), " is ", jobs::StateName(job.state), " and succeeded ",
                          successes, " times");
  }
}

void Checks::Ended(const jobs::Job& job, const std::vector<jobs::AttemptRecord>& attempts) {
  Numbers(job, attempts);
  if (job.state != jobs::State::kSucceeded) return;
  if (!job.result || attempts.empty()) {
    scene_.trace.Violated(job.id.str(), " has succeeded without result or attempt");
  } else {
    Success(job, attempts.back());
  }
}

void Checks::AtRest(Life& life) {
  const fetch::EngineStats stats = life.engine().Stats();
  if (stats.transfers_in_use != 0 || stats.transfers_waiting != 0) {
    scene_.trace.Violated(stats.transfers_in_use, " permits are out");
  }
  if (life.buffers().budget().in_use() != 0) {
    scene_.trace.Violated(life.buffers().budget().in_use(), " bytes of buffers are out");
  }
  for (const auto& origin : life.engine().pacer().List()) {
    if (origin.transfers != 0) scene_.trace.Violated("a turn of ", origin.origin.host, " is out");
  }
}

void Checks::NoTemporaryFiles() {
  for (const auto& entry : std::filesystem::recursive_directory_iterator(machine_.files.root())) {
    if (sink::JobOfPartFile(entry.path().filename().string())) {
      scene_.trace.Violated(entry.path().filename().string(), " is left");
    }
  }
}

void Checks::Streamed(const jobs::FetchSpec& spec, const std::string& body, bool whole) {
  const std::vector<const Version*> versions = scene_.origins.VersionsFor(spec);
  const bool one = std::ranges::any_of(versions, [&](const Version* version) {
    return whole ? version->bytes == body : version->bytes.starts_with(body);
  });
  if (!one) scene_.trace.Violated("a stream brought ", body.size(), " bytes of no version");
}

}  // namespace fetchd::simulation
