#include "simulation/callers.h"

#include <array>

namespace fetchd::simulation {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t kTasks = 2;
constexpr std::uint64_t kResources = 4;

JobId RandomOf(const Ledger& ledger, Dice& dice) {
  const std::vector<JobId> ids = ledger.ids();
  return ids.empty() ? JobId() : ids[dice.Below(ids.size())];
}

}  // namespace

/// Takes its time, and goes away when it likes.
class Callers::Receiver final : public fetch::StreamReceiver {
 public:
  explicit Receiver(Scene& scene) : scene_(scene) {}
  Task<absl::Status> OnHead(fetch::StreamHead) override { co_return absl::OkStatus(); }
  Task<absl::Status> OnBytes(std::uint64_t offset, sink::Buffer bytes) override {
    if (offset != body.size()) scene_.trace.Violated("a stream left bytes out");
    body.append(reinterpret_cast<const char*>(bytes.bytes().data()), bytes.size());
    if (scene_.dice.Chance(0.2)) {
      const Duration wait = scene_.dice.Between(1ms, Duration(2s));
      co_await scene_.clock.SleepFor(wait);
    }
    if (scene_.dice.Chance(0.05)) co_return absl::CancelledError("the caller has gone");
    co_return absl::OkStatus();
  }
  std::string body;

 private:
  Scene& scene_;
};

Callers::Callers(Scene& scene, Checks& checks, Life& life, std::uint64_t actions, Duration span)
    : scene_(scene),
      checks_(checks),
      life_(life),
      group_(scene.scheduler.runtime().shard(0).executor()) {
  for (std::uint64_t i = 0; i < kTasks; ++i) {
    group_.Spawn("caller", Act((actions + i) / kTasks, span));
  }
}

void Callers::Join() {
  group_.Cancel();
  scene_.scheduler.Run(group_.Join());
}

Task<absl::Status> Callers::Act(std::uint64_t actions, Duration span) {
  for (std::uint64_t i = 0; i < actions; ++i) {
    const Duration wait = scene_.dice.Between(0ms, 2 * span / actions);
    co_await scene_.clock.SleepFor(wait);
    // What comes of it the checks see.
    const absl::Status done = co_await Once();
    done.IgnoreError();
  }
  co_return absl::OkStatus();
}

Task<absl::Status> Callers::Once() {
  const JobId id = RandomOf(scene_.ledger, scene_.dice);
  const auto what = scene_.dice.Below(12);
  if (what <= 1 || id.str().empty()) co_return co_await Submit();
  if (what == 2) co_return co_await Fetch();
  if (what == 3) SetWallClock();
  if (what == 3) co_return absl::OkStatus();
  if (what <= 5) {
    scene_.trace.Note("cancel ", id.str());
    co_return (co_await life_.engine().Cancel(id)).status();
  }
  if (what <= 7) {
    scene_.trace.Note("pause ", id.str());
    co_return (co_await life_.engine().Pause(id)).status();
  }
  if (what <= 9) co_return co_await Change(id, jobs::ResumeRequested());
  if (what == 10) co_return co_await Change(id, jobs::RetryRequested());
  if (scene_.dice.Chance(0.5)) co_return co_await life_.store().Delete(id);
  const absl::StatusOr<jobs::Job> job = co_await life_.store().Get(id);
  CO_RETURN_IF_ERROR(job.status());
  static_cast<void>(life_.engine().WaitOf(*job));
  co_return absl::OkStatus();
}

Task<absl::Status> Callers::Change(JobId id, jobs::Change change) {
  const absl::StatusOr<jobs::Job> changed =
      co_await life_.store().Update(std::move(id), std::move(change));
  CO_RETURN_IF_ERROR(changed.status());
  life_.engine().Wake();
  co_return absl::OkStatus();
}

Task<absl::Status> Callers::ResumeAll() {
  for (const JobId& id : scene_.ledger.ids()) {
    const absl::Status resumed = co_await Change(id, jobs::ResumeRequested());
    resumed.IgnoreError();  // It has ended.
  }
  co_return absl::OkStatus();
}

