#include "http/http2_session.h"

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/check.h"
#include "base/strings.h"
#include "http/error.h"
#include "http/http2_stream.h"

namespace fetchd::http {
namespace {

constexpr std::size_t kReadBufferBytes = 16 * 1024;
constexpr std::size_t kMaxWriteBytes = 64 * 1024;
constexpr std::uint32_t kMaxHeaderListBytes = 64 * 1024;
constexpr Duration kLastWords = std::chrono::milliseconds(200);
/// Streams have windows of their own: together they need not share one.
constexpr std::int32_t kConnectionWindowBytes = (1U << 31) - 1;

struct OptionDeleter {
  void operator()(nghttp2_option* option) const noexcept { nghttp2_option_del(option); }
};
struct CallbacksDeleter {
  void operator()(nghttp2_session_callbacks* callbacks) const noexcept {
    nghttp2_session_callbacks_del(callbacks);
  }
};

/// What may prove who asks stays out of the tables that both sides keep of the fields they have
/// seen (RFC 7541 7.1.3): the connection serves other callers too. So do all fields but these.
std::uint8_t IndexingOf(std::string_view lower_name) {
  constexpr std::array<std::string_view, 6> kCommon = {
      "accept", "accept-encoding", "accept-language", "cache-control", "pragma", "user-agent"};
  const bool common =
      lower_name.starts_with(':') || std::ranges::find(kCommon, lower_name) != kCommon.end();
  return common ? NGHTTP2_NV_FLAG_NONE : NGHTTP2_NV_FLAG_NO_INDEX;
}

}  // namespace

/// What nghttp2 calls while it takes in frames.
struct Http2Callbacks {
  static Http2Session& SessionOf(void* user_data) { return *static_cast<Http2Session*>(user_data); }
  /// Null when nobody wants the stream any more.
  static Http2Stream* StreamOf(nghttp2_session* session, std::int32_t id) {
    return static_cast<Http2Stream*>(nghttp2_session_get_stream_user_data(session, id));
  }

  static int OnBeginFrame(nghttp2_session* session, const nghttp2_frame_hd* head, void*) {
    const bool last = head->type == NGHTTP2_DATA && (head->flags & NGHTTP2_FLAG_END_STREAM) != 0;
    Http2Stream* stream = last ? StreamOf(session, head->stream_id) : nullptr;
    if (stream != nullptr) stream->BeginLastData(head->length);
    return 0;
  }
  static int OnBeginHeaders(nghttp2_session* session, const nghttp2_frame* frame, void*) {
    if (Http2Stream* stream = StreamOf(session, frame->hd.stream_id)) stream->BeginHead();
    return 0;
  }
  static int OnHeader(nghttp2_session* session, const nghttp2_frame* frame,
                      const std::uint8_t* name, std::size_t name_size, const std::uint8_t* value,
                      std::size_t value_size, std::uint8_t, void*) {
    Http2Stream* stream = StreamOf(session, frame->hd.stream_id);
    if (stream == nullptr) return 0;
    const bool taken = stream->AddField({reinterpret_cast<const char*>(name), name_size},
                                        {reinterpret_cast<const char*>(value), value_size});
    return taken ? 0 : NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  }
  static int OnData(nghttp2_session* session, std::uint8_t, std::int32_t id,
                    const std::uint8_t* data, std::size_t size, void*) {
    // The connection's window is no limit; the stream's opens as its reader takes the bytes.
    nghttp2_session_consume_connection(session, size);
    if (Http2Stream* stream = StreamOf(session, id)) {
      stream->AddBody(std::as_bytes(std::span(data, size)));
    }
    return 0;
  }
  static int OnFrame(nghttp2_session* session, const nghttp2_frame* frame, void* user_data) {
    Http2Session& self = SessionOf(user_data);
    Http2Stream* stream =
        frame->hd.stream_id == 0 ? nullptr : StreamOf(session, frame->hd.stream_id);
    switch (frame->hd.type) {
      case NGHTTP2_HEADERS:
        if (stream != nullptr) stream->EndHead();
        break;
      case NGHTTP2_RST_STREAM:
        if (stream != nullptr) stream->reset_by_peer_ = true;
        break;
      case NGHTTP2_PING:
        if ((frame->hd.flags & NGHTTP2_FLAG_ACK) != 0) self.ping_sent_ = false;
        break;
      case NGHTTP2_GOAWAY:
        self.going_away_ = true;
        self.Changed();
        break;
      case NGHTTP2_SETTINGS:
        self.Changed();
        break;
      default:
        break;
    }
    return 0;
  }
  static int OnStreamClose(nghttp2_session* session, std::int32_t id, std::uint32_t error_code,
                           void*) {
    if (Http2Stream* stream = StreamOf(session, id)) stream->Close(error_code);
    return 0;
  }

  static ssize_t ReadRequestBody(nghttp2_session* session, std::int32_t id, std::uint8_t* out,
                                 std::size_t size, std::uint32_t* flags, nghttp2_data_source*,
                                 void*) {
    Http2Stream* stream = StreamOf(session, id);
    if (stream == nullptr) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    const auto [bytes, last] = stream->TakeToSend(std::as_writable_bytes(std::span(out, size)));
    if (last) *flags |= NGHTTP2_DATA_FLAG_EOF;
    return bytes == 0 && !last ? NGHTTP2_ERR_DEFERRED : static_cast<ssize_t>(bytes);
  }

