// The rows of `fetchctl top`, and their orders.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "cli/top_model.h"

namespace fetchd::cli {

/// What jobs and origins are ordered by; equal ones stay in the order of their names.
inline constexpr std::array<std::string_view, 4> kJobOrders = {"rate", "progress", "age", "url"};
inline constexpr std::array<std::string_view, 3> kOriginOrders = {"transfers", "speed", "name"};

/// Those that run go before those that wait.
void SortJobs(std::vector<v1::Job>& jobs, std::size_t order);

/// What ListOrigins and GetStatus say of one.
struct TopOrigin {
  std::string name;
  v1::OriginState state;
  v1::Status::Origin figures;
};
std::vector<TopOrigin> OriginsOf(const TopSample& sample, std::size_t order);

/// Each as wide as `width`.
std::string JobColumns(std::size_t width);
std::string JobText(const v1::Job& job, std::size_t width);
std::string OriginColumns(std::size_t width);
std::string OriginText(const TopOrigin& origin, std::size_t width);

/// What a filter is looked for in.
std::string SearchText(const v1::Job& job);

/// How many there are in a state, by its name.
std::uint64_t JobsIn(const v1::Status& status, const char* state);

/// "12.3 MiB/s"
std::string ByteRateText(double bytes_per_sec);

}  // namespace fetchd::cli
