// Names of temporary files.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/ids.h"

namespace fetchd::sink {

inline constexpr mode_t kPartMode = 0600;

/// ".<basename>.<job>.fetchd-part", or ".<basename>.<job>.<run>.fetchd-part" for a run above 0; the
/// basename cut so that the whole fits NAME_MAX.
std::string PartFileName(std::string_view basename, const JobId& job, std::int64_t run = 0);
/// The job of such a name; nullopt for any other name.
std::optional<JobId> JobOfPartFile(std::string_view name);

}  // namespace fetchd::sink
