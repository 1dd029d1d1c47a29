// The dashboard: files that are part of the program. Pure.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/http_handler.h"

namespace fetchd::admin {

struct Asset {
  std::string_view path;  ///< "/ui/app.js"
  std::string_view content_type;
  std::string_view bytes;
  std::string etag;  ///< "\"…\"": of the bytes.
};

std::span<const Asset> Assets();
/// Null: there is none of this path.
const Asset* FindAsset(std::string_view path);
/// 304 for who has it; 405 for what is no GET or HEAD. The page may load what is from here alone.
HttpReply AnswerAsset(const Asset& asset, const HttpRequest& request);

}  // namespace fetchd::admin
