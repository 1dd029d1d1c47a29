#include "cli/job_flags.h"

#include <google/protobuf/util/time_util.h>

#include "base/strings.h"
#include "cli/manifest_line.h"

namespace fetchd::cli {
namespace {

void AddTimeFlags(CLI::App* app, JobFlags& flags) {
  AddDuration(app, "--deadline", flags.deadline, "Give the job up after this. Default 24h");
  AddDuration(app, "--timeout-connect", flags.connect_timeout, "Default 10s");
  AddDuration(app, "--timeout-first-byte", flags.first_byte_timeout, "Default 30s");
  AddDuration(app, "--timeout-read-idle", flags.read_idle_timeout, "Default 30s");
  AddDuration(app, "--timeout-attempt", flags.attempt_timeout, "One attempt. Default: none");
}

}  // namespace

const char kManifestHelp[] =
    "A manifest is one of\n"
    "  lines     URL, or URL<TAB>destination\n"
    "  jsonl     {\"url\": \"https://...\", \"destination\": \"file:a\", \"sha256\": \"<hex>\"} a "
    "line, with url or\n"
    "            urls, destination, more_destinations, request_id, sha256, digests, size, labels,\n"
    "            object, headers, priority, overwrite, range, compressed, if_none_match and\n"
    "            if_modified_since\n"
    "  csv       the first line names the columns: url (several, by spaces, are mirrors),\n"
    "            destination, sha256, digests, size, request_id, priority, overwrite, range,\n"
    "            label.<key>, header.<Name>\n"
    "  metalink  Metalink 4: each file with its mirrors (the first 16 that are http or https, by\n"
    "            priority), size and hashes\n"
    "Flags fill in what an entry does not say. Nothing is submitted while an entry is wrong.\n";

void AddObjectFlags(CLI::App* app, JobFlags& flags) {
  app->add_option("--content-type", flags.content_type, "Of objects. Default: the origin's")
      ->type_name("TYPE");
  app->add_option("--content-disposition", flags.content_disposition, "Of objects")
      ->type_name("TEXT");
  app->add_option("--cache-control", flags.cache_control, "Of objects")->type_name("TEXT");
  app->add_option("--storage-class", flags.storage_class, "Of objects, as their store calls it")
      ->type_name("NAME");
  AddPairs(app, "--metadata", '=', flags.metadata, "Kept with an object (x-amz-meta-); many times");
  AddPairs(app, "--tag", '=', flags.tags, "Of an object; up to 10 times");
}

void AddJobFlags(CLI::App* app, JobFlags& flags) {
  app->add_option("--to", flags.destinations,
                  "file:PATH under the service's root, s3://BUCKET/KEY, gs://BUCKET/KEY,\n"
                  "azblob://CONTAINER/KEY, or discard:. May hold {host} {path} {basename} {job}\n"
                  "{date}. Up to 8 times: the same bytes go to each place. Default\n"
                  "file:{job}/{basename}")
      ->type_name("DEST")
      ->allow_extra_args(false);
  app->add_option_function<std::string>(
         "--overwrite",
         [&flags](const std::string& text) {
           const auto parsed = ParseOverwrite(text);
           if (!parsed.ok()) throw CLI::ValidationError("--overwrite", MessageOf(parsed.status()));
           flags.overwrite = *parsed;
         },
         "What to do with a file that is there. Default always")
      ->type_name("always|never|if-different");
  AddPairs(app, "--label", '=', flags.labels, "Label; many times");
  app->add_option("--tenant", flags.tenant, "Whose jobs they are. Default \"default\"")
      ->type_name("NAME");
  app->add_option("--priority", flags.priority, "-100 to 100, higher first. Default 0")
      ->check(CLI::Range(-100, 100))
      ->type_name("N");
  app->add_option("--max-attempts", flags.max_attempts, "1 to 100. Default 4")
      ->check(CLI::Range(1, 100))
      ->type_name("N");
  AddObjectFlags(app, flags);
  AddTimeFlags(app, flags);
}

CLI::Option* AddManifest(CLI::App* app, std::string& path, ManifestFormat& format) {
  app->add_option_function<std::string>(
         "--format",
         [&format](const std::string& text) {
           const auto parsed = ParseManifestFormat(text);
           if (!parsed.ok()) throw CLI::ValidationError("--format", MessageOf(parsed.status()));
           format = *parsed;
         },
         "Of the manifest. Default: what it looks like")
      ->type_name("auto|lines|jsonl|csv|metalink");
  return app->add_option("-i,--input", path, "Manifest; - is standard input")->type_name("FILE");
}

void FillInDestinations(const JobFlags& flags, v1::Job& job) {
  const bool says_itself = !job.destination().empty() || !job.more_destinations().empty();
  if (says_itself || flags.destinations.empty()) return;
  job.set_destination(flags.destinations.front());
  job.mutable_more_destinations()->Assign(flags.destinations.begin() + 1, flags.destinations.end());
}

void FillInObject(const JobFlags& flags, v1::Job& job) {
  v1::ObjectSettings object;
  object.set_content_type(flags.content_type);
  object.set_content_disposition(flags.content_disposition);
  object.set_cache_control(flags.cache_control);
  object.set_storage_class(flags.storage_class);
  for (const auto& [name, value] : flags.metadata) (*object.mutable_metadata())[name] = value;
  for (const auto& [key, value] : flags.tags) (*object.mutable_tags())[key] = value;
  if (!job.has_object() && object.ByteSizeLong() > 0) *job.mutable_object() = std::move(object);
}

void FillInAttempts(const JobFlags& flags, v1::FetchSpec& spec) {
  if (flags.max_attempts) spec.mutable_retry_policy()->set_max_attempts(*flags.max_attempts);
  v1::Timeouts& timeouts = *spec.mutable_timeouts();
  if (flags.connect_timeout) *timeouts.mutable_connect() = ToProto(*flags.connect_timeout);
  if (flags.first_byte_timeout) *timeouts.mutable_first_byte() = ToProto(*flags.first_byte_timeout);
  if (flags.read_idle_timeout) *timeouts.mutable_read_idle() = ToProto(*flags.read_idle_timeout);
  if (flags.attempt_timeout) *timeouts.mutable_total() = ToProto(*flags.attempt_timeout);
  if (timeouts.ByteSizeLong() == 0) spec.clear_timeouts();
}

std::optional<google::protobuf::Timestamp> DeadlineOf(const JobFlags& flags) {
  if (!flags.deadline) return std::nullopt;
  using google::protobuf::util::TimeUtil;
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return TimeUtil::MillisecondsToTimestamp(
      (std::chrono::duration_cast<Milliseconds>(now) + *flags.deadline).count());
}

}  // namespace fetchd::cli
