// For bugs: says where and aborts. Never for input or for the outside world.
#pragma once

#include <cstdio>
#include <cstdlib>

#define FETCHD_CHECK(condition)                                                          \
  do {                                                                                   \
    if (!(condition)) {                                                                  \
      std::fprintf(stderr, "%s:%d: CHECK failed: %s\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                                      \
    }                                                                                    \
  } while (false)
