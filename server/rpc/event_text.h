// Server-Sent Events (WHATWG HTML, 9.2) of what a watch brings. Pure.
#pragma once

#include <string>

#include "base/status.h"
#include "google/rpc/status.pb.h"

namespace google::protobuf {
class Message;
}

namespace fetchd::rpc {

/// Tells the client that the stream is there, and when to come back once it has broken off, in ms.
inline constexpr char kFirstEventText[] = ": open\nretry: 5000\n\n";
inline constexpr char kKeepAliveText[] = ": nothing new\n\n";

/// `event` is what its first oneof holds ("stateChange"), or "message"; `id` its resume_token,
/// where it has one; `data` the message in JSON.
absl::StatusOr<std::string> EventOf(const google::protobuf::Message& message);
/// The last one: "end", or "failure" with the error as it is answered to other calls. Not
/// "error": that is what EventSource calls a connection that broke off.
std::string EndEvent(const google::rpc::Status& status);

}  // namespace fetchd::rpc
