#include "support/origin_scripts.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

namespace fetchd::testing {
namespace {

struct AskedRange {
  std::size_t first = 0;
  std::size_t last = std::string::npos;
};

// "bytes=N-" and "bytes=N-M".
std::optional<AskedRange> RangeAskedFor(const OriginRequest& request) {
  const std::string range = request.Header("Range");
  constexpr std::string_view kPrefix = "bytes=";
  if (!range.starts_with(kPrefix)) return std::nullopt;
  const char* const end = range.data() + range.size();
  AskedRange asked;
  const auto first = std::from_chars(range.data() + kPrefix.size(), end, asked.first);
  if (first.ec != std::errc() || first.ptr == end || *first.ptr != '-') return std::nullopt;
  if (first.ptr + 1 == end) return asked;
  const auto last = std::from_chars(first.ptr + 1, end, asked.last);
  if (last.ec != std::errc() || last.ptr != end) return std::nullopt;
  return asked;
}

HeaderList EntityHeaders(const std::string& etag) {
  HeaderList headers = {{"Content-Type", "application/octet-stream"}, {"Accept-Ranges", "bytes"}};
  if (!etag.empty()) headers.emplace_back("ETag", etag);
  return headers;
}

std::string ContentRange(std::size_t first, std::size_t last, std::size_t total) {
  return "bytes " + std::to_string(first) + "-" + std::to_string(last) + "/" +
         std::to_string(total);
}

std::string Hex(std::size_t value) {
  char buffer[20];
  const auto [end, error] = std::to_chars(buffer, buffer + sizeof buffer, value, 16);
  return {buffer, end};
}

/// Sends head and body of `body` as Serve does; at most `limit` bytes of it. Returns whether that
/// was all.
bool SendEntity(Exchange& exchange, const std::string& body, const std::string& etag,
                RangeSupport ranges, std::size_t limit) {
  HeaderList headers = EntityHeaders(etag);
  if (!etag.empty() && exchange.request().Header("If-None-Match") == etag) {
    exchange.SendHead(304, headers);
    return true;
  }
  const std::optional<AskedRange> asked = RangeAskedFor(exchange.request());
  const std::string if_range = exchange.request().Header("If-Range");
  std::size_t first = 0;
  std::size_t last = body.empty() ? 0 : body.size() - 1;
  int status = 200;
  if (asked && ranges != RangeSupport::kIgnored && (if_range.empty() || if_range == etag)) {
    first = asked->first;
    last = std::min(last, asked->last);
    if (first >= body.size()) {
      headers.emplace_back("Content-Range", "bytes */" + std::to_string(body.size()));
      exchange.Respond(416, headers, "");
      return true;
    }
    status = 206;
    const std::size_t told_first = ranges == RangeSupport::kWrongStart ? first + 1 : first;
    const std::size_t told_total =
        ranges == RangeSupport::kWrongTotal ? body.size() + 1 : body.size();
    if (ranges != RangeSupport::kNoContentRange) {
      headers.emplace_back("Content-Range",
                           ContentRange(told_first, last + told_total - body.size(), told_total));
    }
  }
  const std::string_view part = std::string_view(body).substr(first, last + 1 - first);
  headers.emplace_back("Content-Length", std::to_string(part.size()));
  exchange.SendHead(status, headers);
  if (exchange.request().method == "HEAD") return true;
  exchange.Send(part.substr(0, limit));
  return part.size() <= limit;
}

}  // namespace

std::string PatternBody(std::size_t size, unsigned seed) {
  std::string body(size, '\0');
  std::uint64_t state = 0x9e3779b97f4a7c15U * (seed + 1);
  for (char& byte : body) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    byte = static_cast<char>(state >> 32);
  }
  return body;
}

Handler Serve(std::string body, std::string etag, RangeSupport ranges) {
  return [body = std::move(body), etag = std::move(etag), ranges](Exchange& exchange) {
    SendEntity(exchange, body, etag, ranges, body.size());
  };
}

Handler ServeChunked(std::string body, std::size_t chunk_size) {
  return [body = std::move(body), chunk_size](Exchange& exchange) {
    exchange.SendHead(200, {{"Transfer-Encoding", "chunked"}});
    for (std::size_t at = 0; at < body.size(); at += chunk_size) {
      const std::string chunk = body.substr(at, chunk_size);
      exchange.Send(Hex(chunk.size()) + "\r\n" + chunk + "\r\n");
    }
    exchange.Send("0\r\n\r\n");
  };
}

