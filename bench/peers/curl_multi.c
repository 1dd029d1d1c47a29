// libcurl's multi interface as a peer: URL, COUNT times, CONCURRENCY at once, bodies discarded.
//   cc -O2 curl_multi.c -o curl_multi -lcurl && ./curl_multi URL COUNT CONCURRENCY [CA_FILE]
// Used as its documentation advises: handles are reused, one multi handle owns the connections.
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>

struct run {
  CURLM *multi;
  long to_start, running, failed;
  unsigned long long bytes;
};

static size_t discard(char *data, size_t size, size_t count, void *context) {
  (void)data;
  ((struct run *)context)->bytes += size * count;
  return size * count;
}

static CURL *make_handle(struct run *run, const char *url, const char *ca_file) {
  CURL *easy = curl_easy_init();
  curl_easy_setopt(easy, CURLOPT_URL, url);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, discard);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, run);
  curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, 262144L);
  curl_easy_setopt(easy, CURLOPT_FAILONERROR, 1L);
  // HTTP/2 where the origin offers it, on one connection as far as it goes.
  curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
  curl_easy_setopt(easy, CURLOPT_PIPEWAIT, 1L);
  if (ca_file) curl_easy_setopt(easy, CURLOPT_CAINFO, ca_file);
  return easy;
}

static void start(struct run *run, CURL *easy) {
  run->to_start--;
  run->running++;
  curl_multi_add_handle(run->multi, easy);
}

static void collect(struct run *run) {
  int left;
  CURLMsg *message;
  while ((message = curl_multi_info_read(run->multi, &left))) {
    CURL *easy = message->easy_handle;
    if (message->data.result != CURLE_OK) run->failed++;
    curl_multi_remove_handle(run->multi, easy);
    run->running--;
    if (run->to_start > 0) {
      start(run, easy);
    } else {
      curl_easy_cleanup(easy);
    }
  }
}

int main(int argc, char **argv) {
  if (argc < 4) {
    fprintf(stderr, "usage: curl_multi URL COUNT CONCURRENCY [CA_FILE]\n");
    return 2;
  }
  const long count = atol(argv[2]), width = atol(argv[3]);
  struct run run = {.to_start = count};
  curl_global_init(CURL_GLOBAL_ALL);
  run.multi = curl_multi_init();
  curl_multi_setopt(run.multi, CURLMOPT_MAXCONNECTS, width);
  for (long i = 0; i < width && run.to_start > 0; i++) {
    start(&run, make_handle(&run, argv[1], argc > 4 ? argv[4] : NULL));
  }
  while (run.running > 0) {
    int active;
    curl_multi_perform(run.multi, &active);
    collect(&run);
    if (run.running > 0) curl_multi_poll(run.multi, NULL, 0, 1000, NULL);
  }
  curl_multi_cleanup(run.multi);
  printf("requests %ld failed %ld bytes %llu\n", count, run.failed, run.bytes);
  return run.failed != 0;
}
