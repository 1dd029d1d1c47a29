#include "rpc/job_creator.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "base/object_uri.h"
#include "base/strings.h"
#include "fetch/validate.h"
#include "rpc/auth_scope.h"
#include "rpc/convert_batch.h"
#include "rpc/convert_job.h"
#include "rpc/status.h"

namespace fetchd::rpc {
namespace {

constexpr std::size_t kMaxRequestIdSize = 128;
constexpr std::size_t kMostMoreDestinations = 7;
constexpr std::size_t kMostDefaults = 64;

}  // namespace

absl::Status CheckRequestId(const std::string& request_id) {
  const bool printable =
      std::ranges::all_of(request_id, [](char c) { return c >= 0x20 && c < 0x7f; });
  if (printable && request_id.size() <= kMaxRequestIdSize) return absl::OkStatus();
  return InvalidField("request_id", "at most 128 printable ASCII characters");
}

std::mt19937_64 SeededRandom() {
  std::random_device device;
  std::seed_seq seed{device(), device(), device(), device(),
                     device(), device(), device(), device()};
  return std::mt19937_64(seed);
}

JobCreator::JobCreator(const ServerDeps& deps, const ServerConfig& config)
    : deps_(deps), config_(config), random_(SeededRandom()) {}

absl::StatusOr<jobs::Job> JobCreator::Prepare(const Principal& caller,
                                              const v1::CreateJobRequest& request) {
  if (deps_.drain_signal.draining()) return DrainingError();
  RETURN_IF_ERROR(CheckRequestId(request.request_id()));
  auto job = FromProto(request.job(), deps_.clock.WallNow());
  if (!job.ok()) return UnderField(job.status(), "job");
  ASSIGN_OR_RETURN(job->tenant, caller.Act(request.job().tenant()));
  job->request_id = request.request_id();
  job->id = NewId(job->created_at);
  const absl::Status checked = CheckJob(*job);
  if (!checked.ok()) return UnderField(checked, "job");
  return job;
}

absl::Status JobCreator::CheckJob(jobs::Job& job) {
  RETURN_IF_ERROR(fetch::ValidateJob(job, config_.url, job.created_at));
  RETURN_IF_ERROR(CheckTargets(job.spec, SubjectOf(job.tenant, job.id.name())));
  RETURN_IF_ERROR(config_.secrets->Check(job.spec, job.tenant, config_.url));
  return ResolveDestinations(job);
}

absl::Status JobCreator::ResolveDestinations(jobs::Job& job) const {
  if (job.more_destinations.size() > kMostMoreDestinations) {
    return InvalidField("more_destinations", Concat("at most ", kMostMoreDestinations));
  }
  ASSIGN_OR_RETURN(const Url url, Url::ParseSource(job.spec.urls[0], config_.url));
  const auto resolve = [&](const std::string& text) {
    return sink::ParseDestination(text, url, job.id, job.created_at);
  };
  job.destination_template = job.destination.empty() ? sink::kDefaultDestination : job.destination;
  std::vector<sink::Destination> all;
  ASSIGN_OR_RETURN(all.emplace_back(), resolve(job.destination_template));
  job.destination = all.front().ToString();
  for (std::size_t i = 0; i < job.more_destinations.size(); ++i) {
    jobs::MoreDestination& more = job.more_destinations[i];
    auto destination = resolve(more.asked_for);
    if (!destination.ok()) {
      return InvalidField(Concat("more_destinations[", i, ']'), MessageOf(destination.status()));
    }
    more.resolved = destination->ToString();
    all.push_back(*std::move(destination));
  }
  RETURN_IF_ERROR(sink::CheckTogether(all));
  for (const sink::Destination& destination : all) {
    RETURN_IF_ERROR(MayWrite(job.tenant, destination));
  }
  const bool head_to_file = job.spec.method == jobs::Method::kHead &&
                            all.front().kind != sink::Destination::Kind::kDiscard;
  if (!head_to_file) return absl::OkStatus();
  return InvalidField("spec.method", "a HEAD request has no body: use the destination discard:");
}

absl::Status JobCreator::MayWrite(const std::string& tenant,
                                  const sink::Destination& destination) const {
  const std::string text = destination.ToString();
  if (fetch::MayWriteTo(config_.tenants, tenant, text))
    return deps_.destinations.Check(destination);
  const std::string why = Concat("the tenant \"", tenant, "\" may not write to ", text,
                                 "; an operator grants it in tenants.<name>.destinations");
  return WithReason(WithField(absl::PermissionDeniedError(why), {"destination", why}),
                    {"DESTINATION_NOT_ALLOWED", {{"tenant", tenant}}});
}

absl::Status JobCreator::CheckSpec(const jobs::FetchSpec& spec, const std::string& tenant) const {
  RETURN_IF_ERROR(fetch::ValidateSpec(spec, config_.url));
  RETURN_IF_ERROR(CheckTargets(spec, SubjectOf(tenant, "")));
  return config_.secrets->Check(spec, tenant, config_.url);
}

egress::Subject JobCreator::SubjectOf(const std::string& tenant, std::string job) const {
  egress::Subject subject(deps_.policies.For(tenant));
  subject.tenant = tenant;
  subject.job = std::move(job);
  subject.decisions = deps_.decisions;
  return subject;
}

absl::Status JobCreator::CheckTargets(const jobs::FetchSpec& spec,
                                      const egress::Subject& subject) const {
  if (!deps_.has_tls_profile(spec.tls_profile)) {
    return InvalidField("spec.tls_profile", "this server has no such profile (tls.profiles)");
  }
  for (std::size_t i = 0; i < spec.urls.size(); ++i) {
    ASSIGN_OR_RETURN(const Url url, Url::ParseSource(spec.urls[i], config_.url));
    if (!url.names_object()) RETURN_IF_ERROR(CheckProxy(spec, url.origin()));
    const absl::Status may = MayFetch(url, subject);
    if (may.ok()) continue;
    return WithField(may, FieldViolation{Concat("spec.urls[", i, "]"), MessageOf(may)});
  }
  return absl::OkStatus();
}

absl::Status JobCreator::MayFetch(const Url& url, const egress::Subject& subject) const {
  if (url.names_object()) return deps_.destinations.CheckSource(url.object());
  const egress::Judgement judgement = subject.policy->JudgeUrl(url);
  subject.Note(url.Redacted(), judgement);
  return judgement.allowed() ? absl::OkStatus() : egress::DeniedError(judgement, url.origin());
}

absl::Status JobCreator::CheckProxy(const jobs::FetchSpec& spec, const Origin& origin) const {
  if (spec.proxy.empty()) return absl::OkStatus();
  const absl::Status checked = deps_.check_proxy(spec.proxy, origin);
  return WithField(checked, FieldViolation{"spec.proxy", MessageOf(checked)});
}

JobId JobCreator::NewId(WallTime now) {
  const std::lock_guard lock(mutex_);
  return JobId::Generate(now, random_);
}

Task<absl::StatusOr<jobs::CreateOutcome>> JobCreator::Create(jobs::Job job) {
  const jobs::TenantBounds bounds = fetch::BoundsOf(config_.tenants, job.tenant);
  absl::StatusOr<jobs::CreateOutcome> outcome =
      co_await deps_.store.CreateWithin(std::move(job), bounds);
  if (outcome.ok() && outcome->created) deps_.engine.Wake();
  co_return outcome;
}

Task<absl::StatusOr<jobs::Job>> JobCreator::PrepareInBatch(Principal caller,
                                                           v1::CreateJobRequest request) {
  const absl::StatusOr<BatchId> id = ParseBatchName(request.job().batch(), "job.batch");
  if (!id.ok()) co_return id.status();
  const absl::StatusOr<jobs::JobDefaults> defaults = co_await DefaultsOf(caller, *id);
  if (!defaults.ok()) co_return defaults.status();
  FillIn(*defaults, *request.mutable_job());
  absl::StatusOr<jobs::Job> job = Prepare(caller, request);
  const std::string tenant = jobs::TenantOf(*defaults);
  const bool anybodys = deps_.authenticator == nullptr;
  if (!job.ok() || anybodys || job->tenant == tenant) co_return job;
  co_return InvalidField("job.tenant", Concat("must be the batch's, which is ", tenant));
}

Task<absl::StatusOr<jobs::CreateOutcome>> JobCreator::CreateInBatch(Principal caller,
                                                                    v1::CreateJobRequest request,
                                                                    TraceContext trace) {
  absl::StatusOr<jobs::CreateOutcome> outcome =
      co_await TryInBatch(std::move(caller), request, std::move(trace));
  if (outcome.ok() || !IsRefusal(outcome.status())) co_return outcome;
  absl::StatusOr<BatchId> id = ParseBatchName(request.job().batch(), "job.batch");
  // What is no entry of a batch cannot be counted.
  if (!id.ok() || request.job().batch_entry() < 1) co_return outcome;
  jobs::BatchEntry entry = RefusedEntry(request, *std::move(id), outcome.status());
  const absl::Status counted = co_await deps_.store.RefuseEntry(std::move(entry));
  if (!counted.ok()) co_return counted;
  co_return outcome;
}

Task<absl::StatusOr<jobs::CreateOutcome>> JobCreator::TryInBatch(Principal caller,
                                                                 v1::CreateJobRequest request,
                                                                 TraceContext trace) {
  absl::StatusOr<jobs::Job> job = co_await PrepareInBatch(std::move(caller), std::move(request));
  if (!job.ok()) co_return job.status();
  job->spec.trace = std::move(trace);
  co_return co_await Create(*std::move(job));
}

Task<absl::StatusOr<jobs::JobDefaults>> JobCreator::DefaultsOf(Principal caller, BatchId id) {
  std::optional<jobs::JobDefaults> known = KnownDefaults(id);
  if (!known) {
    absl::StatusOr<jobs::Batch> batch = co_await deps_.store.GetBatch(id);
    if (!batch.ok()) co_return batch.status();
    known = std::move(batch->defaults);
    const std::lock_guard lock(mutex_);
    if (defaults_.size() >= kMostDefaults) defaults_.clear();
    defaults_[id] = *known;
  }
  if (!caller.Sees(jobs::TenantOf(*known))) co_return NoSuch(id);
  co_return *std::move(known);
}

std::optional<jobs::JobDefaults> JobCreator::KnownDefaults(const BatchId& id) {
  const std::lock_guard lock(mutex_);
  const auto known = defaults_.find(id);
  return known == defaults_.end() ? std::nullopt : std::optional(known->second);
}

}  // namespace fetchd::rpc
