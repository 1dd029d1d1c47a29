// Response messages framed by hand, so that body bytes go to gRPC without being copied.
#pragma once

#include <google/protobuf/message_lite.h>
#include <grpcpp/support/byte_buffer.h>

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>

#include "base/semaphore.h"
#include "base/time.h"
#include "sink/buffer.h"

namespace fetchd::rpc {

/// Counts the buffers that gRPC holds: it frees them some time after the last write, and the pool
/// has to outlive them. Thread-safe.
class LoanedBuffers {
 public:
  void Add();
  void Remove();
  /// False when some are still out after `timeout`. Blocking.
  bool WaitUntilNone(Duration timeout);

 private:
  std::mutex mutex_;
  std::condition_variable returned_;
  std::uint64_t count_ = 0;
};

/// Who learns that gRPC has let go of a buffer, which is when its last byte has gone to the socket
/// or the call is over: the account of all calls, and the call that wrote it.
struct LoanTerms {
  std::shared_ptr<LoanedBuffers> account;
  std::shared_ptr<Semaphore> call;
  Permit permit;  ///< One of `call`.
};

/// FetchResponse{chunk: {offset, data}}.
grpc::ByteBuffer FrameFetchChunk(std::uint64_t offset, sink::Buffer bytes, LoanTerms terms);
/// ReadBodyResponse{offset, data}.
grpc::ByteBuffer FrameReadBody(std::uint64_t offset, sink::Buffer bytes, LoanTerms terms);
/// Any other message.
grpc::ByteBuffer FrameMessage(const google::protobuf::MessageLite& message);
/// False when the bytes are not such a message.
bool ParseMessage(const grpc::ByteBuffer& bytes, google::protobuf::MessageLite& message);

}  // namespace fetchd::rpc
