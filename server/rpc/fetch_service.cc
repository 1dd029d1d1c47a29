#include "rpc/fetch_service.h"

#include <string>
#include <utility>

#include "base/object_uri.h"
#include "base/strings.h"
#include "rpc/auth_scope.h"
#include "rpc/convert_attempt.h"
#include "rpc/convert_job.h"
#include "rpc/convert_pacing.h"
#include "rpc/job_watch.h"
#include "rpc/patient_writer.h"
#include "rpc/status.h"

namespace fetchd::rpc {
namespace {

/// `call` keeps the writer alive while the watch writes to it. The permit is its place among all.
Task<absl::Status> RunWatch(const ServerDeps& deps, WakerHub& hub, WatchSpec spec,
                            Duration caller_idle, WatchSlot,
                            std::shared_ptr<WriteCall<v1::WatchJobsResponse>> call) {
  PatientWriter writer(*call, deps.clock, caller_idle, "go on with the last resume_token");
  const bool goes_on_to_the_end = spec.after && spec.until_done;
  JobWatch watch(deps, hub, std::move(spec), writer);
  if (goes_on_to_the_end) {
    // Then it ends and has not begun: HTTP has a status for that, with which browsers stop asking.
    CO_ASSIGN_OR_RETURN(const bool over, co_await watch.HasMissedNothing());
    if (over) co_return absl::OkStatus();
  }
  call->SendHeaders();
  co_return co_await watch.Run();
}

}  // namespace

FetchServiceImpl::FetchServiceImpl(const ServerDeps& deps, const ServerConfig& config,
                                   const Gate& gate, CallGroups& groups, WatchSlots& watches)
    : deps_(deps),
      config_(config),
      gate_(gate),
      groups_(groups),
      watches_(watches),
      hub_(deps.store),
      creator_(deps, config) {}

void FetchServiceImpl::BeginDrain() {
  std::vector<std::weak_ptr<CreateJobsCall>> streams;
  {
    const std::lock_guard lock(mutex_);
    streams.swap(creating_);
  }
  for (const auto& weak : streams) {
    if (const auto stream = weak.lock()) stream->EndForDrain();
  }
}

v1::Job FetchServiceImpl::Present(const jobs::Job& job) const {
  return ToProto(job, deps_.engine.ProgressOf(job.id));
}

grpc::ServerUnaryReactor* FetchServiceImpl::CreateJob(grpc::CallbackServerContext* context,
                                                      const v1::CreateJobRequest* request,
                                                      v1::Job* response) {
  const auto [call, caller] =
      gate_.Open("CreateJob", *context, [response] { return response->name(); });
  if (!caller.ok()) return EndCall(call, caller.status());
  if (!request->job().batch().empty()) {
    return StartCall(groups_.Next(), "CreateJob", call,
                     DoCreateInBatch(*caller, *request, call->trace(), response));
  }
  absl::StatusOr<jobs::Job> job = creator_.Prepare(*caller, *request);
  if (!job.ok()) return EndCall(call, job.status());
  if (request->validate_only()) {
    job->id = JobId();
    *response = ToProto(*job, std::nullopt);
    return EndCall(call, absl::OkStatus());
  }
  job->spec.trace = call->trace();
  return StartCall(groups_.Next(), "CreateJob", call, DoCreateJob(*std::move(job), response));
}

Task<absl::Status> FetchServiceImpl::DoCreateJob(jobs::Job job, v1::Job* response) {
  const absl::StatusOr<jobs::CreateOutcome> outcome = co_await creator_.Create(std::move(job));
  if (!outcome.ok()) co_return outcome.status();
  *response = Present(outcome->job);
  co_return absl::OkStatus();
}

Task<absl::Status> FetchServiceImpl::DoCreateInBatch(Principal caller, v1::CreateJobRequest request,
                                                     TraceContext trace, v1::Job* response) {
  if (request.validate_only()) {
    absl::StatusOr<jobs::Job> job =
        co_await creator_.PrepareInBatch(std::move(caller), std::move(request));
    if (!job.ok()) co_return job.status();
    job->id = JobId();
    *response = ToProto(*job, std::nullopt);
    co_return absl::OkStatus();
  }
  const absl::StatusOr<jobs::CreateOutcome> outcome =
      co_await creator_.CreateInBatch(std::move(caller), std::move(request), std::move(trace));
  if (!outcome.ok()) co_return outcome.status();
  *response = Present(outcome->job);
  co_return absl::OkStatus();
}

grpc::ServerBidiReactor<v1::CreateJobRequest, v1::CreateJobsResponse>* FetchServiceImpl::CreateJobs(
    grpc::CallbackServerContext* context) {
  CreateJobsCall::Caller caller{gate_.Admit("CreateJobs", *context), context->peer(),
                                TraceOf(*context)};
  const auto call = std::make_shared<CreateJobsCall>(creator_, groups_, gate_, std::move(caller));
  {
    const std::lock_guard lock(mutex_);
    std::erase_if(creating_, [](const auto& weak) { return weak.expired(); });
    creating_.push_back(call);
  }
  call->Start();
  // A drain that began meanwhile has not seen this stream.
  if (deps_.drain_signal.draining()) call->EndForDrain();
  return call.get();
}

grpc::ServerUnaryReactor* FetchServiceImpl::ListJobs(grpc::CallbackServerContext* context,
                                                     const v1::ListJobsRequest* request,
                                                     v1::ListJobsResponse* response) {
  const auto [call, caller] = gate_.Open("ListJobs", *context);
  if (!caller.ok()) return EndCall(call, caller.status());
  absl::StatusOr<jobs::JobFilter> filter = FromProto(request->filter());
  if (!filter.ok()) return EndCall(call, filter.status());
  const absl::Status narrowed = NarrowTo(*caller, *filter);
  if (!narrowed.ok()) return EndCall(call, narrowed);
  const absl::StatusOr<int> page_size = ReadPageSize(request->page_size());
  if (!page_size.ok()) return EndCall(call, page_size.status());
  return StartCall(groups_.Next(), "ListJobs", call,
                   DoListJobs(*std::move(filter), *page_size, request->page_token(), response));
}

Task<absl::Status> FetchServiceImpl::DoListJobs(jobs::JobFilter filter, int page_size,
                                                std::string page_token,
                                                v1::ListJobsResponse* response) {
  absl::StatusOr<jobs::JobPage> page =
      co_await deps_.store.List(std::move(filter), page_size, std::move(page_token));
  if (!page.ok()) co_return page.status();
  for (const jobs::Job& job : page->jobs) *response->add_jobs() = Present(job);
  response->set_next_page_token(page->next_page_token);
  co_return absl::OkStatus();
}

grpc::ServerWriteReactor<v1::WatchJobsResponse>* FetchServiceImpl::WatchJobs(
    grpc::CallbackServerContext* context, const v1::WatchJobsRequest* request) {
  const auto [call, caller] = gate_.Open<WriteCall<v1::WatchJobsResponse>>("WatchJobs", *context);
  if (!caller.ok()) return EndCall(call, caller.status());
  absl::StatusOr<WatchSpec> spec = FromProto(*request, *caller);
  if (!spec.ok()) return EndCall(call, spec.status());
  absl::StatusOr<WatchSlot> slot = watches_.Take(*caller);
  if (!slot.ok()) return EndCall(call, slot.status());
  call->Of(context);
  return StartCall(
      groups_.Next(), "WatchJobs", call,
      RunWatch(deps_, hub_, *std::move(spec), config_.caller_idle, *std::move(slot), call));
}

grpc::ServerUnaryReactor* FetchServiceImpl::CheckUrl(grpc::CallbackServerContext* context,
                                                     const v1::CheckUrlRequest* request,
                                                     v1::CheckUrlResponse* response) {
  const auto [call, caller] = gate_.Open("CheckUrl", *context);
  if (!caller.ok()) return EndCall(call, caller.status());
  const absl::StatusOr<std::string> tenant = caller->Act(request->tenant());
  if (!tenant.ok()) return EndCall(call, tenant.status());
  response->set_url(request->url());
  response->set_tenant(*tenant);
  response->set_mode(egress::ModeName(deps_.policies.For(*tenant)->mode()));
  absl::StatusOr<Url> url = Url::ParseSource(request->url(), config_.url);
  if (!url.ok()) {
    response->set_rule("url");
    response->set_reason("INVALID_URL");
    response->set_detail(MessageOf(url.status()));
    return EndCall(call, absl::OkStatus());
  }
  if (url->names_object()) {
    CheckSource(url->object(), *response);
    return EndCall(call, absl::OkStatus());
  }
  return StartCall(groups_.Next(), "CheckUrl", call,
                   DoCheckUrl(*std::move(url), *tenant, response));
}

void FetchServiceImpl::CheckSource(const ObjectUri& object, v1::CheckUrlResponse& response) const {
  const absl::Status may = deps_.destinations.CheckSource(object);
  response.set_allowed(may.ok());
  response.set_reason("ALLOWED");
  if (may.ok()) return;
  const std::optional<Reason> reason = GetReason(may);
  response.set_rule(reason ? reason->metadata.front().second : "stores");
  response.set_reason("SOURCE_DENIED");
  response.set_detail(MessageOf(may));
}

Task<absl::Status> FetchServiceImpl::DoCheckUrl(Url url, std::string tenant,
                                                v1::CheckUrlResponse* response) {
  const Origin origin = url.origin();
  const egress::Judgement of_url = deps_.policies.For(tenant)->JudgeUrl(url);
  const absl::StatusOr<egress::Judgement> judged =
      co_await deps_.engine.Check(std::move(url), std::move(tenant));
  const egress::Judgement& judgement = judged.ok() ? *judged : of_url;
  response->set_allowed(judgement.allowed());
  response->set_rule(judgement.rule);
  response->set_reason(egress::VerdictName(judgement.verdict));
  if (!judgement.allowed()) {
    response->set_detail(MessageOf(egress::DeniedError(judgement, origin)));
  } else if (judgement.passed) {
    response->set_detail(Concat("let through by the mode \"", egress::ModeName(judgement.mode),
                                "\": ", MessageOf(egress::DeniedError(judgement, origin))));
  } else if (judged.ok()) {
    response->set_detail("the egress policy allows this target");
  } else {
    response->set_detail(Concat("the URL is allowed; its addresses are judged when it has some: ",
                                MessageOf(judged.status())));
  }
  co_return absl::OkStatus();
}

}  // namespace fetchd::rpc
