// Handlers for Origin: the ways in which servers behave and misbehave.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

#include "support/origin.h"

namespace fetchd::testing {

/// `size` bytes that depend on `seed` and differ at every offset, so that a body put together
/// wrongly never passes.
std::string PatternBody(std::size_t size, unsigned seed = 1);

enum class RangeSupport {
  kHonoured,        ///< 206 with what was asked for; If-Range is respected; 416 beyond the end.
  kIgnored,         ///< Always 200 and the whole body.
  kWrongStart,      ///< 206 whose Content-Range begins a byte later than asked.
  kWrongTotal,      ///< 206 whose Content-Range names another total.
  kNoContentRange,  ///< 206 that does not say which part it is.
};

/// Serves `body` with Content-Length and, unless it is empty, `etag` (quotes included): 304 to who
/// has that one.
Handler Serve(std::string body, std::string etag = "",
              RangeSupport ranges = RangeSupport::kHonoured);

/// Chunked, in chunks of `chunk_size`.
Handler ServeChunked(std::string body, std::size_t chunk_size = 1000);
/// Without Content-Length: the end of the connection is the end of the body.
Handler ServeUntilClose(std::string body);
/// `piece` bytes every `interval`.
Handler Drip(std::string body, std::size_t piece, std::chrono::milliseconds interval);

/// Resets the connection in the middle of the head.
Handler ResetMidHead();
/// As Serve, but resets the connection after `sent_bytes` of what it was to send.
Handler ResetMidBody(std::string body, std::size_t sent_bytes, std::string etag = "");
/// Announces `announced` bytes, sends `body` and closes.
Handler ShortBody(std::string body, std::size_t announced);
/// Announces `announced` bytes, sends all of the longer `body`.
Handler LongBody(std::string body, std::size_t announced);
/// A chunked body cut inside its second chunk.
Handler ChunkedCutShort();
/// A chunked body whose second size line is not hexadecimal.
Handler ChunkedGarbage();

Handler Status(int status, HeaderList headers = {});
Handler Redirect(std::string location, int status = 302);
/// A head with `fields` header fields of about 100 bytes each.
Handler HeaderBomb(std::size_t fields);
/// A field line that has no end, until the client gives up.
Handler EndlessHeader();
/// Bytes that are not HTTP.
Handler Garbage();
/// Reads the request and stays silent.
Handler NeverAnswer();
/// Sends the head and never a byte of the body.
Handler StallAfterHead(std::size_t announced);

/// The first visit gets the first handler, and so on; the last one gets all later visits.
Handler Sequence(std::vector<Handler> handlers);

}  // namespace fetchd::testing
