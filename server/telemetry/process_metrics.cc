#include "telemetry/process_metrics.h"

#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <system_error>

namespace fetchd::telemetry {
namespace {

constexpr MetricFamily kCpu{"process_cpu_seconds_total", MetricType::kCounter,
                            "User and system CPU time."};
constexpr MetricFamily kResident{"process_resident_memory_bytes", MetricType::kGauge,
                                 "Resident memory."};
constexpr MetricFamily kOpenFds{"process_open_fds", MetricType::kGauge, "Open file descriptors."};
constexpr MetricFamily kMaxFds{"process_max_fds", MetricType::kGauge,
                               "File descriptors that may be open (RLIMIT_NOFILE)."};
constexpr MetricFamily kStart{"process_start_time_seconds", MetricType::kGauge,
                              "Start, since the epoch."};
constexpr MetricFamily kBuild{
    "fetchd_build_info", MetricType::kGauge, "1, with the version.", {"version"}};
constexpr std::array kAll = {kCpu, kResident, kOpenFds, kMaxFds, kStart, kBuild};

double Seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

std::uint64_t ResidentBytes() {
  std::ifstream file("/proc/self/statm");
  std::uint64_t total = 0;
  std::uint64_t resident = 0;
  if (!(file >> total >> resident)) return 0;
  return resident * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

std::uint64_t OpenDescriptors() {
  std::error_code error;  // Then as many as were counted.
  std::uint64_t count = 0;
  for (std::filesystem::directory_iterator it("/proc/self/fd", error), end; !error && it != end;
       it.increment(error)) {
    ++count;
  }
  return count;
}

}  // namespace

std::span<const MetricFamily> ProcessMetricFamilies() { return kAll; }

MetricSource ProcessMetrics(const Clock& clock, std::string version) {
  const std::chrono::duration<double> start = clock.WallNow().time_since_epoch();
  return MakeSource(kAll, [start, version = std::move(version)](MetricPage& page) {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    page.Add(kCpu, Seconds(usage.ru_utime) + Seconds(usage.ru_stime));
    page.Add(kResident, ResidentBytes());
    page.Add(kOpenFds, OpenDescriptors());
    rlimit limit{};
    getrlimit(RLIMIT_NOFILE, &limit);
    page.Add(kMaxFds, std::uint64_t{limit.rlim_cur});
    page.Add(kStart, start.count());
    page.Add(kBuild, std::uint64_t{1}, {version});
  });
}

}  // namespace fetchd::telemetry
