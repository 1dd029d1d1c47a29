// Inputs that are calls of the service (calls.proto), as text, and changed as messages: what links
// this gets libFuzzer's hooks for that.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "calls.pb.h"

namespace fetchd::testing {

/// False: no such text, which is no input.
bool ReadCalls(const std::uint8_t* data, std::size_t size, fuzz::Calls& calls);
/// The request of a call; null when it has none.
const google::protobuf::Message* RequestOf(const fuzz::Call& call);

}  // namespace fetchd::testing
