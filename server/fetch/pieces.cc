#include "fetch/pieces.h"

#include <algorithm>
#include <iterator>

#include "base/strings.h"

namespace fetchd::fetch {

Piece* Pieces::Take(const EndOf& end_of, std::uint64_t ahead) {
  for (Piece& piece : pieces_) {
    if (piece.taken || piece.left() == 0) continue;
    if (piece.end == next_) Cut(piece, end_of(piece.at));
    piece.taken = true;
    return &piece;
  }
  const std::uint64_t size = std::min(end_of(next_), total_) - next_;
  const std::uint64_t used = next_ - contiguous();
  if (size == 0 || used > ahead || size > ahead - used) return nullptr;
  pieces_.push_back({next_, next_ + size, next_, true});
  next_ += size;
  return &pieces_.back();
}

void Pieces::Leave(Piece& piece) {
  piece.taken = false;
  Prune();
}

void Pieces::Prune() {
  while (!pieces_.empty() && !pieces_.front().taken && pieces_.front().left() == 0) {
    whole_until_ = pieces_.front().end;
    pieces_.pop_front();
  }
}

void Pieces::Cut(Piece& piece, std::uint64_t end) {
  if (piece.end != next_ || end >= piece.end) return;
  piece.end = end;
  next_ = end;
}

bool Pieces::ExtendToEnd(Piece& piece) {
  const auto self = std::ranges::find_if(pieces_, [&](Piece& p) { return &p == &piece; });
  if (self == pieces_.end()) return false;
  const auto behind = std::next(self);
  if (!std::all_of(behind, pieces_.end(), [](const Piece& p) { return p.untouched(); })) {
    return false;
  }
  pieces_.erase(behind, pieces_.end());
  piece.end = total_;
  next_ = total_;
  return true;
}

std::uint64_t Pieces::contiguous() const {
  std::uint64_t end = whole_until_;
  for (const Piece& piece : pieces_) {
    end = piece.at;
    if (piece.left() > 0) break;
  }
  return end;
}

Piece* Pieces::front() {
  const auto found = std::ranges::find_if(pieces_, [](const Piece& p) { return p.left() > 0; });
  return found == pieces_.end() ? nullptr : &*found;
}

bool Pieces::all_taken() const {
  return unclaimed() == 0 && std::ranges::all_of(pieces_, [](const Piece& piece) {
           return piece.taken || piece.left() == 0;
         });
}

std::string WhyNotPiece(const http::Response& response, const ByteRange& range,
                        const WholeBody& whole) {
  const http::Headers& headers = response.head.headers;
  if (response.head.status != 206) return Concat("it answered ", response.head.status);
  const auto content = ParseContentRange(headers.Get("Content-Range"));
  if (headers.Count("Content-Range") != 1 || !content || content->range != range) {
    return "it sent another part than was asked for";
  }
  if (response.content_length.value_or(*range.size()) != *range.size()) {
    return "it sent another part than was asked for";
  }
  if (content->complete_length != whole.total_bytes) return "the length is another one now";
  if (!Continues(response.url, whole.source, whole.validator)) return "another place answered";
  const bool by_etag = !whole.validator.etag.empty();
  const std::string_view field = by_etag ? "ETag" : "Last-Modified";
  // Who honours an If-Range with a date need not repeat the date (RFC 9110 15.3.7).
  if (!by_etag && !headers.Has(field)) return "";
  return headers.Get(field) == whole.validator.if_range() ? "" : "the body is another one now";
}

}  // namespace fetchd::fetch
