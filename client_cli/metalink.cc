// Manifests as Metalink 4 (RFC 5854): each file is an entry; its URLs by priority are mirrors of
// one another. Read with Expat, which stops behind each file: no tree is ever built. Document types
// are refused, and with them entities.
#include <expat.h>

#include <algorithm>
#include <limits>
#include <memory>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "cli/manifest_line.h"
#include "cli/manifest_reader.h"

namespace fetchd::cli {
namespace {

constexpr std::string_view kNamespace = "urn:ietf:params:xml:ns:metalink|";
constexpr std::size_t kMostUrls = 16;  // What a job takes: those of the highest priority.
constexpr std::size_t kMostText = 8192;
constexpr std::size_t kMostDepth = 64;
constexpr std::size_t kPiece = 1 << 20;
constexpr std::uint32_t kLastPriority = 999'999;

struct MirrorUrl {
  std::uint32_t priority = kLastPriority;  ///< 1 goes first.
  std::size_t place = 0;                   ///< In the document, among equals.
  std::string url;
  friend auto operator<=>(const MirrorUrl&, const MirrorUrl&) = default;
};

/// What one <file> says.
struct File {
  std::size_t line = 0;
  std::string name;
  std::vector<MirrorUrl> urls;
  std::vector<std::string> digests;
  std::string size;
};

/// The element's name without the namespace; empty for those of others, which mean nothing here.
std::string_view LocalName(const char* name) {
  const std::string_view text = name;
  return text.starts_with(kNamespace) ? text.substr(kNamespace.size()) : std::string_view();
}

std::string_view Attribute(const char** attributes, std::string_view name) {
  for (; *attributes != nullptr; attributes += 2) {
    if (name == attributes[0]) return attributes[1];
  }
  return {};
}

bool IsFetchable(std::string_view url) {
  const std::string scheme = AsciiLower(url.substr(0, std::min(url.find(':'), url.size())));
  return scheme == "http" || scheme == "https";
}

/// Of a hash's type (IANA's names), or null: what is not known is not checked.
const char* AlgorithmOf(std::string_view type) {
  constexpr std::pair<std::string_view, const char*> kKnown[] = {
      {"sha-256", "sha256"}, {"sha-384", "sha384"}, {"sha-512", "sha512"}, {"md5", "md5"}};
  for (const auto& [name, algorithm] : kKnown) {
    if (EqualsIgnoreCase(type, name)) return algorithm;
  }
  return nullptr;
}

/// RFC 5854 4.1.2.1: a relative path that stays beneath where it is put.
absl::Status CheckFileName(std::string_view name) {
  const bool drive = name.size() > 1 && name[1] == ':';
  bool safe = !name.empty() && !drive && !HasControl(name) &&
              name.find_first_of("\\{}") == std::string_view::npos;
  for (std::string_view rest = name; safe;) {
    const std::size_t slash = rest.find('/');
    const std::string_view segment = rest.substr(0, slash);
    safe = !segment.empty() && segment != "." && segment != "..";
    if (slash == std::string_view::npos) break;
    rest.remove_prefix(slash + 1);
  }
  if (safe) return absl::OkStatus();
  return absl::InvalidArgumentError(
      Concat("the file's name \"", name, "\" is not a path that stays beneath its folder"));
}

absl::StatusOr<v1::CreateJobRequest> RequestOf(File file) {
  RETURN_IF_ERROR(CheckFileName(file.name));
  v1::CreateJobRequest request;
  request.mutable_job()->set_destination("file:" + file.name);
  v1::FetchSpec& spec = *request.mutable_job()->mutable_spec();
  std::erase_if(file.urls, [](const MirrorUrl& url) { return !IsFetchable(url.url); });
  if (file.urls.empty()) {
    return absl::InvalidArgumentError(Concat("file \"", file.name, "\" has no http or https URL"));
  }
  std::ranges::sort(file.urls);
  for (std::size_t i = 0; i < std::min(file.urls.size(), kMostUrls); ++i) {
    spec.add_urls(std::move(file.urls[i].url));
  }
  for (const std::string& text : file.digests) {
    auto digest = CheckDigest(text);
    if (!digest.ok()) return WithPrefix(digest.status(), Concat("file \"", file.name, "\""));
    spec.add_digests(*std::move(digest));
  }
  if (file.size.empty()) return request;
  const auto size = ParseDecimal(file.size);
  if (!size) {
    return absl::InvalidArgumentError(
        Concat("file \"", file.name, "\": its size is not a whole number of bytes"));
  }
  spec.set_expected_size(*size);
  return request;
}

class MetalinkReader final : public ManifestReader {
 public:
  explicit MetalinkReader(std::string_view text)
      : text_(text), parser_(XML_ParserCreateNS(nullptr, '|')) {
    if (parser_ == nullptr) throw std::bad_alloc();
    XML_SetUserData(parser_.get(), this);
    XML_SetElementHandler(parser_.get(), &OnStart, &OnEnd);
    XML_SetCharacterDataHandler(parser_.get(), &OnText);
    XML_SetStartDoctypeDeclHandler(parser_.get(), &OnDoctype);
  }

