#include "fetch/shared_reads.h"

#include <algorithm>
#include <boost/asio/steady_timer.hpp>
#include <cstring>
#include <deque>
#include <map>
#include <random>
#include <utility>
#include <vector>

#include "base/digest.h"
#include "base/strings.h"
#include "fetch/resume.h"

namespace fetchd::fetch {
namespace {

constexpr std::size_t kChunkBytes = std::size_t{256} << 10;
/// Of a body that nobody wants any more so much is read, so that its connection is used again.
constexpr std::uint64_t kLingerBytes = std::uint64_t{128} << 10;

bool MayShare(const http::Request& request) {
  if (request.method != "GET" || request.decode) return false;
  return std::ranges::none_of(request.headers, [](const http::Header& header) {
    const std::string name = AsciiLower(header.name);
    return name == "range" || name.starts_with("if-");
  });
}

/// Texts one after the other, each with its length: no two lists make the same bytes.
class Transcript {
 public:
  void Add(std::string_view text) { text_ += Concat(text.size(), ':', text); }
  void Add(Duration duration) { Add(Concat(duration.count())); }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

void AddCredentials(const Credentials& credentials, Transcript& transcript) {
  transcript.Add(Concat(credentials.index()));
  if (const auto* basic = std::get_if<BasicCredentials>(&credentials)) {
    transcript.Add(basic->username);
    transcript.Add(basic->password.Reveal());
  } else if (const auto* digest = std::get_if<DigestCredentials>(&credentials)) {
    transcript.Add(digest->username);
    transcript.Add(digest->password.Reveal());
  } else if (const auto* bearer = std::get_if<BearerCredentials>(&credentials)) {
    transcript.Add(bearer->token.Reveal());
  }
}

/// Who is judged otherwise reads by himself: one may see what the other may not contact. As numbers
/// that no two policies have at the same time; the read holds its own.
void AddPolicies(const egress::Subject* subject, Transcript& transcript) {
  for (const egress::Policy* policy : {subject ? subject->policy.get() : nullptr,
                                       subject ? subject->store_policy.get() : nullptr}) {
    transcript.Add(Concat(reinterpret_cast<std::uintptr_t>(policy)));
  }
}

std::string RandomSecret() {
  std::random_device device;
  std::string secret;
  while (secret.size() < 32) secret += static_cast<char>(device());
  return secret;
}

}  // namespace

struct SharedReads::Chunk {
  std::uint64_t offset;
  sink::Buffer bytes;
  std::uint64_t end() const { return offset + bytes.size(); }
};

struct SharedReads::Reader {
  std::uint64_t at = 0;  ///< Of the next byte that it takes.
  bool alone = false;    ///< It fell behind: what it has not taken is in `rest`.
  std::deque<std::shared_ptr<const Chunk>> rest;
  std::unique_ptr<http::Body> body;  ///< What follows is its own.
};

/// One read: a task that asks and reads, and those who take from it. They all keep it alive.
class SharedReads::Flight {
 public:
  Flight(const Deps& deps, http::Request request, http::Timeouts timeouts)
      : deps_(deps),
        request_(std::move(request)),
        news_(deps.executor, asio::steady_timer::time_point::max()),
        room_(deps.executor, asio::steady_timer::time_point::max()) {
    call_.timeouts = timeouts;
    call_.records = &records_;
  }

  void Start(runtime::TaskGroup& group, const std::shared_ptr<Flight>& self) {
    task_ = group.Spawn("shared read", Run(self));
  }

  bool CanBeJoined() const {
    if (readers_.empty() || first_held_ > 0 || scattered_) return false;
    return !(ended_ && !end_.ok()) && (!head_ || shareable_);
  }
  /// Until it is one reader's own.
  bool is_shared() const { return !scattered_; }
  void Enter(Reader& reader) { readers_.push_back(&reader); }
  void Leave(Reader& reader, bool linger) {
    std::erase(readers_, &reader);
    room_.cancel();
    if (readers_.empty() && !linger && !ended_) task_.Cancel();
  }

