// A batch's defaults as JSON.
#pragma once

#include <string>
#include <string_view>

#include "jobs/batch.h"

namespace fetchd::store {

/// Equal for equal defaults.
std::string EncodeDefaults(const jobs::JobDefaults& defaults);
/// DATA_LOSS when the text does not parse.
absl::StatusOr<jobs::JobDefaults> DecodeDefaults(std::string_view text);

}  // namespace fetchd::store
