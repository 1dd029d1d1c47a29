// What an answer of Azure's Blob service that is no success means.
#pragma once

#include "objstore/store_error.h"

namespace fetchd::objstore {

/// `by_key`: the request was signed, and with it our time.
StoreFailure JudgeAzureFailure(const StoreContext& context, const Answer& answer, WallTime now,
                               bool by_key);

}  // namespace fetchd::objstore
