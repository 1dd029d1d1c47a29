// Dials that go through a proxy.
#pragma once

#include <memory>

#include "net/dial_steps.h"
#include "net/dialer.h"

namespace fetchd::net {

/// As Dialer::Dial for a request whose `proxy` is set. Services and record outlive the task.
///
/// Unless the proxy resolves names, the origin's addresses are resolved and judged here, and the
/// proxy is asked for one after the other until it reaches one; addresses of the family in which
/// the proxy itself was reached come first. Each but the last has half of the time that is left.
/// The proxy is where the configuration says: its own address is not judged.
Task<absl::StatusOr<std::unique_ptr<Stream>>> DialThroughProxy(DialServices& services,
                                                               DialRequest request,
                                                               Deadline deadline,
                                                               DialRecord& record);

}  // namespace fetchd::net
