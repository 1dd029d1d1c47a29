// One HTTP/1.1 client.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_static_buffer.hpp>
#include <cstddef>
#include <string_view>

#include "admin/health.h"
#include "base/status.h"
#include "base/task.h"
#include "base/time.h"
#include "runtime/drain.h"
#include "telemetry/metrics.h"

namespace fetchd::admin {

/// Answers requests one after another. Lives on the shard of its socket; its task owns it.
class Connection {
 public:
  static constexpr std::size_t kMaxHeadBytes = std::size_t{8} << 10;

  /// References outlive the connection.
  struct Deps {
    Clock& clock;
    const runtime::DrainSignal& drain_signal;
    telemetry::Metrics& metrics;
  };

  /// `request_timeout`: for each request, from waiting for it to its answer's last byte.
  Connection(asio::ip::tcp::socket socket, Deps deps, Duration request_timeout);

  /// Until the client leaves or asks to, sends what cannot be read on after, or is too slow. What
  /// went wrong is the client's affair: OK in any case.
  Task<absl::Status> Serve();

 private:
  struct Reply {
    Answer answer;
    unsigned version = 11;
    bool head_only = false;
    bool keep_alive = false;
  };

  /// False when there will be no further one.
  Task<absl::StatusOr<bool>> ServeRequest();
  Task<Answer> AnswerTo(std::string_view method, std::string_view target);
  Task<bool> Send(Reply reply);
  Task<void> Linger();

  asio::ip::tcp::socket socket_;
  const Deps deps_;
  const Duration request_timeout_;
  boost::beast::flat_static_buffer<kMaxHeadBytes> buffer_;
};

}  // namespace fetchd::admin
