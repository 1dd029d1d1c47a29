// XML as stores and token services answer it: small, flat and not to be trusted.
#pragma once

#include <absl/functional/function_ref.h>

#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "base/status.h"

namespace fetchd::objstore {

/// Called for each element as it ends: children come before their parent. `path` is the names from
/// the root without their namespaces ("ListPartsResult/Part/ETag"), `text` what stands in the
/// element before and between its children, in UTF-8. A status that is not OK ends the reading.
using XmlVisitor = absl::FunctionRef<absl::Status(std::string_view path, std::string text)>;

/// Reads a document from its first to its last byte; white space may come before it. DATA_LOSS:
/// not well-formed, a document type (and so any entity of its own), elements more than 16 deep, a
/// name of more than 256 bytes or a text of more than 16 KiB.
absl::Status ReadXml(std::string_view document, XmlVisitor visitor);

/// Texts of elements that occur once, by path; of those that occur again the first.
using XmlFields = std::map<std::string, std::string, std::less<>>;
/// Fails as ReadXml does.
absl::StatusOr<XmlFields> ReadXmlFields(std::string_view document);
/// Taken out; empty where there is none.
std::string TakeXmlField(XmlFields& fields, std::string_view path);

/// DATA_LOSS: XML that is not what it should be.
absl::Status UnexpectedXml(std::string_view what);

/// `text` so that it can stand between two tags.
std::string EscapeXml(std::string_view text);

}  // namespace fetchd::objstore
