#include "fetch/object_sources.h"

#include <utility>

#include "base/object_uri.h"

namespace fetchd::fetch {

Task<absl::StatusOr<http::Response>> ObjectSources::Send(http::Request request, http::Call call) {
  if (!request.url.names_object()) co_return co_await web_.Send(std::move(request), call);
  const ObjectUri uri = request.url.object();
  CO_ASSIGN_OR_RETURN(objstore::ObjectStore * store, places_.SourceOf(uri, shard_));
  co_return co_await store->Fetch({uri.bucket, uri.key}, std::move(request), call);
}

}  // namespace fetchd::fetch
