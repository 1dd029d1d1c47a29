// What `submit` and `batch create` say of their jobs alike; and of a manifest.
#pragma once

#include <google/protobuf/timestamp.pb.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cli/command_line.h"
#include "cli/manifest_reader.h"
#include "fetchd/v1/job.pb.h"

namespace fetchd::cli {

struct JobFlags {
  std::vector<std::string> destinations;
  v1::Job::Overwrite overwrite = v1::Job::OVERWRITE_UNSPECIFIED;
  std::vector<std::pair<std::string, std::string>> labels;
  std::string content_type, content_disposition, cache_control, storage_class;
  std::vector<std::pair<std::string, std::string>> metadata, tags;
  std::string tenant;
  std::optional<int> priority;
  std::optional<Milliseconds> deadline;

  std::optional<int> max_attempts;
  std::optional<Milliseconds> connect_timeout, first_byte_timeout, read_idle_timeout,
      attempt_timeout;
};

/// Adds the flags; `flags` outlives `app`.
void AddJobFlags(CLI::App* app, JobFlags& flags);
/// -i and --format.
CLI::Option* AddManifest(CLI::App* app, std::string& path, ManifestFormat& format);

/// Where a job goes that does not say so itself.
void FillInDestinations(const JobFlags& flags, v1::Job& job);
/// What `flags` say of objects, where the job does not.
void FillInObject(const JobFlags& flags, v1::Job& job);
/// What `flags` say of attempts.
void FillInAttempts(const JobFlags& flags, v1::FetchSpec& spec);
/// A deadline is a point in time, and part of what a request_id stands for: the same for a whole
/// run.
std::optional<google::protobuf::Timestamp> DeadlineOf(const JobFlags& flags);

/// The forms of a manifest, for the help of a command.
extern const char kManifestHelp[];

}  // namespace fetchd::cli
