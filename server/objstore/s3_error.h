// What an answer of S3 that is no success means.
#pragma once

#include "objstore/store_error.h"

namespace fetchd::objstore {

/// `answer` is not a success, or is a 200 whose body is an <Error>. Who cools down: SlowDown, and
/// 503 and 429 with Retry-After.
StoreFailure JudgeFailure(const StoreContext& context, const Answer& answer, WallTime now);

}  // namespace fetchd::objstore