  static std::unique_ptr<nghttp2_session_callbacks, CallbacksDeleter> Make() {
    nghttp2_session_callbacks* made = nullptr;
    FETCHD_CHECK(nghttp2_session_callbacks_new(&made) == 0);
    nghttp2_session_callbacks_set_on_begin_frame_callback(made, &OnBeginFrame);
    nghttp2_session_callbacks_set_on_begin_headers_callback(made, &OnBeginHeaders);
    nghttp2_session_callbacks_set_on_header_callback(made, &OnHeader);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(made, &OnData);
    nghttp2_session_callbacks_set_on_frame_recv_callback(made, &OnFrame);
    nghttp2_session_callbacks_set_on_stream_close_callback(made, &OnStreamClose);
    return std::unique_ptr<nghttp2_session_callbacks, CallbacksDeleter>(made);
  }
};

void Http2Session::SessionDeleter::operator()(nghttp2_session* session) const noexcept {
  nghttp2_session_del(session);
}

std::shared_ptr<Http2Session> Http2Session::Start(std::unique_ptr<net::Stream> stream,
                                                  std::string peer, Watchdog& watchdog,
                                                  runtime::TaskGroup& tasks, Http2Config config) {
  std::shared_ptr<Http2Session> session(
      new Http2Session(std::move(stream), std::move(peer), watchdog, tasks, config));
  session->Configure();
  tasks.Spawn("http2 read", ReadTask(session));
  tasks.Spawn("http2 write", WriteTask(session));
  session->ping_task_ = tasks.Spawn("http2 ping", PingTask(session));
  return session;
}

Http2Session::Http2Session(std::unique_ptr<net::Stream> stream, std::string peer,
                           Watchdog& watchdog, runtime::TaskGroup& tasks, Http2Config config)
    : stream_(std::move(stream)),
      peer_(std::move(peer)),
      watchdog_(watchdog),
      tasks_(tasks),
      config_(config),
      to_write_(tasks.executor()),
      last_received_(watchdog.clock().Now()) {}

Http2Session::~Http2Session() { FETCHD_CHECK(streams_.empty()); }

void Http2Session::Configure() {
  nghttp2_option* made = nullptr;
  FETCHD_CHECK(nghttp2_option_new(&made) == 0);
  const std::unique_ptr<nghttp2_option, OptionDeleter> option(made);
  nghttp2_option_set_no_auto_window_update(made, 1);
  nghttp2_option_set_no_closed_streams(made, 1);
  nghttp2_session* session = nullptr;
  FETCHD_CHECK(nghttp2_session_client_new2(&session, Http2Callbacks::Make().get(), this, made) ==
               0);
  session_.reset(session);
  const nghttp2_settings_entry settings[] = {
      {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, config_.stream_window_bytes},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, kMaxHeaderListBytes},
  };
  FETCHD_CHECK(nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, settings, std::size(settings)) ==
               0);
  FETCHD_CHECK(nghttp2_session_set_local_window_size(session, NGHTTP2_FLAG_NONE, 0,
                                                     kConnectionWindowBytes) == 0);
}

bool Http2Session::usable() const {
  return !closed_ && !going_away_ && nghttp2_session_check_request_allowed(session_.get()) != 0;
}