  /// Once there is a head, or an error instead of one.
  Task<absl::StatusOr<bool>> AwaitHead() {
    while (!head_ && !ended_) co_await news_.async_wait(kTuple);
    if (!head_) co_return end_;
    co_return true;
  }
  /// The body that follows the head is for `reader`, whoever else waits for it too.
  bool IsFor(const Reader& reader) const { return shareable_ || reader.body != nullptr; }
  http::Response ResponseFor(std::unique_ptr<http::Body> body) const {
    return {*head_, content_length_, request_.url, std::move(body), failure_};
  }

  Task<absl::StatusOr<std::size_t>> Read(Reader& reader, std::span<std::byte> out, http::Call call);
  std::size_t Buffered(const Reader& reader) const;
  const http::Headers& Trailers(const Reader& reader) const {
    return reader.body ? reader.body->Trailers() : trailers_;
  }
  const std::vector<http::ExchangeRecord>& records() const { return records_; }

 private:
  Task<absl::Status> Run(std::shared_ptr<Flight> self);
  Task<absl::Status> AskAndRead();
  Task<absl::Status> ReadOn(std::unique_ptr<http::Body> body);
  Task<absl::StatusOr<sink::Buffer>> AcquireBuffer();
  Task<bool> HasRoom();
  void Scatter(std::unique_ptr<http::Body> body);
  void LeaveAlone(Reader& reader);
  Reader* Slowest() const;
  bool OthersAreAhead(const Reader& reader) const;
  void Forget();
  std::shared_ptr<const Chunk> ChunkAt(const Reader& reader) const;
  Task<absl::Status> GoOnAlone(Reader& reader, http::Call call);
  Task<absl::Status> AwaitNews(http::Call call);

  const Deps& deps_;
  const http::Request request_;
  http::Call call_;
  std::vector<http::ExchangeRecord> records_;
  runtime::TaskHandle task_;
  asio::steady_timer news_;  ///< Never expires; cancelled for those who wait for a head or bytes.
  asio::steady_timer room_;  ///< The same for the task, when a reader took something or left.

