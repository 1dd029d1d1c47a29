// Single flight: those who want the same bytes of an origin at the same time share one read of it.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>

#include "base/time.h"
#include "http/client.h"
#include "runtime/task_group.h"
#include "sink/buffer.h"

namespace fetchd::fetch {

struct SharingCounters {
  std::atomic<std::uint64_t> begun{0};   ///< Reads that others could have joined.
  std::atomic<std::uint64_t> joined{0};  ///< Requests that were not made, for another's was joined.
  std::atomic<std::uint64_t> left{0};    ///< Readers that fell behind and went on by themselves.
};

/// The reads of one shard. A request that equals one under way in all that decides what is sent and
/// whom it trusts joins that, as long as all bytes that have come are still there: up to kHeld.
///  * The read belongs to nobody who joined: it goes on while one of them is left.
///  * It is at most kHeld ahead of the slowest. One that holds up the others for kPatience goes on
///    by a request of its own, from where it is; so a body is shared only where that is possible
///    (a strong validator, RFC 9110 13.1.5), or where all of it fits.
///  * A body of which only one reader is left becomes that one's own, without copies.
/// Owner: the engine. Lives on one shard; call it only from there.
class SharedReads {
 public:
  static constexpr std::uint64_t kHeld = std::uint64_t{1} << 20;
  static constexpr Duration kPatience = std::chrono::seconds(1);

  struct Deps {
    asio::any_io_executor executor;  ///< Of the shard.
    Clock& clock;
    http::Client& client;
    /// Not that of the transfers: what is held here must not keep from a reader the buffer that it
    /// needs to take it.
    sink::BufferPool& buffers;
    SharingCounters& counters;
  };
  explicit SharedReads(Deps deps);
  ~SharedReads();
  SharedReads(const SharedReads&) = delete;
  SharedReads& operator=(const SharedReads&) = delete;

  /// As http::Client. Callers that may not see one another's bytes have different scopes. Requests
  /// that ask for a part, under a condition, or for decoding are passed on as they are.
  Task<absl::StatusOr<http::Response>> Send(http::Request request, http::Call call,
                                            std::string scope) {
    return Send(std::move(request), call, std::move(scope), nullptr);
  }

  /// Ends what goes on for nobody any more. Once no reader is left.
  Task<void> Close();

 private:
  friend class SharingClient;
  struct Chunk;
  struct Reader;
  class Flight;
  class SharedBody;

  static constexpr std::size_t kForgetAtLeast = 64;

  /// Notes in `read`, unless it is null, which read brings the body.
  Task<absl::StatusOr<http::Response>> Send(http::Request request, http::Call call,
                                            std::string scope, std::weak_ptr<const Flight>* read);
  void ForgetEnded();
  std::string KeyOf(const http::Request& request, const http::Timeouts& timeouts,
                    const std::string& scope) const;

  const Deps deps_;
  const std::string secret_;  ///< Keys hold credentials: hashed with this.
  std::unordered_map<std::string, std::weak_ptr<Flight>> flights_;
  std::size_t forget_at_ = kForgetAtLeast;
  runtime::TaskGroup group_;
};

/// An http::Client over SharedReads, for one caller.
class SharingClient final : public http::Client {
 public:
  SharingClient(SharedReads& reads, std::string scope) : reads_(reads), scope_(std::move(scope)) {}
  Task<absl::StatusOr<http::Response>> Send(http::Request request, http::Call call) override {
    return reads_.Send(std::move(request), call, scope_, &read_);
  }
  /// Do others take what the last request brings, or may they yet?
  bool others_read() const;

 private:
  SharedReads& reads_;
  const std::string scope_;
  std::weak_ptr<const SharedReads::Flight> read_;  ///< Of the last request.
};

}  // namespace fetchd::fetch
