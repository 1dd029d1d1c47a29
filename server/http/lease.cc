#include "http/lease.h"

#include <utility>

#include "http/http2_stream.h"
#include "http/pooled_connection.h"

namespace fetchd::http {

Lease::Lease(ConnectionPool& pool, std::unique_ptr<PooledConnection> connection, bool reused)
    : pool_(&pool), connection_(std::move(connection)), reused_(reused) {}

Lease::Lease(ConnectionPool& pool, std::shared_ptr<MultiplexedConnection> shared, bool reused)
    : pool_(&pool),
      shared_(std::move(shared)),
      stream_(std::make_unique<Http2Stream>(shared_->http)),
      reused_(reused) {}

Lease::Lease(Lease&&) noexcept = default;

Lease& Lease::operator=(Lease&& other) noexcept {
  Lease taken(std::move(other));
  std::swap(pool_, taken.pool_);
  std::swap(connection_, taken.connection_);
  std::swap(shared_, taken.shared_);
  std::swap(stream_, taken.stream_);
  std::swap(reused_, taken.reused_);
  return *this;
}

Lease::~Lease() { Drop(); }

void Lease::Drop() {
  if (connection_ != nullptr) pool_->Discard(std::move(connection_));
  if (shared_ == nullptr) return;
  stream_.reset();
  pool_->OnStreamDropped(std::exchange(shared_, nullptr));
}

Channel& Lease::channel() const {
  if (stream_ != nullptr) return *stream_;
  return connection_->http;
}

void Lease::Recycle() && {
  if (connection_ != nullptr) return pool_->Recycle(std::move(connection_));
  Drop();
}

Task<void> Lease::ReadOut() && { return pool_->ReadOut(std::move(*this)); }

}  // namespace fetchd::http