  std::vector<Reader*> readers_;  ///< In the order in which they came.
  std::optional<http::ResponseHead> head_;
  std::optional<std::uint64_t> content_length_;
  std::optional<absl::Status> failure_;
  Validator validator_;
  bool shareable_ = false;  ///< Of the head.
  bool scattered_ = false;  ///< Each reader goes on by itself.
  std::deque<std::shared_ptr<const Chunk>> chunks_;
  std::uint64_t first_held_ = 0;  ///< The offset of chunks_.front().
  std::uint64_t size_ = 0;        ///< Bytes that have come.
  bool ended_ = false;
  absl::Status end_;
  http::Headers trailers_;
};

Task<absl::Status> SharedReads::Flight::Run(std::shared_ptr<Flight> self) {
  absl::Status end = co_await self->AskAndRead();
  self->ended_ = !self->scattered_;
  self->end_ = std::move(end);
  self->news_.cancel();
  co_return absl::OkStatus();
}

Task<absl::Status> SharedReads::Flight::AskAndRead() {
  http::Request request = request_;
  absl::StatusOr<http::Response> response = co_await deps_.client.Send(std::move(request), call_);
  CO_RETURN_IF_ERROR(response.status());
  head_ = std::move(response->head);
  content_length_ = response->content_length;
  failure_ = std::move(response->failure);
  validator_ = ValidatorOf(head_->headers);
  const bool fits = content_length_ && *content_length_ <= kHeld;
  shareable_ = fits || (head_->status == 200 && !validator_.empty());
  news_.cancel();
  if (!shareable_) {
    Scatter(std::move(response->body));
    co_return absl::OkStatus();
  }
  co_return co_await ReadOn(std::move(response->body));
}

Task<absl::Status> SharedReads::Flight::ReadOn(std::unique_ptr<http::Body> body) {
  while (true) {
    const bool one_left = readers_.size() == 1 && size_ >= kHeld;
    if (one_left || !co_await HasRoom()) {
      Scatter(std::move(body));
      co_return absl::OkStatus();
    }
    if (readers_.empty() && size_ >= kLingerBytes) co_return absl::OkStatus();
    absl::StatusOr<sink::Buffer> buffer = co_await AcquireBuffer();
    if (!buffer.ok()) {
      Scatter(std::move(body));
      co_return absl::OkStatus();
    }
    CO_ASSIGN_OR_RETURN(const std::size_t got, co_await body->Read(buffer->free_space()));
    if (got == 0) {
      trailers_ = body->Trailers();
      co_return absl::OkStatus();
    }
    buffer->Grow(got);
    chunks_.push_back(std::make_shared<Chunk>(size_, *std::move(buffer)));
    size_ += got;
    Forget();
    news_.cancel();
  }
}

// Others may be those who hold what is wanted: who reads alone needs none, and several part soon.
Task<absl::StatusOr<sink::Buffer>> SharedReads::Flight::AcquireBuffer() {
  const std::uint64_t left = content_length_ ? *content_length_ - size_ : kChunkBytes;
  const auto wanted = static_cast<std::size_t>(std::clamp<std::uint64_t>(left, 1, kChunkBytes));
  const Duration patience = readers_.size() > 1 ? kPatience : Duration::zero();
  co_return co_await deps_.buffers.Acquire(wanted, deps_.clock,
                                           Deadline::After(deps_.clock, patience));
}

// False when nobody is left to share with.
Task<bool> SharedReads::Flight::HasRoom() {
  while (!readers_.empty()) {
    Reader* slowest = Slowest();
    if (size_ < slowest->at + kHeld) co_return true;
    const std::uint64_t before = slowest->at;
    const std::size_t first = co_await FirstOf(Expiry(room_), deps_.clock.SleepFor(kPatience));
    const bool stuck = first == 1 && !readers_.empty() && Slowest() == slowest &&
                       slowest->at == before && OthersAreAhead(*slowest);
    if (stuck) LeaveAlone(*slowest);
    if (readers_.size() == 1) co_return false;
  }
  co_return true;
}

SharedReads::Reader* SharedReads::Flight::Slowest() const {
  return *std::ranges::min_element(readers_, {}, &Reader::at);
}

bool SharedReads::Flight::OthersAreAhead(const Reader& reader) const {
  return std::ranges::any_of(readers_, [&](const Reader* other) { return other->at > reader.at; });
}

// The first to have come goes on with the body, the others on their own.
void SharedReads::Flight::Scatter(std::unique_ptr<http::Body> body) {
  scattered_ = true;
  const std::vector<Reader*> readers = readers_;
  for (Reader* reader : readers) {
    const bool first = reader == readers.front();
    LeaveAlone(*reader);
    if (first) reader->body = std::move(body);
  }
  chunks_.clear();
  news_.cancel();
}

void SharedReads::Flight::LeaveAlone(Reader& reader) {
  for (const std::shared_ptr<const Chunk>& chunk : chunks_) {
    if (chunk->end() > reader.at) reader.rest.push_back(chunk);
  }
  reader.alone = true;
  if (!scattered_) {
    std::erase(readers_, &reader);
    deps_.counters.left.fetch_add(1, std::memory_order_relaxed);
  }
  news_.cancel();
}

/// Drops what all have taken, once there is more than a later one could join for.
void SharedReads::Flight::Forget() {
  if (size_ <= kHeld || readers_.empty()) return;
  const std::uint64_t taken = Slowest()->at;
  while (!chunks_.empty() && chunks_.front()->end() <= taken) {
    first_held_ = chunks_.front()->end();
    chunks_.pop_front();
  }
}

std::shared_ptr<const SharedReads::Chunk> SharedReads::Flight::ChunkAt(const Reader& reader) const {
  const auto& chunks = reader.alone ? reader.rest : chunks_;
  for (const std::shared_ptr<const Chunk>& chunk : chunks) {
    if (reader.at < chunk->end()) return chunk;
  }
  return nullptr;
}

std::size_t SharedReads::Flight::Buffered(const Reader& reader) const {
  if (const auto chunk = ChunkAt(reader)) return static_cast<std::size_t>(chunk->end() - reader.at);
  return reader.body ? reader.body->Buffered() : 0;
}

Task<absl::StatusOr<std::size_t>> SharedReads::Flight::Read(Reader& reader,
                                                            std::span<std::byte> out,
                                                            http::Call call) {
  while (true) {
    if (const auto chunk = ChunkAt(reader)) {
      const auto bytes =
          chunk->bytes.bytes().subspan(static_cast<std::size_t>(reader.at - chunk->offset));
      const std::size_t size = std::min(out.size(), bytes.size());
      std::memcpy(out.data(), bytes.data(), size);
      reader.at += size;
      if (!reader.rest.empty() && reader.rest.front()->end() <= reader.at) reader.rest.pop_front();
      if (!reader.alone) room_.cancel();
      co_return size;
    }
    if (reader.body) co_return co_await reader.body->Read(out);
    if (reader.alone && content_length_ == reader.at) co_return 0;
    if (reader.alone) {
      CO_RETURN_IF_ERROR(co_await GoOnAlone(reader, call));
      continue;
    }
    if (ended_ && !end_.ok()) co_return end_;
    if (ended_) co_return 0;
    CO_RETURN_IF_ERROR(co_await AwaitNews(call));
  }
}

// The read has timeouts of its own; without news it ends by them, soon enough for most deadlines.
Task<absl::Status> SharedReads::Flight::AwaitNews(http::Call call) {
  const Duration longest = call_.timeouts.read_idle + kPatience;
  if (!call.deadline.Passed(deps_.clock.Now() + longest)) {
    co_await news_.async_wait(kTuple);
    co_return absl::OkStatus();
  }
  const std::size_t first =
      co_await FirstOf(Expiry(news_), deps_.clock.SleepUntil(call.deadline.at()));
  if (first == 0) co_return absl::OkStatus();
  co_return absl::DeadlineExceededError("total: the body did not end in time");
}

Task<absl::Status> SharedReads::Flight::GoOnAlone(Reader& reader, http::Call call) {
  if (validator_.empty()) {
    co_return absl::UnavailableError("a shared read broke up, and the origin proves no resume");
  }
  Asked asked{.offset = reader.at, .validator = validator_, .total_bytes = content_length_};
  http::Request request = request_;
  request.headers.push_back({"Range", asked.Missing()->ToHeader()});
  request.headers.push_back({"If-Range", validator_.if_range()});
  call.records = nullptr;
  CO_ASSIGN_OR_RETURN(http::Response response,
                      co_await deps_.client.Send(std::move(request), call));
  const Judged judged = Judge(response, asked);
  if (judged.answer == Answer::kBody && response.head.status == 206) {
    reader.body = std::move(response.body);
    co_return absl::OkStatus();
  }
  co_await response.body->Discard();
  co_return absl::UnavailableError("the body changed while it was read");
}

/// What a reader sees of it.
class SharedReads::SharedBody final : public http::Body {
 public:
  SharedBody(std::shared_ptr<Flight> flight, http::Call call)
      : flight_(std::move(flight)), call_(call) {
    flight_->Enter(reader_);
  }
  ~SharedBody() override { flight_->Leave(reader_, linger_); }
  SharedBody(const SharedBody&) = delete;
  SharedBody& operator=(const SharedBody&) = delete;

