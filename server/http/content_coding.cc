#include "http/content_coding.h"

#include <array>
#include <optional>

#include "base/strings.h"
#include "http/content_decoders.h"

namespace fetchd::http {
namespace {

struct CodingFacts {
  ContentCoding coding;
  std::string_view name;
  std::unique_ptr<ContentDecoder> (*make)();
  std::uint64_t memory_bytes;
};

constexpr std::uint64_t kKiB = 1024;

/// Memory: the window, and what the library keeps beside it.
constexpr std::array<CodingFacts, 4> kCodings = {
    {{ContentCoding::kGzip, "gzip", MakeGzipDecoder, 64 * kKiB},
     {ContentCoding::kDeflate, "deflate", MakeDeflateDecoder, 64 * kKiB},
     {ContentCoding::kBrotli, "br", MakeBrotliDecoder, 20 * kKiB* kKiB},
     {ContentCoding::kZstd, "zstd", MakeZstdDecoder, 9 * kKiB* kKiB}}};

const CodingFacts& FactsOf(ContentCoding coding) {
  return *std::ranges::find(kCodings, coding, &CodingFacts::coding);
}

std::optional<ContentCoding> FindCoding(std::string_view name) {
  if (EqualsIgnoreCase(name, "x-gzip")) return ContentCoding::kGzip;  // RFC 9110 8.4.1.3.
  for (const CodingFacts& facts : kCodings) {
    if (EqualsIgnoreCase(name, facts.name)) return facts.coding;
  }
  return std::nullopt;
}

absl::Status CodingNotSupported(const std::string& what) {
  return WithReason(absl::FailedPreconditionError(what), {"CONTENT_CODING_NOT_SUPPORTED", {}});
}

/// Appends what one field says.
absl::Status AddCodings(std::string_view value, std::vector<ContentCoding>& codings) {
  while (true) {
    const std::size_t comma = value.find(',');
    const std::string_view name = TrimWhitespace(value.substr(0, comma));
    if (!name.empty() && !EqualsIgnoreCase(name, "identity")) {
      const std::optional<ContentCoding> coding = FindCoding(name);
      if (!coding) {
        return CodingNotSupported(
            Concat("the content coding \"", name.substr(0, 32), "\" is none of ", kDecodedCodings));
      }
      codings.push_back(*coding);
    }
    if (comma == std::string_view::npos) return absl::OkStatus();
    value.remove_prefix(comma + 1);
  }
}

}  // namespace

std::string_view CodingName(ContentCoding coding) { return FactsOf(coding).name; }

absl::StatusOr<std::vector<ContentCoding>> CodingsOf(const Headers& headers) {
  std::vector<ContentCoding> codings;
  for (std::size_t i = 0; i < headers.size(); ++i) {
    const auto [name, value] = headers.at(i);
    if (EqualsIgnoreCase(name, "content-encoding")) RETURN_IF_ERROR(AddCodings(value, codings));
  }
  if (codings.size() <= kMaxCodings) return codings;
  return CodingNotSupported(Concat("more than ", kMaxCodings, " content codings on one body"));
}

std::unique_ptr<ContentDecoder> MakeDecoder(ContentCoding coding) { return FactsOf(coding).make(); }

std::uint64_t MemoryOf(ContentCoding coding) { return FactsOf(coding).memory_bytes; }

}  // namespace fetchd::http
