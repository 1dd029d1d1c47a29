// What is kept with objects, as a JSON column.
#pragma once

#include <string>
#include <string_view>

#include "base/status.h"
#include "jobs/job.h"

namespace fetchd::store {

std::string EncodeObject(const jobs::ObjectSettings& object);  ///< Empty for none.
absl::StatusOr<jobs::ObjectSettings> DecodeObject(std::string_view text);

}  // namespace fetchd::store
