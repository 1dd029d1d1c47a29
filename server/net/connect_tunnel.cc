// HTTP CONNECT. Of the answer only the status matters: a 2xx has no body whatever its fields say,
// and after anything else the connection is given up.
#include <expected>
#include <optional>
#include <utility>

#include "base/check.h"
#include "base/retry_policy.h"
#include "base/strings.h"
#include "net/error.h"
#include "net/proxy_error.h"
#include "net/tunnel.h"

namespace fetchd::net {

namespace {

constexpr std::size_t kMaxAnswerBytes = 64 * 1024;  ///< Interim answers included.
constexpr std::string_view kHeadEnd = "\r\n\r\n";
constexpr std::string_view kHttpVersion = "HTTP/1.";

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

/// "HTTP/1.1 200 Connection established"; the phrase and the space before it may be missing.
std::optional<int> ParseStatusLine(std::string_view line) {
  constexpr std::size_t kCodeAt = std::string_view("HTTP/1.1 ").size();
  if (line.size() < kCodeAt + 3 || !line.starts_with(kHttpVersion)) return std::nullopt;
  const std::string_view code = line.substr(kCodeAt, 3);
  const std::string_view phrase = line.substr(kCodeAt + 3);
  const bool formed = IsDigit(line[kHttpVersion.size()]) && line[kCodeAt - 1] == ' ' &&
                      IsDigit(code[0]) && IsDigit(code[1]) && IsDigit(code[2]) &&
                      (phrase.empty() || phrase.starts_with(' '));
  if (!formed || code[0] < '1' || code[0] > '5') return std::nullopt;
  return (code[0] - '0') * 100 + (code[1] - '0') * 10 + (code[2] - '0');
}

/// Finds the end of an answer's head.
class HeadReader {
 public:
  /// As many bytes as are missing if the head ended as soon as it could.
  std::size_t wanted() const { return kHeadEnd.size() - matched_; }

  /// True when the head is complete. Errors are texts with static lifetime.
  std::expected<bool, std::string_view> Take(char c) {
    if (++total_bytes_ > kMaxAnswerBytes) return std::unexpected("an answer of more than 64 KiB");
    const bool line_end_begun = matched_ % 2 == 1;
    if (c == '\0' || (c == '\n') != line_end_begun) return std::unexpected("no HTTP answer");
    matched_ = c == kHeadEnd[matched_] ? matched_ + 1 : (c == '\r' ? 1 : 0);
    if (!line_ended_) TakeOfStatusLine(c);
    const std::string_view begun = std::string_view(line_).substr(0, kHttpVersion.size());
    if (!kHttpVersion.starts_with(begun)) return std::unexpected("no HTTP answer");
    return matched_ == kHeadEnd.size();
  }

  std::string_view status_line() const { return line_; }
  /// The next answer's head follows; the limit holds for all of them.
  void BeginNext() {
    matched_ = 0;
    line_ended_ = false;
    line_.clear();
  }

 private:
  void TakeOfStatusLine(char c) {
    line_ended_ = c == '\r';
    if (!line_ended_) line_.push_back(c);
  }

  std::size_t total_bytes_ = 0;
  std::size_t matched_ = 0;  ///< How much of kHeadEnd the last bytes are.
  bool line_ended_ = false;
  std::string line_;
};

class ConnectNegotiation final : public TunnelNegotiation {
 public:
  ConnectNegotiation(const Proxy& proxy, const TunnelTarget& target, std::string peer)
      : proxy_(proxy), peer_(std::move(peer)) {
    const std::string authority = PeerName({"", target.host, target.port});
    output_ = Concat("CONNECT ", authority, " HTTP/1.1\r\nHost: ", authority, "\r\n");
    if (proxy.has_credentials()) {
      output_ += Concat("Proxy-Authorization: ", proxy.Authorization().Reveal(), "\r\n");
    }
    output_ += "\r\n";
  }

  std::string TakeOutput() override { return std::exchange(output_, {}); }
  std::size_t wanted() const override { return over_ ? 0 : head_.wanted(); }
  const TunnelOutcome& outcome() const override { return outcome_; }

  void Feed(std::string_view bytes) override {
    FETCHD_CHECK(!bytes.empty() && bytes.size() <= wanted());
    for (const char c : bytes) {
      const auto complete = head_.Take(c);
      if (!complete) return Fail(complete.error());
      if (*complete) return TakeAnswer();
    }
  }

 private:
  void TakeAnswer() {
    const std::optional<int> status = ParseStatusLine(head_.status_line());
    if (!status) return Fail("no HTTP answer");
    if (*status == 101) return Fail("a protocol switch that nobody asked for");
    if (*status < 200) return head_.BeginNext();
    End({JudgeStatus(*status), *status < 300 ? "connected" : Concat("HTTP ", *status),
         *status >= 500 && IsRetryableHttpStatus(*status)});
  }

  absl::Status JudgeStatus(int status) const {
    if (status < 300) return absl::OkStatus();
    const std::string answer = Concat("HTTP ", status);
    const std::string what = Concat("it answered ", answer);
    if (status == 407) return ProxyAuthError(proxy_, peer_, answer);
    if (status == 403) {
      return ProxyDeniedError(proxy_, Concat(what, ": its rules forbid the tunnel"), peer_, answer);
    }
    if (IsRetryableHttpStatus(status)) return ProxyConnectError(proxy_, what, peer_, answer);
    return ProxyProtocolError(proxy_, what, peer_, answer);
  }

  void Fail(std::string_view sent) {
    End({ProxyProtocolError(proxy_, Concat("it sent ", sent), peer_), "no HTTP proxy"});
  }
  void End(TunnelOutcome outcome) {
    outcome_ = std::move(outcome);
    over_ = true;
  }

  const Proxy& proxy_;
  const std::string peer_;
  std::string output_;
  HeadReader head_;
  TunnelOutcome outcome_;
  bool over_ = false;
};

}  // namespace

std::unique_ptr<TunnelNegotiation> NegotiateConnect(const Proxy& proxy, const TunnelTarget& target,
                                                    std::string peer) {
  return std::make_unique<ConnectNegotiation>(proxy, target, std::move(peer));
}

std::unique_ptr<TunnelNegotiation> NegotiateTunnel(const Proxy& proxy, TunnelTarget target,
                                                   std::string peer) {
  const bool socks = proxy.kind == ProxyKind::kSocks5;
  return socks ? NegotiateSocks5(proxy, target, std::move(peer))
               : NegotiateConnect(proxy, target, std::move(peer));
}

}  // namespace fetchd::net