Handler ServeUntilClose(std::string body) {
  return [body = std::move(body)](Exchange& exchange) {
    exchange.SendHead(200, {{"Connection", "close"}});
    exchange.Send(body);
    exchange.Close();
  };
}

Handler Drip(std::string body, std::size_t piece, std::chrono::milliseconds interval) {
  return [body = std::move(body), piece, interval](Exchange& exchange) {
    exchange.SendHead(200, {{"Content-Length", std::to_string(body.size())}});
    for (std::size_t at = 0; at < body.size() && exchange.alive(); at += piece) {
      exchange.Send(std::string_view(body).substr(at, piece));
      exchange.Pause(interval);
    }
  };
}

Handler ResetMidHead() {
  return [](Exchange& exchange) {
    exchange.Send("HTTP/1.1 200 OK\r\nContent-Le");
    exchange.Reset();
  };
}

Handler ResetMidBody(std::string body, std::size_t sent_bytes, std::string etag) {
  return [body = std::move(body), sent_bytes, etag = std::move(etag)](Exchange& exchange) {
    if (!SendEntity(exchange, body, etag, RangeSupport::kHonoured, sent_bytes)) {
      // A RST discards what the client has not read yet: let it arrive.
      exchange.Pause(std::chrono::milliseconds(100));
      exchange.Reset();
    }
  };
}

Handler ShortBody(std::string body, std::size_t announced) {
  return [body = std::move(body), announced](Exchange& exchange) {
    exchange.SendHead(200, {{"Content-Length", std::to_string(announced)}});
    exchange.Send(body);
    exchange.Close();
  };
}

Handler LongBody(std::string body, std::size_t announced) {
  return [body = std::move(body), announced](Exchange& exchange) {
    exchange.SendHead(200, {{"Content-Length", std::to_string(announced)}});
    exchange.Send(body);
  };
}

Handler ChunkedCutShort() {
  return [](Exchange& exchange) {
    exchange.SendHead(200, {{"Transfer-Encoding", "chunked"}});
    exchange.Send("5\r\nhello\r\n10\r\nhalf");
    exchange.Close();
  };
}

Handler ChunkedGarbage() {
  return [](Exchange& exchange) {
    exchange.SendHead(200, {{"Transfer-Encoding", "chunked"}});
    exchange.Send("5\r\nhello\r\nworld\r\nworld\r\n0\r\n\r\n");
  };
}

Handler Status(int status, HeaderList headers) {
  return [status, headers = std::move(headers)](Exchange& exchange) {
    exchange.Respond(status, headers, "status " + std::to_string(status) + "\n");
  };
}

Handler Redirect(std::string location, int status) {
  return Status(status, {{"Location", std::move(location)}});
}

Handler HeaderBomb(std::size_t fields) {
  return [fields](Exchange& exchange) {
    exchange.Send("HTTP/1.1 200 OK\r\n");
    for (std::size_t i = 0; i < fields && exchange.alive(); ++i) {
      exchange.Send("X-Bomb-" + std::to_string(i) + ": " + std::string(90, 'b') + "\r\n");
    }
    exchange.Send("Content-Length: 2\r\n\r\nok");
  };
}

Handler EndlessHeader() {
  return [](Exchange& exchange) {
    exchange.Send("HTTP/1.1 200 OK\r\nX-Endless: ");
    const std::string piece(4096, 'e');
    while (exchange.alive()) exchange.Send(piece);
  };
}

Handler Garbage() {
  return [](Exchange& exchange) {
    exchange.Send(std::string("\x00\xff\x13 SSH-2.0-OpenSSH\r\n\r\n\r\n", 25));
    exchange.Close();
  };
}

Handler NeverAnswer() {
  return [](Exchange& exchange) { exchange.Hang(); };
}

Handler StallAfterHead(std::size_t announced) {
  return [announced](Exchange& exchange) {
    exchange.SendHead(200, {{"Content-Length", std::to_string(announced)}});
    exchange.Hang();
  };
}

Handler Sequence(std::vector<Handler> handlers) {
  return [handlers = std::move(handlers)](Exchange& exchange) {
    const std::size_t last = handlers.size() - 1;
    handlers[std::min(exchange.request().visit, last)](exchange);
  };
}

}  // namespace fetchd::testing
