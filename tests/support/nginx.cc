#include "support/nginx.h"

#include <csignal>

#include "base/check.h"

namespace fetchd::testing {
namespace {

std::filesystem::path MakeFolder(const std::filesystem::path& path) {
  std::filesystem::create_directories(path);
  std::filesystem::permissions(path, std::filesystem::perms(0755));
  return path;
}

}  // namespace

Nginx::Nginx()
    : root_(MakeFolder(folder_.path() / "www")),
      authority_(folder_.path()),
      identity_(authority_.Issue("server", {"DNS:localhost", "IP:127.0.0.1"})) {
  // Somebody else may have taken a port meanwhile.
  constexpr int kTries = 3;
  for (int tries = 1; !Start(); ++tries) FETCHD_CHECK(tries < kTries);
}

bool Nginx::Start() {
  http_port_ = FreePort();
  https_port_ = FreePort();
  h2c_port_ = FreePort();
  const std::filesystem::path configuration = folder_.path() / "nginx.conf";
  WriteFile(configuration, Configuration());
  process_ =
      std::make_unique<Process>(std::vector<std::string>{"nginx", "-c", configuration.string(),
                                                         "-p", folder_.path().string()},
                                folder_.path() / "nginx.out");
  return WaitForListener(http_port_, std::chrono::seconds(10)) &&
         WaitForListener(https_port_, std::chrono::seconds(10)) &&
         WaitForListener(h2c_port_, std::chrono::seconds(10));
}

void Nginx::Stop() {
  process_->Signal(SIGTERM);
  FETCHD_CHECK(process_->Wait(std::chrono::seconds(10)).has_value());
}

std::string Nginx::HttpUrl(std::string_view target) const {
  return "http://127.0.0.1:" + std::to_string(http_port_) + std::string(target);
}

std::string Nginx::HttpsUrl(std::string_view target) const {
  return "https://localhost:" + std::to_string(https_port_) + std::string(target);
}

std::string Nginx::H2cUrl(std::string_view target) const {
  return "http://127.0.0.1:" + std::to_string(h2c_port_) + std::string(target);
}

std::string Nginx::Configuration() const {
  const std::string folder = folder_.path().string();
  // One process, so that ending it leaves no worker behind.
  std::string text = "load_module /usr/lib/nginx/modules/ngx_http_brotli_filter_module.so;\n";
  text += "daemon off;\nmaster_process off;\npid " + folder + "/nginx.pid;\n";
  text += "error_log " + folder + "/error.log warn;\nevents { worker_connections 4096; }\nhttp {\n";
  text +=
      "  log_format test '$request_method $request_uri $status $http_range $connection "
      "$ssl_session_reused $server_protocol';\n";
  text += "  access_log " + folder + "/access.log test;\n";
  for (const char* kind : {"client_body", "proxy", "fastcgi", "uwsgi", "scgi"}) {
    text += "  " + std::string(kind) + "_temp_path " + folder + "/" + kind + ";\n";
  }
  // Its default takes only the very time of the last change.
  text += "  default_type application/octet-stream;\n  if_modified_since before;\n  server {\n";
  text += "    listen 127.0.0.1:" + std::to_string(http_port_) + ";\n";
  text += "    listen 127.0.0.1:" + std::to_string(https_port_) + " ssl http2;\n";
  text += "    listen 127.0.0.1:" + std::to_string(h2c_port_) + " http2;\n";
  text += "    ssl_certificate " + identity_.certificate.string() + ";\n";
  text += "    ssl_certificate_key " + identity_.key.string() + ";\n";
  text += "    ssl_session_cache shared:sessions:1m;\n";
  text += "    root " + root_.string() + ";\n";
  text += "    location /upload/ { dav_methods PUT; create_full_put_path on; ";
  text += "client_max_body_size 8m; }\n";
  text += "    location /slow/ { alias " + root_.string() + "/; limit_rate 64k; }\n";
  for (const auto& [name, directives] :
       {std::pair("gzip", "gzip on; gzip_types *; gzip_min_length 1;"),
        std::pair("br", "brotli on; brotli_types *; brotli_min_length 1;"),
        std::pair("zstd", "add_header Content-Encoding zstd;"),
        std::pair("deflate", "add_header Content-Encoding deflate;")}) {
    text += "    location /" + std::string(name) + "/ { alias " + root_.string() + "/; " +
            directives + " }\n";
  }
  return text + "  }\n}\n";
}

}  // namespace fetchd::testing
