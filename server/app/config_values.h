// How values are written: durations, sizes, switches, names. Every error says what to write
// instead.
#pragma once

#include <yaml-cpp/yaml.h>

#include <cstdint>
#include <string>
#include <vector>

#include "base/status.h"
#include "base/time.h"
#include "rpc/auth.h"

namespace fetchd::app {

inline constexpr std::uint64_t kMany = 1'000'000;  ///< The largest of most counts.

absl::StatusOr<std::string> ReadText(const YAML::Node& node);
absl::StatusOr<bool> ReadBool(const YAML::Node& node);
absl::StatusOr<std::uint64_t> ReadNumber(const YAML::Node& node, std::uint64_t min,
                                         std::uint64_t max);
/// 0.001 to 1000000, with or without a fraction.
absl::StatusOr<double> ReadRate(const YAML::Node& node);
/// "256MiB", "64k", "1048576": k, m, g and t are powers of 1024.
absl::StatusOr<std::uint64_t> ReadSize(const YAML::Node& node);
/// "25s", "250ms", "1m30s".
absl::StatusOr<Duration> ReadDuration(const YAML::Node& node);
absl::StatusOr<std::vector<std::string>> ReadTextList(const YAML::Node& node);
/// [submit, read]: one of them at least.
absl::StatusOr<rpc::Roles> ReadRoles(const YAML::Node& node);

// The same on the way out, as YAML.
std::string WriteText(const std::string& text);
std::string WriteBool(bool value);
std::string WriteSize(std::uint64_t bytes);
std::string WriteDuration(Duration duration);
std::string WriteTextList(const std::vector<std::string>& items);

}  // namespace fetchd::app
