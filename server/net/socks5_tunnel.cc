// SOCKS version 5 (RFC 1928), the user name and password of RFC 1929.
#include <array>
#include <boost/asio/ip/address.hpp>
#include <utility>

#include "base/check.h"
#include "base/strings.h"
#include "net/proxy_error.h"
#include "net/tunnel.h"

namespace fetchd::net {

namespace {

namespace ip = boost::asio::ip;

constexpr unsigned char kSocksVersion = 5;
constexpr unsigned char kPasswordVersion = 1;  // Of the subnegotiation (RFC 1929 2).
constexpr unsigned char kNoCredentials = 0, kPassword = 2, kNoneAcceptable = 0xFF;
constexpr unsigned char kConnect = 1;
constexpr unsigned char kIpv4 = 1, kName = 3, kIpv6 = 4;
constexpr unsigned char kSucceeded = 0;
/// Version, reply, reserved, address type, and one byte more, which every address has.
constexpr std::size_t kReplyBegin = 5;
constexpr std::size_t kPortBytes = 2;

char Byte(std::size_t value) { return static_cast<char>(static_cast<unsigned char>(value)); }

std::string WithLength(std::string_view text) {
  FETCHD_CHECK(text.size() <= 255);  // The configuration, and RFC 1035 for names, see to it.
  return Concat(Byte(text.size()), text);
}

std::string EncodeAddress(const std::string& host) {
  boost::system::error_code not_an_address;
  const ip::address address = ip::make_address(host, not_an_address);
  if (not_an_address) return Concat(Byte(kName), WithLength(host));
  std::string out(1, Byte(address.is_v4() ? kIpv4 : kIpv6));
  const auto append = [&out](const auto& bytes) { out.append(bytes.begin(), bytes.end()); };
  if (address.is_v4()) {
    append(address.to_v4().to_bytes());
  } else {
    append(address.to_v6().to_bytes());
  }
  return out;
}

std::string EncodeConnect(const TunnelTarget& target) {
  return Concat(Byte(kSocksVersion), Byte(kConnect), '\0', EncodeAddress(target.host),
                Byte(target.port >> 8), Byte(target.port & 0xFF));
}

/// RFC 1928 6.
struct Reply {
  enum class Kind { kConnect, kDenied, kProtocol };
  const char* name;
  Kind kind;
  bool other_address_may_work = false;
};
constexpr std::array<Reply, 9> kReplies{
    {{"succeeded", Reply::Kind::kConnect},
     {"general failure", Reply::Kind::kConnect, true},
     {"not allowed by its rules", Reply::Kind::kDenied},
     {"network unreachable", Reply::Kind::kConnect, true},
     {"host unreachable", Reply::Kind::kConnect, true},
     {"connection refused", Reply::Kind::kConnect, true},
     {"TTL expired", Reply::Kind::kConnect, true},
     {"command not supported", Reply::Kind::kProtocol},
     {"address type not supported", Reply::Kind::kProtocol, true}}};
constexpr Reply kUnknownReply{"a reply that no standard names", Reply::Kind::kProtocol};

class Socks5Negotiation final : public TunnelNegotiation {
 public:
  Socks5Negotiation(const Proxy& proxy, const TunnelTarget& target, std::string peer)
      : proxy_(proxy), peer_(std::move(peer)), request_(EncodeConnect(target)) {
    output_ =
        Concat(Byte(kSocksVersion), Byte(proxy.has_credentials() ? 2 : 1), Byte(kNoCredentials));
    if (proxy.has_credentials()) output_ += Byte(kPassword);
  }

  std::string TakeOutput() override { return std::exchange(output_, {}); }
  std::size_t wanted() const override { return needed_ - got_.size(); }
  const TunnelOutcome& outcome() const override { return outcome_; }

