// Requests as messages, through conversion and validation: each is refused with the caller's
// mistake named, or is a job that the store can keep and that shows no secret.
#include <string>
#include <string_view>

#include "base/check.h"
#include "base/secret.h"
#include "base/signed_url.h"
#include "base/strings.h"
#include "fetch/validate.h"
#include "fuzz/calls.h"
#include "rpc/convert_batch.h"
#include "rpc/convert_job.h"
#include "rpc/convert_pacing.h"
#include "rpc/convert_spec.h"
#include "rpc/resume_token.h"
#include "rpc/status.h"
#include "sink/destinations.h"
#include "store/batch_codec.h"
#include "store/spec_codec.h"
#include "store/spec_secrets.h"

namespace {

using namespace fetchd;

constexpr WallTime kNow{std::chrono::seconds(1'800'000'000)};
constexpr char kRedacted[] = "[redacted]";

/// Of a request: nothing but the caller's mistake, in words.
void CheckRefusal(const absl::Status& status) {
  FETCHD_CHECK(absl::IsInvalidArgument(status) && !MessageOf(status).empty());
  FETCHD_CHECK(!rpc::ToGrpcStatus(status).error_details().empty());
}

void CheckHidden(const std::string& value, const std::string& secret) {
  FETCHD_CHECK(secret.empty() ? value == kRedacted : value.empty());
}

void CheckShown(const v1::FetchSpec& spec) {
  for (const std::string& url : spec.urls()) FETCHD_CHECK(!HasSignature(url));
  for (const v1::Header& header : spec.headers()) CheckHidden(header.value(), header.secret());
  const v1::Credentials& shown = spec.credentials();
  if (shown.has_basic()) CheckHidden(shown.basic().password(), shown.basic().password_secret());
  if (shown.has_digest()) CheckHidden(shown.digest().password(), shown.digest().password_secret());
  if (shown.kind_case() == v1::Credentials::kBearerToken) {
    FETCHD_CHECK(shown.bearer_token() == kRedacted);
  }
}

void CheckKept(const jobs::FetchSpec& spec) {
  const auto kept = store::DecodeSpec(store::EncodeSpec(spec), store::EncodeSecrets(spec));
  FETCHD_CHECK(kept.ok() && *kept == spec);
}

void CheckDestinations(const jobs::Job& job) {
  static const auto id = *JobId::Parse("01h2xcejqtf2nbrexx3vqjhp41");
  const auto url = Url::ParseSource(job.spec.urls[0], {});
  FETCHD_CHECK(url.ok());
  const auto destination = sink::ParseDestination(
      job.destination.empty() ? sink::kDefaultDestination : job.destination, *url, id, kNow);
  if (!destination.ok()) {
    FETCHD_CHECK(absl::IsInvalidArgument(destination.status()));
    return;
  }
  FETCHD_CHECK(sink::ParseResolvedDestination(destination->ToString()).ok());
}

void CheckJob(const v1::Job& message) {
  const auto job = rpc::FromProto(message, kNow);
  if (!job.ok()) return CheckRefusal(job.status());
  CheckShown(rpc::ToProto(*job, std::nullopt).spec());
  const absl::Status valid = fetch::ValidateJob(*job, {}, kNow);
  if (!valid.ok()) return CheckRefusal(valid);
  CheckKept(job->spec);
  CheckDestinations(*job);
  FETCHD_CHECK(!store::CanonicalContent(*job).empty());
  // What it shows is a message that can be sent.
  std::string bytes;
  v1::Job again;
  FETCHD_CHECK(rpc::ToProto(*job, std::nullopt).SerializeToString(&bytes));
  FETCHD_CHECK(again.ParseFromString(bytes));
}

void CheckCreateJob(const v1::CreateJobRequest& request) {
  CheckJob(request.job());
  const auto batch = *BatchId::Parse("01h2xcejqtf2nbrexx3vqjhp41");
  const jobs::BatchEntry entry =
      rpc::RefusedEntry(request, batch, absl::InvalidArgumentError("refused"));
  std::string bytes;
  FETCHD_CHECK(rpc::ToProto(entry).SerializeToString(&bytes));
}

void CheckBatch(const v1::CreateBatchRequest& request) {
  const auto batch = rpc::FromProto(request.batch(), kNow);
  if (!batch.ok()) return CheckRefusal(batch.status());
  const auto kept = store::DecodeDefaults(store::EncodeDefaults(batch->defaults));
  FETCHD_CHECK(kept.ok() && *kept == batch->defaults);
  v1::Job job;
  job.mutable_spec()->add_urls("http://a.test/");
  rpc::FillIn(batch->defaults, job);
  CheckJob(job);
}

void CheckSpec(const v1::FetchRequest& request) {
  const auto spec = rpc::FromProto(request.spec());
  if (!spec.ok()) return CheckRefusal(spec.status());
  CheckShown(rpc::ToProto(*spec));
  const absl::Status valid = fetch::ValidateSpec(*spec, {});
  if (!valid.ok()) return CheckRefusal(valid);
  CheckKept(*spec);
  const absl::Status offset = fetch::ValidateOffset(*spec, request.offset());
  if (!offset.ok()) CheckRefusal(offset);
}

template <typename T>
void CheckRead(const absl::StatusOr<T>& read) {
  if (!read.ok()) CheckRefusal(read.status());
}

void CheckCall(const fuzz::Call& call) {
  using Kind = fuzz::Call::RequestCase;
  switch (call.request_case()) {
    case Kind::kCreateJob:
      return CheckCreateJob(call.create_job());
    case Kind::kCreateBatch:
      return CheckBatch(call.create_batch());
    case Kind::kFetch:
      return CheckSpec(call.fetch());
    case Kind::kListJobs:
      CheckRead(rpc::FromProto(call.list_jobs().filter()));
      return CheckRead(rpc::ReadPageSize(call.list_jobs().page_size()));
    case Kind::kWatchJobs:
      return CheckRead(rpc::DecodeResumeToken(call.watch_jobs().resume_token(), "mine"));
    case Kind::kGetJob:
      return CheckRead(rpc::ParseName(call.get_job().name(), "name"));
    case Kind::kGetBatch:
      return CheckRead(rpc::ParseBatchName(call.get_batch().name(), "name"));
    case Kind::kSetOriginLimits:
      CheckRead(rpc::ParseOrigin(call.set_origin_limits().origin(), {}));
      return CheckRead(rpc::FromProto(call.set_origin_limits().limits()));
    default:
      return;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Calls calls;
  if (!fetchd::testing::ReadCalls(data, size, calls)) return -1;
  for (const fuzz::Call& call : calls.calls()) CheckCall(call);
  return 0;
}
