#include "admin/dashboard.h"

#include <algorithm>
#include <vector>

#include "admin/health.h"
#include "base/check.h"
#include "base/hash.h"
#include "base/strings.h"

// The file becomes part of this object as it is. ccache knows .incbin, and does not keep the
// result.
#define FETCHD_ASSET(name, file)                     \
  asm(".section .rodata.dashboard,\"a\",@progbits\n" \
      ".global fetchd_asset_" #name                  \
      "\n"                                           \
      "fetchd_asset_" #name                          \
      ":\n"                                          \
      ".incbin \"" FETCHD_DASHBOARD_FILES "/" file   \
      "\"\n"                                         \
      ".global fetchd_asset_" #name                  \
      "_end\n"                                       \
      "fetchd_asset_" #name                          \
      "_end:\n"                                      \
      ".byte 0\n"                                    \
      ".previous\n");                                \
  extern "C" const char fetchd_asset_##name[];       \
  extern "C" const char fetchd_asset_##name##_end[];

FETCHD_ASSET(index, "index.html")
FETCHD_ASSET(style, "style.css")
FETCHD_ASSET(api, "api.js")
FETCHD_ASSET(app, "app.js")
FETCHD_ASSET(dials, "dials.js")
FETCHD_ASSET(dom, "dom.js")
FETCHD_ASSET(job, "job.js")
FETCHD_ASSET(jobs, "jobs.js")
FETCHD_ASSET(origins, "origins.js")

namespace fetchd::admin {
namespace {

constexpr std::string_view kHtml = "text/html; charset=utf-8";
constexpr std::string_view kCss = "text/css; charset=utf-8";
constexpr std::string_view kScript = "text/javascript; charset=utf-8";
constexpr char kPolicy[] =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

Asset MakeAsset(std::string_view path, std::string_view type, const char* begin, const char* end) {
  const std::string_view bytes(begin, static_cast<std::size_t>(end - begin));
  const auto hash = HashHex(HashAlgorithm::kSha256, bytes);
  FETCHD_CHECK(hash.has_value());
  return {path, type, bytes, Concat('"', hash->substr(0, 32), '"')};
}

std::vector<Asset> MakeAssets() {
  return {MakeAsset("/", kHtml, fetchd_asset_index, fetchd_asset_index_end),
          MakeAsset("/ui/style.css", kCss, fetchd_asset_style, fetchd_asset_style_end),
          MakeAsset("/ui/api.js", kScript, fetchd_asset_api, fetchd_asset_api_end),
          MakeAsset("/ui/app.js", kScript, fetchd_asset_app, fetchd_asset_app_end),
          MakeAsset("/ui/dials.js", kScript, fetchd_asset_dials, fetchd_asset_dials_end),
          MakeAsset("/ui/dom.js", kScript, fetchd_asset_dom, fetchd_asset_dom_end),
          MakeAsset("/ui/job.js", kScript, fetchd_asset_job, fetchd_asset_job_end),
          MakeAsset("/ui/jobs.js", kScript, fetchd_asset_jobs, fetchd_asset_jobs_end),
          MakeAsset("/ui/origins.js", kScript, fetchd_asset_origins, fetchd_asset_origins_end)};
}

}  // namespace

std::span<const Asset> Assets() {
  static const auto* assets = new std::vector<Asset>(MakeAssets());  // Never destroyed.
  return *assets;
}

const Asset* FindAsset(std::string_view path) {
  const auto found = std::ranges::find(Assets(), path, &Asset::path);
  return found == Assets().end() ? nullptr : &*found;
}

HttpReply AnswerAsset(const Asset& asset, const HttpRequest& request) {
  HttpReply reply;
  if (!IsRead(request.method)) {
    reply.status = 405;
    reply.body = "method not allowed";
    reply.fields.push_back({"Allow", "GET, HEAD"});
    return reply;
  }
  reply.content_type = asset.content_type;
  reply.fields = {{"Cache-Control", "no-cache"},  // Kept, and asked about each time.
                  {"ETag", asset.etag},
                  {"Content-Security-Policy", kPolicy},
                  {"X-Content-Type-Options", "nosniff"},
                  {"Referrer-Policy", "no-referrer"},
                  {"Cross-Origin-Opener-Policy", "same-origin"},
                  {"Cross-Origin-Resource-Policy", "same-origin"}};
  const std::string_view known = request.Value("if-none-match").value_or("");
  if (known.find(asset.etag) != std::string_view::npos) {
    reply.status = 304;
  } else {
    reply.body = asset.bytes;
  }
  return reply;
}

}  // namespace fetchd::admin
