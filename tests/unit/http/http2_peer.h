// The other side of an HTTP/2 connection: nghttp2 as a server behind a FakeStream.
#pragma once

#include <nghttp2/nghttp2.h>

#include <map>
#include <string>
#include <vector>

#include "unit/http/fake_net.h"

namespace fetchd::http {

using Fields = std::vector<std::pair<std::string, std::string>>;

/// What a server sends for one request.
struct Http2Answer {
  Fields fields = {{":status", "200"}, {"content-length", "5"}};
  std::string body = "hello";
  Fields trailers;
  bool ends = true;     ///< With END_STREAM after the body; else silence.
  bool answers = true;  ///< False: no head either.
};

/// Attach it to a FakePeer, which then speaks HTTP/2. Both outlive the stream.
class Http2Peer {
 public:
  using Respond = std::function<Http2Answer(std::int32_t id, const Fields& request)>;

  explicit Http2Peer(FakePeer& peer, std::vector<nghttp2_settings_entry> settings = {})
      : peer_(peer) {
    nghttp2_session_callbacks* callbacks = nullptr;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, &OnHeader);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, &OnFrame);
    nghttp2_option* option = nullptr;
    nghttp2_option_new(&option);
    nghttp2_option_set_no_http_messaging(option, 1);  // It may misbehave.
    nghttp2_option_set_max_send_header_block_length(option, std::size_t{1} << 20);
    nghttp2_session_server_new2(&session_, callbacks, this, option);
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_submit_settings(session_, 0, settings.data(), settings.size());
    peer_.speaks_http2 = true;
    peer_.ends = false;
    peer_.on_write = [this](std::string_view bytes) { Take(bytes); };
    Flush();
  }
  Http2Peer(const Http2Peer&) = delete;
  Http2Peer& operator=(const Http2Peer&) = delete;
  ~Http2Peer() { nghttp2_session_del(session_); }

  void Answer(std::int32_t id, Http2Answer answer) {
    Http2Answer& kept = answers_[id] = std::move(answer);
    std::vector<nghttp2_nv> fields = Pairs(kept.fields);
    const bool bodiless = kept.body.empty() && kept.ends && kept.trailers.empty();
    nghttp2_data_provider body{{.ptr = this}, &ReadBody};
    nghttp2_submit_response(session_, id, fields.data(), fields.size(), bodiless ? nullptr : &body);
    Flush();
  }
  /// A 1xx head before the answer.
  void Inform(std::int32_t id, const std::string& status) {
    Fields fields = {{":status", status}};
    std::vector<nghttp2_nv> pairs = Pairs(fields);
    nghttp2_submit_headers(session_, NGHTTP2_FLAG_NONE, id, nullptr, pairs.data(), pairs.size(),
                           nullptr);
    Flush();
  }
  void Reset(std::int32_t id, std::uint32_t code) {
    nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, id, code);
    Flush();
  }
  void GoAway(std::int32_t last_id) {
    nghttp2_submit_goaway(session_, NGHTTP2_FLAG_NONE, last_id, NGHTTP2_NO_ERROR, nullptr, 0);
    Flush();
  }
  void Flush() {
    const std::uint8_t* bytes = nullptr;
    for (ssize_t size; !silent && (size = nghttp2_session_mem_send(session_, &bytes)) > 0;) {
      peer_.Say(std::string(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size)));
    }
  }

  Respond respond = [](std::int32_t, const Fields&) { return Http2Answer(); };
  std::vector<std::pair<std::int32_t, Fields>> requests;  ///< In the order received.
  std::vector<std::string> never_indexed;                 ///< Names of fields that asked for it.
  std::map<std::int32_t, std::uint32_t> resets;           ///< Received: stream -> error code.
  std::map<std::int32_t, std::size_t> body_sent;          ///< As far as the windows went.
  bool silent = false;                                    ///< Sends nothing any more.
  bool said_goodbye = false;                              ///< GOAWAY was received.

 private:
  static Http2Peer& Self(void* user_data) { return *static_cast<Http2Peer*>(user_data); }

  static std::vector<nghttp2_nv> Pairs(Fields& fields) {
    std::vector<nghttp2_nv> pairs;
    for (auto& [name, value] : fields) {
      pairs.push_back({reinterpret_cast<std::uint8_t*>(name.data()),
                       reinterpret_cast<std::uint8_t*>(value.data()), name.size(), value.size(),
                       NGHTTP2_NV_FLAG_NONE});
    }
    return pairs;
  }

  static int OnHeader(nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t* name,
                      std::size_t name_size, const std::uint8_t* value, std::size_t value_size,
                      std::uint8_t flags, void* user_data) {
    if ((flags & NGHTTP2_NV_FLAG_NO_INDEX) != 0) {
      Self(user_data).never_indexed.emplace_back(reinterpret_cast<const char*>(name), name_size);
    }
    Self(user_data).fields_[frame->hd.stream_id].emplace_back(
        std::string(reinterpret_cast<const char*>(name), name_size),
        std::string(reinterpret_cast<const char*>(value), value_size));
    return 0;
  }

  static int OnFrame(nghttp2_session*, const nghttp2_frame* frame, void* user_data) {
    Http2Peer& self = Self(user_data);
    const std::int32_t id = frame->hd.stream_id;
    if (frame->hd.type == NGHTTP2_GOAWAY) self.said_goodbye = true;
    if (frame->hd.type == NGHTTP2_RST_STREAM) self.resets[id] = frame->rst_stream.error_code;
    if (frame->hd.type == NGHTTP2_HEADERS) self.requests.emplace_back(id, self.fields_[id]);
    return 0;
  }

  static ssize_t ReadBody(nghttp2_session* session, std::int32_t id, std::uint8_t* out,
                          std::size_t size, std::uint32_t* flags, nghttp2_data_source* source,
                          void*) {
    Http2Peer& self = *static_cast<Http2Peer*>(source->ptr);
    Http2Answer& answer = self.answers_[id];
    std::size_t& sent = self.body_sent[id];
    const std::size_t bytes = std::min(size, answer.body.size() - sent);
    if (bytes == 0 && !answer.ends) return NGHTTP2_ERR_DEFERRED;
    answer.body.copy(reinterpret_cast<char*>(out), bytes, sent);
    sent += bytes;
    if (sent == answer.body.size() && answer.ends) {
      *flags |= NGHTTP2_DATA_FLAG_EOF;
      if (!answer.trailers.empty()) {
        *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
        std::vector<nghttp2_nv> trailers = Pairs(answer.trailers);
        nghttp2_submit_trailer(session, id, trailers.data(), trailers.size());
      }
    }
    return static_cast<ssize_t>(bytes);
  }

  void Take(std::string_view bytes) {
    const std::size_t before = requests.size();
    nghttp2_session_mem_recv(session_, reinterpret_cast<const std::uint8_t*>(bytes.data()),
                             bytes.size());
    for (std::size_t i = before; i < requests.size(); ++i) {
      const std::int32_t id = requests[i].first;
      Http2Answer answer = respond(id, requests[i].second);
      if (answer.answers) Answer(id, std::move(answer));
    }
    Flush();
  }

  FakePeer& peer_;
  nghttp2_session* session_ = nullptr;
  std::map<std::int32_t, Fields> fields_;
  std::map<std::int32_t, Http2Answer> answers_;
};

}  // namespace fetchd::http