  Task<absl::StatusOr<std::size_t>> Read(std::span<std::byte> out) override {
    co_return co_await flight_->Read(reader_, out, call_);
  }
  std::size_t Buffered() const override { return flight_->Buffered(reader_); }
  const http::Headers& Trailers() const override { return flight_->Trailers(reader_); }
  Task<void> Discard() override {
    linger_ = true;
    if (reader_.body) co_await reader_.body->Discard();
  }

  Reader& reader() { return reader_; }

 private:
  const std::shared_ptr<Flight> flight_;
  const http::Call call_;
  Reader reader_;
  bool linger_ = false;
};

namespace {

/// A record of the exchange in the caller's list. It becomes that of the read, also when the caller
/// is cancelled; one that joined has waited for the first byte, and for nothing else.
class RecordOfRead {
 public:
  RecordOfRead(const std::vector<http::ExchangeRecord>& read,
               std::vector<http::ExchangeRecord>* records, bool joined, const Clock& clock)
      : read_(read), records_(records), joined_(joined), clock_(clock) {
    if (records_ == nullptr) return;
    http::ExchangeRecord& record = records_->emplace_back();
    record.begun_at = clock.Now();
    record.served_at = record.begun_at;
    record.joined = joined_;
    record.failed_phase = Phase::kFirstByte;
  }
  ~RecordOfRead() {
    if (records_ == nullptr || read_.empty()) return;
    http::ExchangeRecord& record = records_->back();
    if (!joined_) {
      record = read_.back();
      return;
    }
    record.url = read_.back().url;
    record.proxy = read_.back().proxy;
    record.status = read_.back().status;
    record.failed_phase = read_.back().failed_phase;
    record.first_byte = clock_.Now() - record.begun_at;
  }
  RecordOfRead(const RecordOfRead&) = delete;
  RecordOfRead& operator=(const RecordOfRead&) = delete;
  /// The caller makes an exchange of its own.
  void Withdraw() {
    if (records_ != nullptr) records_->pop_back();
    records_ = nullptr;
  }