  void Feed(std::string_view bytes) override {
    FETCHD_CHECK(!bytes.empty() && bytes.size() <= wanted());
    got_ += bytes;
    if (got_.size() < needed_) return;
    switch (step_) {
      case Step::kMethod:
        return TakeMethod(At(0), At(1));
      case Step::kPassword:
        return TakePasswordReply(At(0), At(1));
      case Step::kReply:
        return TakeReply(At(0), At(1));
      case Step::kBoundAddress:
        return End({absl::OkStatus(), "connected"});
    }
  }

 private:
  enum class Step { kMethod, kPassword, kReply, kBoundAddress };

  unsigned char At(std::size_t index) const { return static_cast<unsigned char>(got_[index]); }

  void TakeMethod(unsigned char version, unsigned char method) {
    if (version != kSocksVersion) return Fail("no SOCKS5 answer");
    if (method == kNoCredentials) return Ask(request_, Step::kReply, kReplyBegin);
    if (method == kPassword && proxy_.has_credentials()) {
      return Ask(Concat(Byte(kPasswordVersion), WithLength(proxy_.username),
                        WithLength(proxy_.password.Reveal())),
                 Step::kPassword, 2);
    }
    if (method == kNoneAcceptable) return RefuseCredentials("no acceptable method");
    Fail("a method that nobody offered");
  }

  void TakePasswordReply(unsigned char version, unsigned char status) {
    if (version != kPasswordVersion) return Fail("no answer to the password");
    if (status != 0) return RefuseCredentials("password refused");
    Ask(request_, Step::kReply, kReplyBegin);
  }

  void TakeReply(unsigned char version, unsigned char code) {
    if (version != kSocksVersion) return Fail("no SOCKS5 answer");
    if (code != kSucceeded) return Refuse(code < kReplies.size() ? kReplies[code] : kUnknownReply);
    const std::size_t rest = BoundAddressRest(At(3), At(4));
    if (rest == 0) return Fail("an address of no known type");
    Expect(Step::kBoundAddress, rest);
  }

  /// What is left to read of the bound address and port; 0 = of no known type.
  static std::size_t BoundAddressRest(unsigned char type, unsigned char first) {
    switch (type) {
      case kIpv4:
        return 3 + kPortBytes;
      case kIpv6:
        return 15 + kPortBytes;
      case kName:
        return first + kPortBytes;
      default:
        return 0;
    }
  }

  void Refuse(const Reply& reply) {
    const std::string what = Concat("it answered ", std::string_view(reply.name));
    absl::Status status =
        reply.kind == Reply::Kind::kConnect  ? ProxyConnectError(proxy_, what, peer_, reply.name)
        : reply.kind == Reply::Kind::kDenied ? ProxyDeniedError(proxy_, what, peer_, reply.name)
                                             : ProxyProtocolError(proxy_, what, peer_, reply.name);
    End({std::move(status), reply.name, reply.other_address_may_work});
  }
  void RefuseCredentials(const char* answer) {
    End({ProxyAuthError(proxy_, peer_, answer), answer});
  }
  void Fail(std::string_view sent) {
    End({ProxyProtocolError(proxy_, Concat("it sent ", sent), peer_), "no SOCKS5 proxy"});
  }

  void Ask(std::string request, Step next, std::size_t needed) {
    output_ = std::move(request);
    Expect(next, needed);
  }
  void Expect(Step step, std::size_t needed) {
    step_ = step;
    needed_ = needed;
    got_.clear();
  }
  void End(TunnelOutcome outcome) {
    outcome_ = std::move(outcome);
    needed_ = 0;
    got_.clear();
  }

  const Proxy& proxy_;
  const std::string peer_;
  const std::string request_;
  std::string output_;
  Step step_ = Step::kMethod;
  std::size_t needed_ = 2;
  std::string got_;
  TunnelOutcome outcome_;
};

}  // namespace

std::unique_ptr<TunnelNegotiation> NegotiateSocks5(const Proxy& proxy, const TunnelTarget& target,
                                                   std::string peer) {
  return std::make_unique<Socks5Negotiation>(proxy, target, std::move(peer));
}

}  // namespace fetchd::net
