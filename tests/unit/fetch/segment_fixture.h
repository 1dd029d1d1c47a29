// Jobs whose bodies are read over several connections, against an origin whose lines have speeds.
#pragma once

#include <boost/asio/post.hpp>
#include <cstring>
#include <map>

#include "unit/fetch/fetch_fixture.h"

namespace fetchd::fetch {

/// What the origin does otherwise than it should with one request.
struct Misbehaviour {
  absl::Status error;                        ///< Instead of a head.
  int status = 0;                            ///< 0 = 206 or 200, as is right.
  std::string etag;                          ///< Empty = the right one.
  std::optional<std::uint64_t> length;       ///< The complete length that it names.
  std::uint64_t shift = 0;                   ///< The part begins so much later.
  std::optional<std::uint64_t> reset_after;  ///< Bytes.
  std::optional<std::uint64_t> stall_after;  ///< Bytes: then none comes for as long as it may.
  Duration head_wait{};
  double slower = 1;  ///< So often slower is this line.
};

/// Serves one body, each line at its speed, a piece of the tests' a second, and all together at no
/// more than theirs.
class LineOrigin final : public http::Client {
 public:
  LineOrigin(Clock& clock, std::string body) : clock_(clock) { Become(std::move(body)); }

  /// What is being sent stays what it was.
  void Become(std::string body) { body_ = std::make_shared<const std::string>(std::move(body)); }

  double line_bytes_per_sec = 128 << 10;
  double all_bytes_per_sec = 1e12;
  std::string etag = "\"v1\"";
  bool honours_ranges = true;
  std::map<std::size_t, Misbehaviour> misbehaviours;  ///< By the number of the request, from 0.
  std::function<void(std::size_t number)> on_request = nullptr;
  std::size_t max_open = 1000;  ///< Further requests wait for a place as long as they may.

  Task<absl::StatusOr<http::Response>> Send(http::Request request, http::Call call) override;

  std::vector<http::Request> requests;
  std::size_t open = 0, most_open = 0;
  std::uint64_t sent_bytes = 0;
  std::string Header(std::size_t n, std::string_view name) const {
    for (const http::Header& header : requests.at(n).headers) {
      if (header.name == name) return header.value;
    }
    return "";
  }

 private:
  friend class LineBody;
  Clock& clock_;
  std::shared_ptr<const std::string> body_;
  SteadyTime all_free_at_{};
};

class LineBody final : public http::Body {
 public:
  LineBody(LineOrigin& origin, std::uint64_t first, std::uint64_t end, Misbehaviour odd,
           Deadline deadline)
      : origin_(origin),
        body_(origin.body_),
        at_(first),
        first_(first),
        end_(end),
        odd_(std::move(odd)),
        deadline_(deadline) {
    origin_.most_open = std::max(origin_.most_open, ++origin_.open);
  }
  ~LineBody() override { --origin_.open; }
  LineBody(const LineBody&) = delete;
  LineBody& operator=(const LineBody&) = delete;

  Task<absl::StatusOr<std::size_t>> Read(std::span<std::byte> out) override {
    co_await asio::post(co_await asio::this_coro::executor, asio::use_awaitable);
    if (odd_.reset_after && at_ - first_ >= *odd_.reset_after) {
      co_return absl::UnavailableError("connection reset");
    }
    if (odd_.stall_after && at_ - first_ >= *odd_.stall_after) {
      co_await origin_.clock_.SleepFor(std::chrono::seconds(30));
      co_return absl::DeadlineExceededError("read idle");
    }
    constexpr std::size_t kSegment = std::size_t{8} << 10;
    const auto size = std::min({out.size(), kSegment, static_cast<std::size_t>(end_ - at_)});
    if (size == 0) co_return 0;
    co_await origin_.clock_.SleepUntil(std::min(Arrival(size), deadline_.at()));
    if (deadline_.Passed(origin_.clock_)) co_return absl::DeadlineExceededError("total");
    std::memcpy(out.data(), body_->data() + at_, size);
    at_ += size;
    origin_.sent_bytes += size;
    co_return size;
  }
  std::size_t Buffered() const override { return 0; }

 private:
  static Duration Time(double bytes, double rate) {
    return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(bytes / rate));
  }
  SteadyTime Arrival(std::size_t size) {
    const SteadyTime now = origin_.clock_.Now();
    const auto bytes = static_cast<double>(size);
    free_at_ = std::max(free_at_, now) + Time(bytes * odd_.slower, origin_.line_bytes_per_sec);
    SteadyTime& all = origin_.all_free_at_;
    all = std::max(all, now) + Time(bytes, origin_.all_bytes_per_sec);
    return std::max(free_at_, all);
  }

  LineOrigin& origin_;
  const std::shared_ptr<const std::string> body_;
  std::uint64_t at_;
  const std::uint64_t first_, end_;
  const Misbehaviour odd_;
  const Deadline deadline_;
  SteadyTime free_at_{};
};