void Callers::SetWallClock() {
  const Duration by = scene_.dice.Between(-kWallError, kWallError);
  const WallTime to = scene_.clock.TrueWall() + std::chrono::duration_cast<WallTime::duration>(by);
  scene_.trace.Note("the wall clock is set ",
                    std::chrono::duration_cast<std::chrono::seconds>(by).count(), " s off");
  scene_.clock.SetWall(to);
}

Task<absl::Status> Callers::Submit() {
  const absl::StatusOr<jobs::CreateOutcome> created = co_await life_.store().Create(NewJob());
  CO_RETURN_IF_ERROR(created.status());
  life_.engine().Wake();
  co_return absl::OkStatus();
}

Task<absl::Status> Callers::Fetch() {
  const jobs::FetchSpec spec = NewSpec();
  if (spec.range || spec.method == jobs::Method::kHead) co_return absl::OkStatus();
  Receiver receiver(scene_);
  const Deadline deadline = Deadline::After(scene_.clock, 60s);
  const absl::StatusOr<fetch::StreamEnd> end =
      co_await life_.engine().Stream(spec, 0, deadline, receiver, jobs::kDefaultTenant);
  checks_.Streamed(spec, receiver.body, end.ok());
  co_return end.status();
}

jobs::FetchSpec Callers::NewSpec() {
  Dice& dice = scene_.dice;
  constexpr std::array<const char*, 3> kKinds = {"f", "f", "r"};
  const std::string path = Concat('/', std::string_view(dice.Pick(kKinds)), dice.Below(kResources));
  jobs::FetchSpec spec;
  spec.urls = {Concat("http://one.example.org", path)};
  if (dice.Chance(0.2)) spec.urls.push_back(Concat("http://two.example.org", path));
  if (dice.Chance(0.05)) spec.method = jobs::Method::kHead;
  if (dice.Chance(0.15)) {
    spec.range = ByteRange{dice.Below(50), std::nullopt};
    if (dice.Chance(0.5)) spec.range->last = spec.range->first + dice.Below(2000);
  } else if (dice.Chance(0.3)) {
    const std::string bytes = scene_.origins.Current(ResourceOf(*Url::Parse(spec.urls[0]))).bytes;
    Digester digester({DigestAlgorithm::kSha256});
    digester.Update(std::as_bytes(std::span(bytes)));
    spec.digests = digester.Finish();
  }
  if (dice.Chance(0.1)) spec.max_bytes_per_sec = 50'000 + dice.Below(5000);
  if (dice.Chance(0.3)) spec.retry.max_attempts = static_cast<int>(1 + dice.Below(6));
  if (dice.Chance(0.1)) spec.timeouts.total = dice.Between(1s, Duration(10s));
  return spec;
}

jobs::Job Callers::NewJob() {
  Dice& dice = scene_.dice;
  constexpr std::array kOverwrites = {jobs::Overwrite::kAlways, jobs::Overwrite::kNever,
                                      jobs::Overwrite::kIfDifferent};
  const WallTime now = scene_.clock.WallNow();
  jobs::Job job;
  job.id = JobId::Generate(now, dice.random());
  job.spec = NewSpec();
  job.destination = dice.Chance(0.1)   ? "discard:"
                    : dice.Chance(0.8) ? Concat("file:", job.id.str(), "/body")
                                       : Concat("file:shared/", dice.Below(2));
  job.destination_template = job.destination;
  job.overwrite = dice.Pick(kOverwrites);
  if (dice.Chance(0.3)) job.tenant = "other";
  job.priority = static_cast<int>(dice.Below(3)) - 1;
  job.created_at = job.ready_at = now;
  job.deadline_at = now + (dice.Chance(0.2) ? dice.Between(5s, Duration(60s)) : Duration(12h));
  if (dice.Chance(0.1)) {
    job.not_before_at = now + dice.Between(1s, Duration(30s));
    job.ready_at = *job.not_before_at;
  }
  return job;
}

}  // namespace fetchd::simulation
