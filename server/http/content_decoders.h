// The decoders behind MakeDecoder, each over its library.
#pragma once

#include <memory>

#include "http/content_coding.h"

namespace fetchd::http {

std::unique_ptr<ContentDecoder> MakeGzipDecoder();
std::unique_ptr<ContentDecoder> MakeDeflateDecoder();
std::unique_ptr<ContentDecoder> MakeBrotliDecoder();
std::unique_ptr<ContentDecoder> MakeZstdDecoder();

}  // namespace fetchd::http