inline Task<absl::StatusOr<http::Response>> LineOrigin::Send(http::Request request,
                                                             http::Call call) {
  co_await asio::post(co_await asio::this_coro::executor, asio::use_awaitable);
  const std::size_t number = requests.size();
  requests.push_back(request);
  const Misbehaviour odd = misbehaviours.contains(number) ? misbehaviours[number] : Misbehaviour();
  http::ExchangeRecord unwanted;
  http::ExchangeRecord& record = call.records != nullptr ? call.records->emplace_back() : unwanted;
  record.begun_at = clock_.Now();
  if (open >= max_open) {
    record.failed_phase = Phase::kPoolWait;
    co_await clock_.SleepFor(std::min<Duration>(call.timeouts.pool_wait, std::chrono::hours(1)));
    co_return absl::DeadlineExceededError("pool wait");
  }
  record.served_at = clock_.Now();
  if (odd.head_wait > Duration::zero()) co_await clock_.SleepFor(odd.head_wait);
  if (!odd.error.ok()) co_return odd.error;
  if (on_request) on_request(number);
  std::uint64_t first = 0, end = body_->size();
  const std::string range = Header(number, "Range");
  const std::string if_range = Header(number, "If-Range");
  const bool part = honours_ranges && !range.empty() && (if_range.empty() || if_range == etag);
  http::ResponseHead head;
  head.status = part ? 206 : 200;
  if (part) {
    const std::size_t dash = range.find('-');
    first = std::stoull(range.substr(6, dash - 6)) + odd.shift;
    if (dash + 1 < range.size())
      end = std::min<std::uint64_t>(end, std::stoull(range.substr(dash + 1)) + 1);
    head.headers.Add("Content-Range", Concat("bytes ", first, '-', end - 1, '/',
                                             odd.length.value_or(body_->size())));
  }
  if (odd.status != 0) head.status = odd.status;
  const std::string tag = odd.etag.empty() ? etag : odd.etag;
  if (!tag.empty()) head.headers.Add("ETag", tag);
  record.status = head.status;
  auto body = std::make_unique<LineBody>(*this, first, end, odd, call.deadline);
  co_return http::Response{std::move(head), end - first, request.url, std::move(body)};
}

class SegmentTest : public FetchTest {
 protected:
  SegmentTest() {
    destinations_ = *sink::Destinations::Open(root_, clock_, pool_, loop_.get_executor(), calls());
    config_.segments.min_bytes = kPieceBytes;
    config_.segments.min_piece_bytes = config_.segments.max_piece_bytes = kPieceBytes;
  }
  ~SegmentTest() override { destinations_.reset(); }

  static constexpr std::uint64_t kPieceBytes = std::uint64_t{128} << 10;
  /// All is on one thread: when nothing is ready, time is what is waited for.
  void Step() override {
    loop_.restart();
    if (loop_.poll_one() > 0) return;
    if (const auto next = clock_.NextWakeAt()) clock_.Advance(*next - clock_.Now());
  }

  static sink::FileCalls& calls() { return sink::SystemFileCalls(); }

  TransferDeps SegmentDeps() {
    return {clock_,  origin_, subject_, buffers_, config_, pacer_, bandwidth_, [](const Origin&) {},
            nullptr, &spares_};
  }
  JobRunDeps SegmentRunDeps() {
    return {SegmentDeps(), 0,         loop_.get_executor(), store_, health_, log_, *destinations_,
            counters_,     draining_, [] { return 0.5; }};
  }

  /// Claims the job; its run is here until the next one.
  JobRun& Claim(const JobId& id) {
    auto claims = *Await(store_.ClaimReady(1, {}));
    EXPECT_EQ(claims.size(), 1u);
    EXPECT_EQ(claims.at(0).job.id, id);
    Permit permit = transfers_.TryAcquire(1);
    OriginPacer::Turn turn = pacer_.Begin(kOrigin, claims.at(0).job.attempt > 1);
    run_.emplace(SegmentRunDeps(), std::move(claims.at(0)), std::move(permit), std::move(turn),
                 Duration());
    return *run_;
  }
  JobId Create(jobs::Job job) {
    const JobId id = job.id;
    EXPECT_TRUE(Await(store_.Create(std::move(job))).ok());
    return id;
  }
  /// One attempt of a new job.
  jobs::Job Run(jobs::Job job) {
    const JobId id = Create(std::move(job));
    return RunAgain(id);
  }
  jobs::Job Run() { return Run(NewJob()); }
  jobs::Job RunAgain(const JobId& id) {
    Await(Claim(id).Run()).IgnoreError();  // What counts is what the store says.
    return *Await(store_.Get(id));
  }
  /// One attempt that is stopped as soon as `when` is true.
  jobs::Job RunUntil(const std::function<bool()>& when, StopReason reason) {
    return RunUntil(Create(NewJob()), when, [this, reason] { run_->Stop(reason); });
  }
  jobs::Job RunUntil(const JobId& id, const std::function<bool()>& when,
                     const std::function<void()>& then) {
    std::optional<absl::Status> result;
    runtime::TaskGroup group(loop_.get_executor());
    group.Spawn("run", Keep(Claim(id).Run(), &result));
    while (group.size() > 0 && !when()) Step();
    EXPECT_GT(group.size(), 0u) << "ended before it was to be stopped";
    then();
    RunLoop(group);
    return *Await(store_.Get(id));
  }

  /// All that an attempt held is back.
  void ExpectNothingHeld() {
    run_.reset();
    EXPECT_EQ(buffers_.budget().in_use(), 0u);
    EXPECT_EQ(transfers_.in_use(), 0u);
    EXPECT_EQ(spares_.in_use(), 0u);
    EXPECT_EQ(origin_.open, 0u);
    EXPECT_EQ(pacer_.StateOf(kOrigin).transfers, 0u);
  }
  jobs::SegmentsRecord Segments(const JobId& id) { return Attempts(id).back().segments; }

  const Origin kOrigin{"https", "example.org", 443};
  static const std::string& TheBody() {
    static const std::string body = Pattern(24 * kPieceBytes);
    return body;
  }

  const std::string& body_ = TheBody();
  LineOrigin origin_{clock_, body_};
  int freed_ = 0;
  SpareTransfers spares_{transfers_, pacer_, [this] { ++freed_; }};
  std::optional<JobRun> run_;
};

}  // namespace fetchd::fetch
