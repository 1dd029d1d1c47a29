#include "objstore/s3_answers.h"

#include <chrono>
#include <utility>

#include "base/strings.h"
#include "base/url_text.h"
#include "objstore/xml.h"

namespace fetchd::objstore {
namespace {

constexpr unsigned kLastPart = 10'000;  // S3's limit.

/// What encoding-type=url does to keys: '+' is a space to some, and a plus is %2B to all.
std::string DecodeKey(std::string text) {
  for (char& c : text) {
    if (c == '+') c = ' ';
  }
  return PercentDecode(text);
}

absl::StatusOr<int> PartNumber(std::string_view text) {
  const auto number = ParseDecimal<unsigned>(text);
  if (!number || *number > kLastPart) return UnexpectedXml("a number of a part that is none");
  return static_cast<int>(*number);
}

bool IsTrue(std::string_view text) { return EqualsIgnoreCase(text, "true"); }

absl::Status TakeOfPart(std::string_view field, std::string text, Part& part) {
  if (field == "PartNumber") {
    ASSIGN_OR_RETURN(part.number, PartNumber(text));
  } else if (field == "ETag") {
    part.etag = std::move(text);
  } else if (field == "ChecksumCRC32C") {
    part.crc32c = std::move(text);
  } else if (field == "Size") {
    const auto size = ParseDecimal(text);
    if (!size) return UnexpectedXml("a size that is no number");
    part.size_bytes = *size;
  }
  return absl::OkStatus();
}

void TakeOfUpload(std::string_view field, std::string text, Upload& upload) {
  if (field == "Key") {
    upload.key = std::move(text);
  } else if (field == "UploadId") {
    upload.id = std::move(text);
  } else if (field == "Initiated") {
    upload.begun_at = ParseS3Time(text).value_or(WallTime());
  }
}

}  // namespace

std::optional<S3ErrorBody> ReadError(std::string_view body) {
  absl::StatusOr<XmlFields> fields = ReadXmlFields(body);
  // STS puts its errors one deeper.
  if (!fields.ok()) return std::nullopt;
  const bool sts = fields->contains("ErrorResponse");
  if (!sts && !fields->contains("Error")) return std::nullopt;
  const std::string root = sts ? "ErrorResponse/Error/" : "Error/";
  const auto field = [&](std::string_view name) {
    return TakeXmlField(*fields, root + std::string(name));
  };
  S3ErrorBody error{field("Code"),   field("Message"),  field("RequestId"), field("HostId"),
                    field("Region"), field("Endpoint"), field("ServerTime")};
  if (sts) error.request_id = TakeXmlField(*fields, "ErrorResponse/RequestId");
  return error;
}

absl::StatusOr<std::string> ReadBegunUpload(std::string_view body) {
  ASSIGN_OR_RETURN(XmlFields fields, ReadXmlFields(body));
  std::string id = TakeXmlField(fields, "InitiateMultipartUploadResult/UploadId");
  if (id.empty()) return UnexpectedXml("the upload that was begun has no id");
  return id;
}

absl::StatusOr<CompletedUpload> ReadCompletedUpload(std::string_view body) {
  ASSIGN_OR_RETURN(XmlFields fields, ReadXmlFields(body));
  if (!fields.contains("CompleteMultipartUploadResult")) {
    return UnexpectedXml("it does not say that the upload is complete");
  }
  std::string etag = TakeXmlField(fields, "CompleteMultipartUploadResult/ETag");
  // Some leave the quotes out here.
  if (!etag.empty() && !etag.starts_with('"')) etag = Concat('"', etag, '"');
  return CompletedUpload{std::move(etag)};
}

absl::StatusOr<PartsPage> ReadParts(std::string_view body) {
  constexpr std::string_view kRoot = "ListPartsResult", kPart = "ListPartsResult/Part";
  PartsPage page;
  Part part;
  bool truncated = false, is_parts = false;
  std::string marker;
  RETURN_IF_ERROR(ReadXml(body, [&](std::string_view path, std::string text) -> absl::Status {
    if (path == kRoot) is_parts = true;
    if (path == kPart) {
      if (part.number == 0) return UnexpectedXml("a part without its number");
      page.parts.push_back(std::exchange(part, {}));
    } else if (path.starts_with("ListPartsResult/Part/")) {
      return TakeOfPart(path.substr(kPart.size() + 1), std::move(text), part);
    } else if (path == "ListPartsResult/IsTruncated") {
      truncated = IsTrue(text);
    } else if (path == "ListPartsResult/NextPartNumberMarker") {
      marker = std::move(text);
    }
    return absl::OkStatus();
  }));
  if (!is_parts) return UnexpectedXml("not a list of parts");
  if (truncated) {
    ASSIGN_OR_RETURN(page.next, PartNumber(marker));
  }
  return page;
}

absl::StatusOr<UploadsPage> ReadUploads(std::string_view body, bool encoded) {
  constexpr std::string_view kRoot = "ListMultipartUploadsResult";
  UploadsPage page;
  Upload upload;
  XmlFields fields;
  RETURN_IF_ERROR(ReadXml(body, [&](std::string_view path, std::string text) -> absl::Status {
    const std::string_view field = path.substr(std::min(kRoot.size() + 1, path.size()));
    if (field == "Upload") {
      if (upload.key.empty() || upload.id.empty()) return UnexpectedXml("an upload without its id");
      page.uploads.push_back(std::exchange(upload, {}));
    } else if (field.starts_with("Upload/")) {
      TakeOfUpload(field.substr(7), std::move(text), upload);
    } else {
      fields.try_emplace(field.empty() ? std::string(path) : std::string(field), std::move(text));
    }
    return absl::OkStatus();
  }));
  if (!fields.contains(kRoot)) return UnexpectedXml("not a list of uploads");
  UploadsPage::Marker next{TakeXmlField(fields, "NextKeyMarker"),
                           TakeXmlField(fields, "NextUploadIdMarker")};
  if (encoded || TakeXmlField(fields, "EncodingType") == "url") {
    next.key = DecodeKey(std::move(next.key));
    for (Upload& each : page.uploads) each.key = DecodeKey(std::move(each.key));
  }
  if (!IsTrue(TakeXmlField(fields, "IsTruncated"))) return page;
  if (next.key.empty()) return UnexpectedXml("a list that goes on and does not say where");
  page.next = std::move(next);
  return page;
}

std::optional<WallTime> ParseS3Time(std::string_view text) {
  std::string digits;
  if (!text.ends_with('Z') || text.size() > 32) return std::nullopt;
  for (const char c : text.substr(0, std::min(text.find('.'), text.size() - 1))) {
    if (c >= '0' && c <= '9') digits += c;
    if (c == 'T' && digits.size() != 8) return std::nullopt;
  }
  if (digits.size() != 14) return std::nullopt;
  const auto number = [&](std::size_t at, std::size_t size) {
    return *ParseDecimal<unsigned>(std::string_view(digits).substr(at, size));
  };
  const std::chrono::year_month_day day{std::chrono::year(static_cast<int>(number(0, 4))),
                                        std::chrono::month(number(4, 2)),
                                        std::chrono::day(number(6, 2))};
  const unsigned hour = number(8, 2), minute = number(10, 2), second = number(12, 2);
  if (!day.ok() || hour > 23 || minute > 59 || second > 60) return std::nullopt;
  if (day.year() < std::chrono::year(1970) || day.year() > std::chrono::year(2261)) {
    return std::nullopt;
  }
  return WallTime(std::chrono::sys_days(day)) + std::chrono::hours(hour) +
         std::chrono::minutes(minute) + std::chrono::seconds(second);
}

std::string ComposeCompletion(const std::vector<Part>& parts) {
  std::string body = "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">";
  for (const Part& part : parts) {
    body += Concat("<Part><PartNumber>", part.number, "</PartNumber><ETag>", EscapeXml(part.etag),
                   "</ETag>");
    if (!part.crc32c.empty()) {
      body += Concat("<ChecksumCRC32C>", EscapeXml(part.crc32c), "</ChecksumCRC32C>");
    }
    body += "</Part>";
  }
  return body + "</CompleteMultipartUpload>";
}

}  // namespace fetchd::objstore