bool Http2Session::has_room() const {
  const std::uint32_t peers =
      nghttp2_session_get_remote_settings(session_.get(), NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
  return streams_.size() < std::min<std::size_t>(config_.max_streams, peers);
}

absl::StatusOr<std::int32_t> Http2Session::Submit(Http2Stream& stream,
                                                  const std::vector<Header>& fields,
                                                  bool with_body) {
  std::vector<nghttp2_nv> pairs;
  pairs.reserve(fields.size());
  for (const auto& [name, value] : fields) {
    // nghttp2 copies both and takes pointers that are not const.
    pairs.push_back({reinterpret_cast<std::uint8_t*>(const_cast<char*>(name.data())),
                     reinterpret_cast<std::uint8_t*>(const_cast<char*>(value.data())), name.size(),
                     value.size(), IndexingOf(name)});
  }
  const nghttp2_data_provider body{.source = {}, .read_callback = &Http2Callbacks::ReadRequestBody};
  const std::int32_t id =
      usable() ? nghttp2_submit_request(session_.get(), nullptr, pairs.data(), pairs.size(),
                                        with_body ? &body : nullptr, &stream)
               : NGHTTP2_ERR_START_STREAM_NOT_ALLOWED;
  if (id < 0) return UnprocessedError(peer_, "the connection takes no more requests");
  to_write_.Notify();
  return id;
}

void Http2Session::Consumed(std::int32_t id, std::size_t bytes) {
  if (closed_ || bytes == 0) return;
  nghttp2_session_consume_stream(session_.get(), id, bytes);
  if (nghttp2_session_want_write(session_.get()) != 0) to_write_.Notify();
}

void Http2Session::Reset(std::int32_t id, bool complete) {
  nghttp2_session_set_stream_user_data(session_.get(), id, nullptr);
  if (closed_) return;
  nghttp2_submit_rst_stream(session_.get(), NGHTTP2_FLAG_NONE, id,
                            complete ? NGHTTP2_NO_ERROR : NGHTTP2_CANCEL);
  to_write_.Notify();
}

void Http2Session::Leave(Http2Stream& stream) {
  streams_.erase(&stream);
  Changed();
}

void Http2Session::Changed() {
  const auto notify = on_change_;  // Which may replace it.
  if (notify) notify();
}

void Http2Session::Close() {
  if (!closed_) SayGoodbye();
  Fail(absl::CancelledError("the connection is closed"));
}

/// GOAWAY, if the socket takes it at once.
void Http2Session::SayGoodbye() {
  if (taking_ || writing_ || going_away_) return;
  nghttp2_session_terminate_session(session_.get(), NGHTTP2_NO_ERROR);
  Collect();
  stream_->SendNow(std::as_bytes(std::span<const char>(outgoing_)));
}

void Http2Session::Fail(const absl::Status& why) {
  if (std::exchange(closed_, true)) return;
  stream_->Close();
  ping_task_.Cancel();
  to_write_.Notify();
  for (Http2Stream* stream : streams_) stream->Lose(why);
  Changed();
}

void Http2Session::Take(std::span<const std::byte> received) {
  last_received_ = watchdog_.clock().Now();
  taking_ = true;
  const auto taken = nghttp2_session_mem_recv(
      session_.get(), reinterpret_cast<const std::uint8_t*>(received.data()), received.size());
  taking_ = false;
  if (taken < 0) return Fail(MalformedError(peer_, nghttp2_strerror(static_cast<int>(taken))));
  if (nghttp2_session_want_write(session_.get()) != 0) to_write_.Notify();
  EndWhenOver();
}

void Http2Session::EndWhenOver() {
  if (nghttp2_session_want_read(session_.get()) != 0) return;
  if (nghttp2_session_want_write(session_.get()) != 0) return;
  // Nothing is left to do after the peer's GOAWAY; or nghttp2 has sent one, because of an error of
  // the peer, and then streams are left.
  Fail(MalformedError(peer_, "frames that break the HTTP/2 protocol"));
}

void Http2Session::Collect() {
  while (!closed_ && outgoing_.size() < kMaxWriteBytes) {
    const std::uint8_t* bytes = nullptr;
    const auto size = nghttp2_session_mem_send(session_.get(), &bytes);
    if (size < 0) Fail(absl::InternalError(nghttp2_strerror(static_cast<int>(size))));
    if (size <= 0) return;
    outgoing_.append(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size));
  }
}

Task<absl::Status> Http2Session::ReadTask(std::shared_ptr<Http2Session> self) {
  const auto buffer = std::make_unique_for_overwrite<std::byte[]>(kReadBufferBytes);
  const std::span<std::byte> room(buffer.get(), kReadBufferBytes);
  while (!self->closed_) {
    const net::IoResult received = co_await self->stream_->ReadSome(room);
    if (self->closed_) break;
    if (received.error) {
      self->Fail(LostError(self->peer_, Phase::kBody, received.error));
    } else {
      self->Take(room.first(received.bytes));
    }
  }
  co_return absl::OkStatus();
}

Task<absl::Status> Http2Session::WriteTask(std::shared_ptr<Http2Session> self) {
  std::string bytes;
  while (!self->closed_) {
    self->Collect();
    if (self->outgoing_.empty()) {
      if (!self->closed_) co_await self->to_write_.Wait();
      continue;
    }
    bytes.clear();
    std::swap(bytes, self->outgoing_);
    self->writing_ = true;
    const net::IoResult written =
        co_await self->stream_->WriteAll(std::as_bytes(std::span<const char>(bytes)));
    self->writing_ = false;
    if (written.error) {
      // Who reads may find why: the alert of a peer that refuses us.
      self->going_away_ = true;
      co_await self->watchdog_.clock().SleepFor(kLastWords);
      self->Fail(LostError(self->peer_, Phase::kSend, written.error));
    } else if (self->outgoing_.empty()) {
      self->EndWhenOver();
    }
  }
  co_return absl::OkStatus();
}

Task<absl::Status> Http2Session::PingTask(std::shared_ptr<Http2Session> self) {
  Clock& clock = self->watchdog_.clock();
  while (!self->closed_) {
    co_await clock.SleepFor(self->config_.ping_interval);
    const bool quiet = clock.Now() - self->last_received_ >= self->config_.ping_interval;
    if (self->closed_ || self->streams_.empty() || !quiet) {
      self->ping_sent_ = false;
    } else if (self->ping_sent_) {
      self->Fail(TimeoutError(self->peer_, "PING", self->config_.ping_interval));
    } else {
      self->ping_sent_ = true;
      nghttp2_submit_ping(self->session_.get(), NGHTTP2_FLAG_NONE, nullptr);
      self->to_write_.Notify();
    }
  }
  co_return absl::OkStatus();
}

}  // namespace fetchd::http
