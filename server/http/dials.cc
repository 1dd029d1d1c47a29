#include "http/dials.h"

namespace fetchd::http {
namespace {

double Ratio(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

}  // namespace

double Dials::reuse_ratio() const { return Ratio(reused, requests); }
double Dials::retry_ratio() const { return Ratio(retries, requests); }

Dials& Dials::operator+=(const Dials& other) {
  requests += other.requests;
  retries += other.retries;
  opened += other.opened;
  reused += other.reused;
  redialled += other.redialled;
  pool_wait += other.pool_wait;
  in_flight += other.in_flight;
  return *this;
}

Dials& Dials::operator-=(const Dials& earlier) {
  requests -= earlier.requests;
  retries -= earlier.retries;
  opened -= earlier.opened;
  reused -= earlier.reused;
  redialled -= earlier.redialled;
  pool_wait -= earlier.pool_wait;
  return *this;
}

void PeakGauge::Enter() {
  const std::uint64_t now = now_.fetch_add(1, std::memory_order_relaxed) + 1;
  std::uint64_t peak = peak_.load(std::memory_order_relaxed);
  while (peak < now && !peak_.compare_exchange_weak(peak, now, std::memory_order_relaxed)) {
  }
}

Dials DialCounters::Read() const {
  Dials dials;
  dials.requests = requests.load(std::memory_order_relaxed);
  dials.retries = retries.load(std::memory_order_relaxed);
  dials.opened = opened.load(std::memory_order_relaxed);
  dials.reused = reused.load(std::memory_order_relaxed);
  dials.redialled = redialled.load(std::memory_order_relaxed);
  dials.pool_wait = pool_wait.Read();
  dials.in_flight = in_flight.now();
  dials.peak_in_flight = in_flight.peak();
  return dials;
}

}  // namespace fetchd::http
