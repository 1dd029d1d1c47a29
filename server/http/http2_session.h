// One HTTP/2 connection (RFC 9113): many exchanges at a time over one stream of bytes.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <unordered_set>
#include <vector>

#include "http/message.h"
#include "http/signal.h"
#include "http/watchdog.h"
#include "net/stream.h"
#include "runtime/task_group.h"

struct nghttp2_session;

namespace fetchd::http {

class Http2Stream;

struct Http2Config {
  /// Bytes of one response that may be here unread (RFC 9113 6.9); 65,535 to 2^31-1. Beyond them
  /// the peer has to wait: that is how a slow sink reaches the origin.
  std::uint32_t stream_window_bytes = 1 << 20;
  std::size_t max_streams = 100;  ///< At a time; the peer's MAX_CONCURRENT_STREAMS may be less.
  /// While streams are open and nothing came for so long, a PING asks whether the peer is there;
  /// after as long again without an answer the connection is given up.
  Duration ping_interval = std::chrono::seconds(15);
};

/// Framing, HPACK and the rules of messages are nghttp2's; reading, writing and waiting are done by
/// tasks here. Lives on one shard. Server push is off. Streams refer to their session and keep it.
class Http2Session : public std::enable_shared_from_this<Http2Session> {
 public:
  /// Sends the connection preface and starts. `peer` names the other side in messages. The watchdog
  /// outlives it; join `tasks` after Close().
  static std::shared_ptr<Http2Session> Start(std::unique_ptr<net::Stream> stream, std::string peer,
                                             Watchdog& watchdog, runtime::TaskGroup& tasks,
                                             Http2Config config);
  ~Http2Session();
  Http2Session(const Http2Session&) = delete;
  Http2Session& operator=(const Http2Session&) = delete;

  /// Called on the shard when usable() or has_room() may have changed; empty = nobody cares. Must
  /// not destroy streams.
  void OnChange(std::function<void()> on_change) { on_change_ = std::move(on_change); }

  /// New streams may be opened, as far as there is room: neither closed nor told to go away.
  bool usable() const;
  bool has_room() const;
  std::size_t streams() const { return streams_.size(); }
  bool closed() const { return closed_; }

  /// Says GOAWAY and closes the connection; open streams fail with CANCELLED. Idempotent.
  void Close();

 private:
  friend class Http2Stream;
  friend struct Http2Callbacks;
  struct SessionDeleter {
    void operator()(nghttp2_session* session) const noexcept;
  };

  Http2Session(std::unique_ptr<net::Stream> stream, std::string peer, Watchdog& watchdog,
               runtime::TaskGroup& tasks, Http2Config config);

  // For streams.
  /// UNAVAILABLE when the connection is no longer usable(). With a body, the stream's TakeToSend()
  /// brings it.
  absl::StatusOr<std::int32_t> Submit(Http2Stream& stream, const std::vector<Header>& fields,
                                      bool with_body);
  void Consumed(std::int32_t id, std::size_t bytes);
  /// Ends a stream that is still open with RST_STREAM (CANCEL, or NO_ERROR when `complete`).
  void Reset(std::int32_t id, bool complete);
  void Enter(Http2Stream& stream) { streams_.insert(&stream); }
  void Leave(Http2Stream& stream);

  void Configure();
  void Fail(const absl::Status& why);
  void SayGoodbye();
  void Changed();
  /// Feeds what was received.
  void Take(std::span<const std::byte> received);
  /// Fails the session when nghttp2 neither reads nor writes any more.
  void EndWhenOver();
  /// Moves what nghttp2 wants to send to `outgoing_`.
  void Collect();
  static Task<absl::Status> ReadTask(std::shared_ptr<Http2Session> self);
  static Task<absl::Status> WriteTask(std::shared_ptr<Http2Session> self);
  static Task<absl::Status> PingTask(std::shared_ptr<Http2Session> self);

  const std::unique_ptr<net::Stream> stream_;
  const std::string peer_;
  Watchdog& watchdog_;
  runtime::TaskGroup& tasks_;
  const Http2Config config_;
  std::unique_ptr<nghttp2_session, SessionDeleter> session_;
  std::unordered_set<Http2Stream*> streams_;
  std::function<void()> on_change_;
  Signal to_write_;
  std::string outgoing_;
  SteadyTime last_received_;
  runtime::TaskHandle ping_task_;
  bool ping_sent_ = false;
  bool going_away_ = false;  ///< The peer says so.
  bool taking_ = false;      ///< nghttp2 is at work, and must not be called.
  bool writing_ = false;     ///< A write is in progress.
  bool closed_ = false;
};

}  // namespace fetchd::http
