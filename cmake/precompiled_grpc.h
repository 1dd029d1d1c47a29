// For what speaks the wire contract or reads a command line, on top of precompiled.h: these headers cost each
// file that includes them some four seconds. It changes no include: each file still names what it uses.
#pragma once

#include <CLI/CLI.hpp>

#include "fetchd/v1/admin_service.grpc.pb.h"
#include "fetchd/v1/fetch_service.grpc.pb.h"
#include "precompiled.h"
