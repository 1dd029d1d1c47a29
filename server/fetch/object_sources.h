// URLs of objects beside those of the web.
#pragma once

#include "http/client.h"
#include "sink/destinations.h"

namespace fetchd::fetch {

/// Gets what URLs of objects name from their stores, with the operator's credentials and by the
/// operator's leave (Destinations::CheckSource), and all else from `web`. Lives on one shard.
class ObjectSources final : public http::Client {
 public:
  ObjectSources(http::Client& web, const sink::Destinations& places, std::size_t shard)
      : web_(web), places_(places), shard_(shard) {}
  Task<absl::StatusOr<http::Response>> Send(http::Request request, http::Call call) override;

 private:
  http::Client& web_;
  const sink::Destinations& places_;
  const std::size_t shard_;
};

}  // namespace fetchd::fetch
