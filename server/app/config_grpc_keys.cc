#include "app/config_grpc_keys.h"

#include "app/config_rows.h"

namespace fetchd::app {

std::vector<ConfigKey> GrpcKeys() {
  return {
      TextKey("grpc.listen", FETCHD_AT(grpc_listen),
              "Address of the API; port 0 takes a free one."),
      BoolKey("grpc.insecure", FETCHD_AT(grpc_insecure),
              "Serve without TLS, or without asking who calls, on an address that other machines "
              "reach."),
      TextKey("grpc.tls.certificate_file", FETCHD_AT(grpc_tls.certificate_file),
              "The API's certificate (PEM, its intermediates after it). Empty: plain text."),
      TextKey("grpc.tls.key_file", FETCHD_AT(grpc_tls.key_file),
              "Its private key (PEM, without passphrase)."),
      TextKey("grpc.tls.client_ca_file", FETCHD_AT(grpc_tls.client_ca_file),
              "Authorities (PEM) of callers' certificates. Empty: none is asked for."),
      ChoiceKey<bool>("grpc.tls.client_certificates",
                      FETCHD_AT(grpc_tls.client_certificate_required),
                      {{"required", true}, {"optional", false}},
                      "With client_ca_file: whether a caller without a certificate may connect."),
      DurationKey("grpc.reload_interval", FETCHD_AT(grpc_tls.reload_interval),
                  "How often the files of grpc.tls and callers are read again; whole seconds."),
  };
}

}  // namespace fetchd::app
