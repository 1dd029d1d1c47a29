#include "objstore/xml.h"

#include <expat.h>

#include <algorithm>
#include <memory>
#include <new>
#include <utility>
#include <vector>

#include "base/strings.h"

namespace fetchd::objstore {
namespace {

constexpr std::size_t kMostXmlDepth = 16;
constexpr std::size_t kMostXmlName = 256;
constexpr std::size_t kMostXmlText = 16384;
constexpr std::size_t kXmlPiece = 1 << 20;  // Expat counts in int.

/// One reading. Expat calls back once or twice more after it was told to stop: `status_` says so.
class XmlReading {
 public:
  explicit XmlReading(XmlVisitor visitor)
      : visitor_(visitor), parser_(XML_ParserCreateNS(nullptr, '|')) {
    if (parser_ == nullptr) throw std::bad_alloc();
    XML_SetUserData(parser_.get(), this);
    XML_SetElementHandler(parser_.get(), &OnStart, &OnEnd);
    XML_SetCharacterDataHandler(parser_.get(), &OnText);
    XML_SetStartDoctypeDeclHandler(parser_.get(), &OnDoctype);
  }

  absl::Status Read(std::string_view document) {
    bool last = false;
    while (!last && status_.ok()) {
      const std::string_view piece = document.substr(0, kXmlPiece);
      document.remove_prefix(piece.size());
      last = document.empty();
      const XML_Status parsed =
          XML_Parse(parser_.get(), piece.data(), static_cast<int>(piece.size()), last ? 1 : 0);
      if (parsed == XML_STATUS_ERROR && status_.ok()) {
        const XML_LChar* const words = XML_ErrorString(XML_GetErrorCode(parser_.get()));
        status_ = UnexpectedXml(words == nullptr ? "not well-formed" : words);
      }
    }
    return status_;
  }

 private:
  struct Free {
    void operator()(XML_Parser parser) const { XML_ParserFree(parser); }
  };
  struct Element {
    std::size_t path_size;  ///< Of its parent.
    std::string text;
  };

  static XmlReading& Of(void* self) { return *static_cast<XmlReading*>(self); }
  static void XMLCALL OnDoctype(void* self, const XML_Char*, const XML_Char*, const XML_Char*,
                                int) {
    Of(self).Stop(UnexpectedXml("a document type declaration"));
  }
  static void XMLCALL OnStart(void* self, const XML_Char* name, const XML_Char**) {
    Of(self).Start(name);
  }
  static void XMLCALL OnEnd(void* self, const XML_Char*) { Of(self).End(); }
  static void XMLCALL OnText(void* self, const XML_Char* text, int size) {
    Of(self).Text({text, static_cast<std::size_t>(size)});
  }

  void Stop(absl::Status status) {
    if (!status_.ok()) return;
    status_ = std::move(status);
    XML_StopParser(parser_.get(), XML_FALSE);
  }

  void Start(std::string_view name) {
    if (!status_.ok()) return;
    const std::string_view local = name.substr(name.rfind('|') + 1);  // npos + 1 is 0.
    if (open_.size() == kMostXmlDepth)
      return Stop(UnexpectedXml("elements too deep in one another"));
    if (local.size() > kMostXmlName)
      return Stop(UnexpectedXml("the name of an element is too long"));
    open_.push_back({path_.size(), {}});
    if (!path_.empty()) path_ += '/';
    path_ += local;
  }

  void Text(std::string_view text) {
    if (!status_.ok() || open_.empty()) return;
    std::string& all = open_.back().text;
    if (text.size() > kMostXmlText - all.size()) return Stop(UnexpectedXml("a text is too long"));
    all += text;
  }

  void End() {
    if (!status_.ok()) return;
    Element element = std::move(open_.back());
    open_.pop_back();
    if (absl::Status seen = visitor_(path_, std::move(element.text)); !seen.ok()) {
      return Stop(std::move(seen));
    }
    path_.resize(element.path_size);
  }

  XmlVisitor visitor_;
  const std::unique_ptr<XML_ParserStruct, Free> parser_;
  absl::Status status_;
  std::string path_;
  std::vector<Element> open_;
};

}  // namespace

absl::Status ReadXml(std::string_view document, XmlVisitor visitor) {
  document.remove_prefix(std::min(document.find_first_not_of(" \t\r\n"), document.size()));
  return XmlReading(visitor).Read(document);
}

absl::StatusOr<XmlFields> ReadXmlFields(std::string_view document) {
  XmlFields fields;
  RETURN_IF_ERROR(ReadXml(document, [&](std::string_view path, std::string text) {
    fields.try_emplace(std::string(path), std::move(text));
    return absl::OkStatus();
  }));
  return fields;
}

std::string TakeXmlField(XmlFields& fields, std::string_view path) {
  const auto found = fields.find(path);
  return found == fields.end() ? std::string() : std::move(found->second);
}

absl::Status UnexpectedXml(std::string_view what) {
  return absl::DataLossError(Concat("the answer's XML: ", what));
}

std::string EscapeXml(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    switch (c) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      default:
        escaped += c;
    }
  }
  return escaped;
}

}  // namespace fetchd::objstore
