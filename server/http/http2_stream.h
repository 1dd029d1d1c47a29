// One exchange on an HTTP/2 connection.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "http/channel.h"
#include "http/http2_session.h"

namespace fetchd::http {

/// For one exchange. Destruction resets what has not ended, so that the peer stops sending.
class Http2Stream final : public Channel, private Abortable {
 public:
  explicit Http2Stream(std::shared_ptr<Http2Session> session);
  ~Http2Stream() override;
  Http2Stream(const Http2Stream&) = delete;
  Http2Stream& operator=(const Http2Stream&) = delete;

  absl::Status Begin(const Request& request, std::string_view user_agent, const Timeouts& timeouts,
                     Deadline deadline) override;
  Task<absl::Status> Exchange() override;
  ResponseHead TakeHead() override { return std::move(head_); }
  const Framing& framing() const override { return framing_; }
  Duration first_byte() const override { return first_byte_; }
  Phase failed_phase() const override { return failed_phase_; }
  bool silent() const override { return silent_; }
  bool unprocessed() const override { return unprocessed_; }

  absl::StatusOr<std::size_t> TakeBuffered(std::span<std::byte> out) override;
  Task<absl::StatusOr<std::size_t>> ReadBody(std::span<std::byte> out) override;
  bool at_end() const override;
  Headers TakeTrailers() override { return std::move(trailers_); }
  std::size_t Available() const override { return body_.size() - taken_; }

 private:
  friend class Http2Session;
  friend struct Http2Callbacks;

  // From the session, as frames come and go.
  struct ToSend {
    std::size_t bytes = 0;
    bool last = false;
  };
  /// The next of the request's body, for `out`. Nothing, and not the last: nobody has it any more.
  ToSend TakeToSend(std::span<std::byte> out);
  void BeginHead();
  /// False when the head is too large.
  bool AddField(std::string_view name, std::string_view value);
  void EndHead();
  /// The frame that ends the body comes: at most `bytes` are left.
  void BeginLastData(std::size_t bytes);
  void AddBody(std::span<const std::byte> bytes);
  /// The stream is over: END_STREAM both ways, or a reset by either side.
  void Close(std::uint32_t error_code);
  /// The connection is.
  void Lose(const absl::Status& why);

  Task<void> SendBody();
  void Abort() noexcept override;
  /// Ends the stream because of what the peer sent.
  void Refuse(std::string_view what);
  absl::Status Failure(Phase phase);
  absl::Status ResetError(std::uint32_t error_code);

  const std::shared_ptr<Http2Session> session_;
  Signal changed_;
  Watch watch_;

  // The exchange.
  std::vector<Header> fields_;
  BorrowedBytes request_body_;
  std::uint64_t unsent_bytes_ = 0;  ///< Of it.
  std::size_t sending_ = 0;         ///< The block that is being sent, ...
  std::size_t block_sent_ = 0;      ///< ... and how much of it was.
  bool head_request_ = false;
  Duration first_byte_timeout_{};
  Duration read_idle_timeout_{};
  SpeedFloor speed_floor_;
  Deadline total_;
  std::int32_t id_ = 0;  ///< 0 = not submitted, or closed.
  Duration first_byte_{};
  Phase failed_phase_ = Phase::kSend;
  bool silent_ = true;
  bool unprocessed_ = false;
  bool reset_by_peer_ = false;
  bool ends_short_ = false;  ///< The body is shorter than its Content-Length.
  bool closed_ = false;
  absl::Status error_;  ///< What ended it early.

  // The response.
  ResponseHead head_;
  Framing framing_;
  bool head_done_ = false;
  bool in_trailers_ = false;
  Headers trailers_;
  std::size_t head_bytes_ = 0;  ///< Of all heads and trailers, against kMaxHeadBytes.
  std::size_t head_fields_ = 0;
  int informational_heads_ = 0;
  std::uint64_t received_ = 0;  ///< Body bytes.
  std::string body_;            ///< Received; taken up to taken_.
  std::size_t taken_ = 0;
};

}  // namespace fetchd::http
