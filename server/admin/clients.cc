#include "admin/clients.h"

#include <algorithm>
#include <utility>

namespace fetchd::admin {
namespace {

using asio::ip::address;

/// An IPv4 address that came over an IPv6 socket is that address.
address Plain(const address& any) {
  if (!any.is_v6() || !any.to_v6().is_v4_mapped()) return any;
  return asio::ip::make_address_v4(asio::ip::v4_mapped, any.to_v6());
}

bool IsSameHost(const address& a, const address& b) {
  constexpr std::size_t kPrefixBytes = 8;
  if (a.is_v4() || b.is_v4()) return a == b;
  const auto first = a.to_v6().to_bytes(), second = b.to_v6().to_bytes();
  return std::equal(first.begin(), first.begin() + kPrefixBytes, second.begin());
}

}  // namespace

ClientPlace::ClientPlace(Clients& all, Permit slot, const address& from)
    : all_(all), slot_(std::move(slot)), address_(from) {
  all_.clients_.push_back(this);
  EndApi();
}

ClientPlace::~ClientPlace() {
  if (idle_) all_.idle_.erase(*idle_);
  std::erase(all_.clients_, this);
}

bool ClientPlace::BeginApi() {
  api_slot_ = all_.api_slots_.TryAcquire(1);
  if (!api_slot_) return false;
  if (idle_) all_.idle_.erase(*std::exchange(idle_, std::nullopt));
  return true;
}

void ClientPlace::EndApi() {
  api_slot_.Release();
  if (idle_) all_.idle_.erase(*idle_);
  idle_ = all_.idle_.insert(all_.idle_.end(), this);
}

bool ClientPlace::crowded() const { return all_.slots_.in_use() == all_.slots_.capacity(); }

Clients::Clients(std::size_t most)
    : most_of_address_(most - most / 2), slots_(most), api_slots_(most - most / 4) {}

Task<absl::StatusOr<Permit>> Clients::NextPlace(Clock& clock) {
  return slots_.Acquire(1, clock, Deadline::Never(), "admin connections");
}

std::unique_ptr<ClientPlace> Clients::Admit(Permit place, const address& from) {
  const address plain = Plain(from);
  const auto others = std::ranges::count_if(
      clients_, [&plain](const ClientPlace* other) { return IsSameHost(other->address_, plain); });
  if (!plain.is_loopback() && static_cast<std::size_t>(others) >= most_of_address_) return nullptr;
  return std::unique_ptr<ClientPlace>(new ClientPlace(*this, std::move(place), plain));
}

void Clients::Began(ClientPlace& client, runtime::TaskHandle task) {
  client.task_ = std::move(task);
  if (!client.crowded() || idle_.front() == &client) return;
  ClientPlace& longest = *idle_.front();
  idle_.erase(*std::exchange(longest.idle_, std::nullopt));
  longest.task_.Cancel();
}

}  // namespace fetchd::admin
