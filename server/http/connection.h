// One HTTP/1.1 connection: one exchange at a time over a stream.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "http/channel.h"
#include "http/chunked_decoder.h"
#include "http/framing.h"
#include "http/head_parser.h"
#include "http/watchdog.h"
#include "net/proxy.h"
#include "net/stream.h"

namespace fetchd::http {

/// After a clean end Begin may be called again if reusable(). Destruction closes the stream. The
/// watchdog outlives it.
class Http1Connection final : public Channel, private Abortable {
 public:
  /// `peer` names the other side in messages: "example.org:80". With `forwarding`, the stream leads
  /// to that proxy, which forwards requests in absolute-form; null = to the origin, tunnelled or
  /// not.
  Http1Connection(std::unique_ptr<net::Stream> stream, std::string peer, Watchdog& watchdog,
                  net::ProxyPtr forwarding = nullptr);
  Http1Connection(const Http1Connection&) = delete;
  Http1Connection& operator=(const Http1Connection&) = delete;

  absl::Status Begin(const Request& request, std::string_view user_agent, const Timeouts& timeouts,
                     Deadline deadline) override;
  Task<absl::Status> Exchange() override;
  ResponseHead TakeHead() override { return std::move(head_); }
  const Framing& framing() const override { return framing_; }
  Duration first_byte() const override { return first_byte_; }
  Phase failed_phase() const override { return failed_phase_; }
  bool silent() const override { return silent_; }
  bool unprocessed() const override { return false; }

  absl::StatusOr<std::size_t> TakeBuffered(std::span<std::byte> out) override;
  Task<absl::StatusOr<std::size_t>> ReadBody(std::span<std::byte> out) override;
  bool at_end() const override { return at_end_; }
  Headers TakeTrailers() override { return chunks_.TakeTrailers(); }
  std::size_t Available() const override {
    return at_end_ ? 0 : end_ - begin_ + stream_->Available();
  }
  /// At a clean end, with nothing left over, and neither side said close; or not used yet.
  bool reusable() const { return at_end_ && framing_.reusable && begin_ == end_; }

  bool IsStale() noexcept { return stream_->IsStale(); }
  /// While idle: see net::Stream.
  void WatchForInput(std::function<void()> notify) { stream_->WatchForInput(std::move(notify)); }
  void StopWatching() noexcept { stream_->StopWatching(); }
  /// How long the peer says that it keeps the connection while it is idle; max() = it does not say.
  Duration peer_keeps() const { return framing_.peer_keeps; }
  /// Gives up the memory of its buffer, if that is more than `keep_bytes`.
  void Relax(std::size_t keep_bytes);
  std::size_t buffer_bytes() const { return capacity_; }

 private:
  void Abort() noexcept override { stream_->Close(); }
  Task<boost::system::error_code> SendRest(std::size_t head_bytes_sent);
  Task<boost::system::error_code> SendBlock(std::span<const std::byte> block);
  /// Takes in what was read: true when the final head is complete, false when more bytes are
  /// needed.
  absl::StatusOr<bool> TakeHeadBytes(const net::IoResult& received, HeadParser& parser);
  absl::Status TakeFinalHead();
  absl::Status TakeInformationalHead(std::size_t head_bytes);
  std::span<std::byte> MakeRoom();
  void Grow();
  std::size_t DirectBytes(std::size_t room) const;
  void CountBody(std::size_t bytes);
  Task<net::IoResult> Receive(std::span<std::byte> out);
  absl::Status EndOfStream(boost::system::error_code error);
  absl::Status FailedWait(Phase phase, boost::system::error_code error);

  std::unique_ptr<net::Stream> stream_;
  std::string peer_;
  Watchdog& watchdog_;
  const net::ProxyPtr forwarding_;
  std::string forwarded_peer_;  ///< Whom the proxy is asked for.
  Watch watch_;

  // The exchange.
  std::string request_text_;
  BorrowedBytes request_body_;
  bool head_request_ = false;
  Duration first_byte_timeout_{};
  Duration read_idle_timeout_{};
  SpeedFloor speed_floor_;
  Deadline total_;
  ResponseHead head_;
  Framing framing_{.reusable = true};  ///< Nothing stands against the first use.
  ChunkedDecoder chunks_;
  std::uint64_t remaining_ = 0;  ///< Of a body of known length.
  int informational_heads_ = 0;
  std::size_t informational_bytes_ = 0;
  Duration first_byte_{};
  Phase failed_phase_ = Phase::kSend;
  bool silent_ = true;
  bool at_end_ = true;

  // Received and not yet taken: buffer_[begin_, end_).
  std::unique_ptr<char[]> buffer_;
  std::size_t capacity_ = 0;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

}  // namespace fetchd::http
