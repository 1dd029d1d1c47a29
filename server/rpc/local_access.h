// How other parts of this process call our own server.
#pragma once

#include <memory>
#include <string>

namespace grpc {
class Channel;
}

namespace fetchd::rpc {

/// Metadata of a call that comes from a listener of this process: whom it is for, and the key that
/// proves that it is from here. Who calls over gRPC does not know the key.
inline constexpr char kLocalPeerField[] = "fetchd-peer";
inline constexpr char kLocalKeyField[] = "fetchd-peer-key";

class History;

struct LocalAccess {
  std::shared_ptr<grpc::Channel> channel;
  std::string key;
  std::shared_ptr<const History> history;
};

}  // namespace fetchd::rpc
