// The pieces of a body that is read over several connections, and what proves that an answer is
// one.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <string>

#include "base/byte_range.h"
#include "fetch/resume.h"
#include "http/client.h"

namespace fetchd::fetch {

/// Bytes [first, end), of which those in front of `at` are here.
struct Piece {
  std::uint64_t first = 0;
  std::uint64_t end = 0;
  std::uint64_t at = 0;
  bool taken = false;  ///< Somebody reads it.
  std::uint64_t left() const { return end - at; }
  /// Nobody has read any of it, or does.
  bool untouched() const { return !taken && at == first; }
};

/// Hands a body out in order. Pieces stay where they are while they are taken.
class Pieces {
 public:
  Pieces(std::uint64_t offset, std::uint64_t total_bytes)
      : whole_until_(offset), next_(offset), total_(total_bytes) {}

  /// Where a piece should end that begins at an offset; behind the end of the body is its end.
  using EndOf = std::function<std::uint64_t(std::uint64_t)>;
  /// The first one that nobody reads, which is what came back before what nobody had yet. Null when
  /// nothing is left, or the piece would end more than `ahead` behind the contiguous bytes.
  Piece* Take(const EndOf& end_of, std::uint64_t ahead);
  /// So many bytes more of it are here.
  void Wrote(Piece& piece, std::uint64_t bytes) { piece.at += bytes; }
  /// Nobody reads it any more: what is left of it is for others.
  void Leave(Piece& piece);
  /// Ends the last piece at `end`, when it ends later. What follows is for others.
  void Cut(Piece& piece, std::uint64_t end);
  /// Makes it the last one, up to the end of the body, unless something behind it is read or here.
  bool ExtendToEnd(Piece& piece);

  /// All bytes in front of this are here.
  std::uint64_t contiguous() const;
  /// Of the body, what nobody has taken; pieces that came back are not counted.
  std::uint64_t unclaimed() const { return total_ - next_; }
  /// Where that begins.
  std::uint64_t next() const { return next_; }
  /// The first one of which something is missing; null when there is none.
  Piece* front();
  /// Every byte is here, or somebody reads it.
  bool all_taken() const;
  std::uint64_t total_bytes() const { return total_; }

 private:
  void Prune();

  std::list<Piece> pieces_;    ///< Each begins where the one before it ends.
  std::uint64_t whole_until_;  ///< Where the first of them begins.
  std::uint64_t next_;         ///< Where the last of them ends.
  const std::uint64_t total_;
};

/// What every piece must be a part of.
struct WholeBody {
  std::uint64_t total_bytes = 0;
  Validator validator;  ///< Never empty.
  Source source;
};

/// Why `response` is not exactly `range` of `whole`: "it answered 200" and the like; empty when it
/// is. Stricter than Judge: nothing is lost by reading on over one connection.
std::string WhyNotPiece(const http::Response& response, const ByteRange& range,
                        const WholeBody& whole);

}  // namespace fetchd::fetch
