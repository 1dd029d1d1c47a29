// For the tests, on top of precompiled.h: GoogleTest costs each file that includes it two seconds.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "precompiled.h"
