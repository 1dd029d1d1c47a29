// A DNS server on loopback that answers from a script (RFC 1035 4.1).
#pragma once

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/udp.hpp>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/task.h"

namespace fetchd::net {

class FakeDnsServer {
 public:
  static constexpr int kNoError = 0, kServFail = 2, kNxDomain = 3;
  static constexpr std::uint16_t kA = 1, kAaaa = 28;

  struct Script {
    std::vector<asio::ip::address> addresses;
    std::uint32_t ttl_seconds = 30;
    int rcode = kNoError;
    bool silent = false;
    std::uint16_t only_for = 0;  ///< `rcode` and `silent` are for this type; 0 = for all.
  };

  explicit FakeDnsServer(const asio::any_io_executor& executor)
      : socket_(executor, {asio::ip::address_v4::loopback(), 0}) {}

  /// A name without a script does not exist.
  void Set(const std::string& name, Script script) { scripts_[name] = std::move(script); }
  asio::ip::udp::endpoint address() const { return socket_.local_endpoint(); }
  /// Every name asked for, as often as asked.
  const std::vector<std::string>& questions() const { return questions_; }

  Task<absl::Status> Serve() {
    std::array<unsigned char, 1500> packet;
    while (true) {
      asio::ip::udp::endpoint from;
      const auto [error, size] =
          co_await socket_.async_receive_from(asio::buffer(packet), from, kTuple);
      if (error) continue;
      const std::string reply = Answer({reinterpret_cast<const char*>(packet.data()), size});
      if (!reply.empty()) co_await socket_.async_send_to(asio::buffer(reply), from, kTuple);
    }
  }

 private:
  static constexpr std::size_t kHeaderBytes = 12;

  static void Put16(std::string& out, unsigned value) {
    out.push_back(static_cast<char>(value >> 8));
    out.push_back(static_cast<char>(value));
  }

  static void PutRecord(std::string& out, const asio::ip::address& address, std::uint32_t ttl) {
    Put16(out, 0xC00C);  // The question's name.
    Put16(out, address.is_v4() ? kA : kAaaa);
    Put16(out, 1);
    Put16(out, ttl >> 16);
    Put16(out, ttl & 0xFFFF);
    const auto put = [&out](const auto& bytes) {
      Put16(out, static_cast<unsigned>(bytes.size()));
      out.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    };
    address.is_v4() ? put(address.to_v4().to_bytes()) : put(address.to_v6().to_bytes());
  }

  std::string Answer(std::string_view query) {
    std::string name;
    std::size_t at = kHeaderBytes;
    while (query.at(at) != 0) {
      const auto size = std::size_t{static_cast<unsigned char>(query[at])};
      if (!name.empty()) name += '.';
      name += query.substr(at + 1, size);
      at += size + 1;
    }
    const auto type = static_cast<unsigned char>(query.at(at + 2));
    const std::string_view question = query.substr(kHeaderBytes, at + 5 - kHeaderBytes);
    questions_.push_back(name);

    const auto found = scripts_.find(name);
    const Script script = found != scripts_.end() ? found->second : Script{.rcode = kNxDomain};
    const bool affected = script.only_for == 0 || script.only_for == type;
    if (script.silent && affected) return {};
    std::string records;
    unsigned count = 0;
    for (const auto& address : script.addresses) {
      if (affected && script.rcode != kNoError) break;
      if (type != (address.is_v4() ? kA : kAaaa)) continue;
      PutRecord(records, address, script.ttl_seconds);
      ++count;
    }
    std::string reply(query.substr(0, 2));
    Put16(reply, 0x8180u | static_cast<unsigned>(affected ? script.rcode : kNoError));
    for (const unsigned number : {1u, count, 0u, 0u}) Put16(reply, number);
    return reply.append(question).append(records);
  }

  asio::ip::udp::socket socket_;
  std::map<std::string, Script> scripts_;
  std::vector<std::string> questions_;
};

}  // namespace fetchd::net