 private:
  const std::vector<http::ExchangeRecord>& read_;
  std::vector<http::ExchangeRecord>* records_;
  const bool joined_;
  const Clock& clock_;
};

}  // namespace

SharedReads::SharedReads(Deps deps)
    : deps_(deps), secret_(RandomSecret()), group_(deps_.executor) {}
SharedReads::~SharedReads() = default;

Task<void> SharedReads::Close() {
  group_.Cancel();
  co_await group_.Join();
}

// Now and then: each time it costs as much as there are.
void SharedReads::ForgetEnded() {
  if (flights_.size() < forget_at_) return;
  std::erase_if(flights_, [](const auto& entry) { return entry.second.expired(); });
  forget_at_ = std::max(kForgetAtLeast, 2 * flights_.size());
}

std::string SharedReads::KeyOf(const http::Request& request, const http::Timeouts& timeouts,
                               const std::string& scope) const {
  Transcript transcript;
  for (const std::string& text : {secret_, scope, request.url.ToString(), request.tls_profile,
                                  request.proxy, Concat(request.redirected, request.downgraded)}) {
    transcript.Add(text);
  }
  AddPolicies(request.subject.get(), transcript);
  std::multimap<std::string, std::string_view> headers;  // Equal names stay in their order.
  for (const http::Header& header : request.headers) {
    std::string name = AsciiLower(header.name);
    // Of the first who asks: nobody gets another body by it.
    if (name == "traceparent" || name == "tracestate") continue;
    headers.emplace(std::move(name), header.value);
  }
  for (const auto& [name, value] : headers) {
    transcript.Add(name);
    transcript.Add(value);
  }
  AddCredentials(request.credentials, transcript);
  for (const Duration timeout :
       {timeouts.pool_wait, timeouts.dial.dns, timeouts.dial.connect, timeouts.dial.proxy,
        timeouts.dial.tls, timeouts.first_byte, timeouts.read_idle}) {
    transcript.Add(timeout);
  }
  Digester digester({DigestAlgorithm::kSha256});
  digester.Update(std::as_bytes(std::span(transcript.text())));
  return digester.Finish().front().bytes;
}

bool SharingClient::others_read() const {
  const std::shared_ptr<const SharedReads::Flight> read = read_.lock();
  return read != nullptr && read->is_shared();
}

Task<absl::StatusOr<http::Response>> SharedReads::Send(http::Request request, http::Call call,
                                                       std::string scope,
                                                       std::weak_ptr<const Flight>* read) {
  if (!MayShare(request)) co_return co_await deps_.client.Send(std::move(request), call);
  const std::string key = KeyOf(request, call.timeouts, scope);
  std::shared_ptr<Flight> flight = flights_[key].lock();
  const bool joined = flight != nullptr && flight->CanBeJoined();
  if (!joined) {
    flight = std::make_shared<Flight>(deps_, request, call.timeouts);
    flights_[key] = flight;
    ForgetEnded();
  }
  auto& counter = joined ? deps_.counters.joined : deps_.counters.begun;
  counter.fetch_add(1, std::memory_order_relaxed);
  auto body = std::make_unique<SharedBody>(flight, call);
  if (!joined) flight->Start(group_, flight);
  {
    RecordOfRead record(flight->records(), call.records, joined, deps_.clock);
    const absl::StatusOr<bool> head =
        co_await WithDeadline<bool>(deps_.clock, call.deadline, "first byte", flight->AwaitHead());
    CO_RETURN_IF_ERROR(head.status());
    if (flight->IsFor(body->reader())) {
      if (read != nullptr) *read = flight;
      http::Response response = flight->ResponseFor(nullptr);
      response.body = std::move(body);
      co_return response;
    }
    record.Withdraw();
  }
  body.reset();
  co_return co_await deps_.client.Send(std::move(request), call);
}

}  // namespace fetchd::fetch
