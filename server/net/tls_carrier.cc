#include "net/tls_carrier.h"

#include <algorithm>
#include <cstring>
#include <span>

#include "base/check.h"

namespace fetchd::net {

using boost::system::error_code;

ssize_t StreamCarrier::Receive(char* out, std::size_t size) {
  const std::size_t bytes = std::min(size, end_ - begin_);
  if (bytes == 0 && !ended_) {
    errno = EAGAIN;
    return -1;
  }
  std::memcpy(out, in_.data() + begin_, bytes);
  begin_ += bytes;
  return static_cast<ssize_t>(bytes);
}

ssize_t StreamCarrier::Send(const char* bytes, std::size_t size) {
  out_.append(bytes, size);
  return static_cast<ssize_t>(size);
}

Task<std::tuple<error_code>> StreamCarrier::Wait(WaitType type) {
  FETCHD_CHECK(type == asio::ip::tcp::socket::wait_read && begin_ == end_);
  const IoResult received = co_await inner_->ReadSome(std::as_writable_bytes(std::span(in_)));
  begin_ = 0;
  end_ = received.bytes;
  ended_ = received.error == asio::error::eof;  // OpenSSL judges whether it may end here.
  co_return std::tuple(ended_ ? error_code() : received.error);
}

Task<error_code> StreamCarrier::Flush() {
  while (!out_.empty()) {
    const std::string sending = std::exchange(out_, {});
    const IoResult written = co_await inner_->WriteAll(std::as_bytes(std::span(sending)));
    if (written.error) co_return written.error;
  }
  co_return error_code();
}

void StreamCarrier::Close() noexcept {
  open_ = false;
  inner_->Close();
}

}  // namespace fetchd::net
