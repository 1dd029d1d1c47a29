#!/usr/bin/env bash
# The benchmark's origin: nginx on one core, fixed random bodies over HTTP/1.1, HTTPS and HTTP/2.
#   origin.sh start DIR PORT TLS_PORT H2_PORT CPU
#     on 127.0.0.1 to 127.0.0.4; bodies under DIR/www: 1k, 64k, 1m, 1g; /slow/ is the same at 2 KiB/s;
#     TLS_PORT speaks HTTP/1.1 alone, H2_PORT HTTP/2 by ALPN; trust DIR/ca.pem; pid in DIR/nginx.pid
#   origin.sh stop DIR
set -euo pipefail

make_bodies() {
  local entry name size
  for entry in 1k:1024 64k:65536 1m:1048576 1g:1073741824; do
    name=${entry%%:*} size=${entry##*:}
    if [[ $(stat -c %s "$1/$name" 2>/dev/null) != "$size" ]]; then head -c "$size" /dev/urandom >"$1/$name"; fi
  done
}

make_certificate() {
  [[ -f $1/server.pem ]] && return
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj /CN=fetchd-bench-ca \
    -keyout "$1/ca.key" -out "$1/ca.pem" 2>/dev/null
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost \
    -keyout "$1/server.key" -out "$1/server.csr" 2>/dev/null
  openssl x509 -req -in "$1/server.csr" -CA "$1/ca.pem" -CAkey "$1/ca.key" -CAcreateserial -days 3650 -extfile \
    <(printf 'subjectAltName=DNS:localhost,IP:127.0.0.1,IP:127.0.0.2,IP:127.0.0.3,IP:127.0.0.4') -out "$1/server.pem" 2>/dev/null
}

start() {
  local folder=$1 port=$2 tls_port=$3 h2_port=$4 cpu=$5 user='' listen='' host
  if ((EUID == 0)); then user='user root;'; fi
  for host in 127.0.0.{1..4}; do
    listen+="listen $host:$port backlog=8192; listen $host:$tls_port ssl backlog=8192; listen $host:$h2_port ssl http2 backlog=8192;"
  done
  mkdir -p "$folder/www" "$folder/tmp"
  chmod 755 "$folder" "$folder/www"
  make_bodies "$folder/www"
  make_certificate "$folder"
  cat >"$folder/nginx.conf" <<CONF
worker_processes 1;
worker_rlimit_nofile $(ulimit -n);
$user
pid $folder/nginx.pid;
error_log $folder/error.log warn;
events { worker_connections $(($(ulimit -n) - 100)); }
http {
  access_log off;
  sendfile on;
  tcp_nopush on;
  keepalive_requests 1000000000;
  keepalive_timeout 600s;
  open_file_cache max=100;
  default_type application/octet-stream;
  client_body_temp_path $folder/tmp; proxy_temp_path $folder/tmp; fastcgi_temp_path $folder/tmp;
  uwsgi_temp_path $folder/tmp; scgi_temp_path $folder/tmp;
  server {
    $listen
    ssl_certificate $folder/server.pem;
    ssl_certificate_key $folder/server.key;
    ssl_session_cache shared:sessions:1m;
    root $folder/www;
    location /slow/ { alias $folder/www/; limit_rate 2k; }
  }
}
CONF
  taskset -c "$cpu" /usr/sbin/nginx -c "$folder/nginx.conf" -p "$folder"
}

case ${1:-} in
start) start "$2" "$3" "$4" "$5" "$6" ;;
stop) kill "$(cat "$2/nginx.pid")" ;;
*)
  echo "usage: origin.sh start DIR PORT TLS_PORT H2_PORT CPU | stop DIR" >&2
  exit 2
  ;;
esac