  std::optional<Item> Next() override {
    while (!ready_ && !done_) Advance();
    return std::exchange(ready_, std::nullopt);
  }

 private:
  struct Free {
    void operator()(XML_Parser parser) const { XML_ParserFree(parser); }
  };

  void Advance() {
    const XML_Status status = suspended_ ? XML_ResumeParser(parser_.get()) : Feed();
    suspended_ = status == XML_STATUS_SUSPENDED;
    if (status == XML_STATUS_OK && fed_ == text_.size()) done_ = true;
    if (status != XML_STATUS_ERROR || std::exchange(done_, true)) return;
    const XML_LChar* const words = XML_ErrorString(XML_GetErrorCode(parser_.get()));
    SayError(Concat("not well-formed XML: ", words == nullptr ? "unknown error" : words));
  }

  XML_Status Feed() {
    const std::size_t size = std::min(kPiece, text_.size() - fed_);
    const char* const piece = text_.data() + fed_;
    fed_ += size;
    return XML_Parse(parser_.get(), piece, static_cast<int>(size), fed_ == text_.size() ? 1 : 0);
  }

  std::size_t Line() const { return XML_GetCurrentLineNumber(parser_.get()); }
  void SayError(const std::string& message) {
    ready_ = Item{Line(), files_ + 1, absl::InvalidArgumentError(message)};
  }
  /// Of the whole document: nothing of it is read any more.
  void Refuse(const std::string& message) {
    if (done_) return;  // Expat may call back once more.
    done_ = true;
    SayError(message);
    XML_StopParser(parser_.get(), XML_FALSE);
  }

  static void XMLCALL OnDoctype(void* self, const XML_Char*, const XML_Char*, const XML_Char*,
                                int) {
    static_cast<MetalinkReader*>(self)->Refuse(
        "a document type declaration, which is refused with its entities");
  }
  static void XMLCALL OnStart(void* self, const XML_Char* name, const XML_Char** attributes) {
    static_cast<MetalinkReader*>(self)->Start(LocalName(name), attributes);
  }
  static void XMLCALL OnEnd(void* self, const XML_Char*) {
    static_cast<MetalinkReader*>(self)->End();
  }
  static void XMLCALL OnText(void* self, const XML_Char* text, int size) {
    static_cast<MetalinkReader*>(self)->Text({text, static_cast<std::size_t>(size)});
  }

  void Start(std::string_view name, const char** attributes) {
    if (done_) return;
    if (path_.empty() && name != "metalink") {
      return Refuse("not a Metalink 4 document (RFC 5854)");
    }
    if (path_.size() == kMostDepth) return Refuse("elements too deep in one another");
    path_.emplace_back(name);
    content_.clear();
    if (path_.size() == 2 && name == "file") {
      file_ = {Line(), std::string(Attribute(attributes, "name")), {}, {}, ""};
    }
    if (!IsOfFile()) return;
    type_ = Attribute(attributes, "type");
    priority_ = kLastPriority;
    if (const std::string_view text = Attribute(attributes, "priority"); !text.empty()) {
      priority_ = ParseDecimal<std::uint32_t>(text).value_or(kLastPriority);
    }
  }

  /// A child of <file>: not of <pieces>, which has hashes of its own.
  bool IsOfFile() const { return path_.size() == 3 && path_[1] == "file"; }

  void Text(std::string_view text) {
    if (done_ || !IsOfFile()) return;
    content_ += text;
    if (content_.size() > kMostText) Refuse("a URL, hash or size of more than 8,192 bytes");
  }

  void End() {
    if (done_) return;
    if (IsOfFile()) Take(path_.back());
    const bool file_ends = path_.size() == 2 && path_.back() == "file";
    path_.pop_back();
    if (!file_ends) return;
    ++files_;
    ready_ = Item{file_.line, files_, RequestOf(std::move(file_))};
    XML_StopParser(parser_.get(), XML_TRUE);
  }

  void Take(std::string_view name) {
    const std::size_t begin = content_.find_first_not_of(" \t\r\n");
    const std::size_t end = content_.find_last_not_of(" \t\r\n");
    const std::string text =
        begin == std::string::npos ? std::string() : content_.substr(begin, end + 1 - begin);
    if (name == "url") file_.urls.push_back({priority_, file_.urls.size(), text});
    if (name == "size") file_.size = text;
    if (const char* const algorithm = AlgorithmOf(type_); name == "hash" && algorithm != nullptr) {
      file_.digests.push_back(Concat(algorithm, ":", text));
    }
  }

  const std::string_view text_;
  const std::unique_ptr<XML_ParserStruct, Free> parser_;
  std::size_t fed_ = 0;
  bool suspended_ = false;
  bool done_ = false;
  std::optional<Item> ready_;
  std::int64_t files_ = 0;
  std::vector<std::string> path_;  ///< Elements that are open; "" for those of other namespaces.
  File file_;
  std::string content_, type_;
  std::uint32_t priority_ = kLastPriority;
};

}  // namespace

std::unique_ptr<ManifestReader> NewMetalinkReader(std::string_view text) {
  return std::make_unique<MetalinkReader>(text);
}

}  // namespace fetchd::cli
