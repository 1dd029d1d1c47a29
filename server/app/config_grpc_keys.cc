#include "app/config_grpc_keys.h"

#include "app/config_rows.h"

namespace fetchd::app {
namespace {

/// `""` is what is not set: whether a certificate is required is a question only where there is a
/// client_ca_file.
ConfigKey ClientCertificatesKey() {
  const Kind<bool> kind = ChoiceKind<bool>({{"required", true}, {"optional", false}});
  return {
      "grpc.tls.client_certificates",
      kind.type,
      "With client_ca_file: whether a caller without a certificate may connect. Not set: required.",
      kind.is_text,
      [kind](const YAML::Node& node, const std::string&, Config& config) -> absl::Status {
        config.grpc_tls.client_certificate_required.reset();
        if (node.IsScalar() && node.Scalar().empty()) return absl::OkStatus();
        ASSIGN_OR_RETURN(config.grpc_tls.client_certificate_required, kind.read(node));
        return absl::OkStatus();
      },
      [kind](const Config& config) {
        const auto& required = config.grpc_tls.client_certificate_required;
        return WrittenValues{{"", required ? kind.write(*required) : WriteText("")}};
      }};
}

}  // namespace

std::vector<ConfigKey> GrpcKeys() {
  return {
      TextKey("grpc.listen", FETCHD_AT(grpc_listen),
              "Address of the API; port 0 takes a free one. [::] is every address, of IPv4 too; "
              "0.0.0.0 those of IPv4."),
      BoolKey("grpc.insecure", FETCHD_AT(grpc_insecure),
              "Serve without TLS, or without asking who calls, on an address that other machines "
              "reach."),
      NumberKey("grpc.max_connections", FETCHD_AT(grpc_connections.connections), 2, 1'000'000,
                "Connections of callers; further ones are closed. Fewer where file descriptors do "
                "not suffice: the log says how many."),
      NumberKey("grpc.max_connections_per_address", FETCHD_AT(grpc_connections.of_address), 0,
                1'000'000,
                "Those of one address, or of one /64 of IPv6. 0: half of all. Behind a proxy all "
                "callers have its address."),
      NumberKey("grpc.max_cancels_per_sec", FETCHD_AT(grpc_connections.cancels_per_sec), 0,
                1'000'000,
                "A connection of which more calls are cancelled is ended; so are those that take "
                "part when five times as many are of all together. 0: none is."),
      NumberKey("grpc.max_watches", FETCHD_AT(grpc_max_watches), 1, 1'000'000,
                "WatchJobs and WatchBatches at the same time, half of them by the callers of one "
                "tenant at "
                "most; a further one is RESOURCE_EXHAUSTED."),
      SizeKey("grpc.call_memory", FETCHD_AT(grpc_call_memory_bytes),
              "What gRPC may hold for all calls together, besides the bytes of bodies."),
      TextKey("grpc.tls.certificate_file", FETCHD_AT(grpc_tls.certificate_file),
              "The API's certificate (PEM, its intermediates after it). Empty: plain text."),
      TextKey("grpc.tls.key_file", FETCHD_AT(grpc_tls.key_file),
              "Its private key (PEM, without passphrase)."),
      TextKey("grpc.tls.client_ca_file", FETCHD_AT(grpc_tls.client_ca_file),
              "Authorities (PEM) of callers' certificates. Empty: none is asked for."),
      ClientCertificatesKey(),
      DurationKey("grpc.tls.connection_age", FETCHD_AT(grpc_tls.connection_age),
                  "With client_ca_file: how long a connection lives before its calls get 5 min to "
                  "end, so that nobody stays on an expired certificate; 1s to 24h."),
      DurationKey(
          "grpc.reload_interval", FETCHD_AT(grpc_tls.reload_interval),
          "How often the files of grpc.tls, admin.tls, callers and secrets.named are read again; "
          "whole seconds."),
  };
}

}  // namespace fetchd::app
