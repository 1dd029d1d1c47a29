#include "app/config_loader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "app/config_schema.h"
#include "base/strings.h"

namespace fetchd::app {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::StartsWith;
using namespace std::chrono_literals;

class ConfigLoaderTest : public ::testing::Test {
 protected:
  ConfigLoaderTest() {
    std::string pattern =
        (std::filesystem::temp_directory_path() / "fetchd-config-XXXXXX").string();
    directory_ = mkdtemp(pattern.data());
  }
  ~ConfigLoaderTest() override { std::filesystem::remove_all(directory_); }

  std::string File() const { return (directory_ / "fetchd.yaml").string(); }
  LoadedConfig LoadFile(const std::string& yaml) {
    std::ofstream(File()) << yaml;
    return LoadConfig({.file = File()});
  }

  std::filesystem::path directory_;
};

TEST_F(ConfigLoaderTest, NothingGivenIsTheDefaults) {
  const LoadedConfig loaded = LoadConfig({});

  EXPECT_THAT(loaded.errors, IsEmpty());
  EXPECT_EQ(loaded.config.grpc_listen, "127.0.0.1:7070");
  EXPECT_EQ(loaded.config.admin_listen, "127.0.0.1:7071");
  EXPECT_EQ(loaded.config.client.max_connections, 256u);
  EXPECT_EQ(loaded.config.buffer_bytes, std::uint64_t{256} << 20);
  EXPECT_EQ(loaded.config.shutdown_grace, 25s);
  EXPECT_EQ(loaded.config.FilesRoot(), "./fetchd-data/files");
  EXPECT_EQ(loaded.config.DatabasePath(), "./fetchd-data/fetchd.db");
  EXPECT_THAT(CheckConfig(loaded.config), IsEmpty());
}

TEST_F(ConfigLoaderTest, ReadsAFile) {
  const LoadedConfig loaded = LoadFile(R"(
data_dir: /srv/fetchd
grpc:
  listen: 127.0.0.1:0
limits: {connections: 64, per_host: 2, buffer_bytes: 64MiB}
egress:
  allow: [127.0.0.1/32, "*.corp.example"]
  ports: [80, 443, 9000]
  ipv4_literals: whatwg
tls:
  min_version: 1.3
  profiles:
    corp:
      ca_file: /etc/corp.pem
      certificate_file: /etc/us.pem
      key_file: /etc/us.key
      min_version: 1.2
      pins: [MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=]
dns: {servers: "10.0.0.2, [::1]:5353", negative_ttl: 0, stale_if_error: 2h}
timeouts: {first_byte: 1m30s}
store.url: "sqlite:/var/lib/jobs.db"
shutdown:
)");

  EXPECT_THAT(loaded.errors, IsEmpty());
  EXPECT_EQ(loaded.config.data_dir, "/srv/fetchd");
  EXPECT_EQ(loaded.config.client.max_per_host, 2u);
  EXPECT_EQ(loaded.config.buffer_bytes, std::uint64_t{64} << 20);
  EXPECT_THAT(loaded.config.egress.allow, ElementsAre("127.0.0.1/32", "*.corp.example"));
  EXPECT_THAT(loaded.config.egress.ports, ElementsAre(80, 443, 9000));
  EXPECT_EQ(loaded.config.engine.url.ipv4_forms, Ipv4Forms::kWhatwg);
  const net::TlsProfile& corp = loaded.config.tls_profiles.at("corp");
  EXPECT_EQ(corp.ca_file, "/etc/corp.pem");
  EXPECT_EQ(corp.certificate_file, "/etc/us.pem");
  EXPECT_EQ(corp.key_file, "/etc/us.key");
  EXPECT_EQ(corp.min_version, net::TlsVersion::k12);
  EXPECT_THAT(corp.pins, ElementsAre("MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="));
  EXPECT_EQ(loaded.config.tls.min_version, net::TlsVersion::k13);
  EXPECT_EQ(net::FormatDnsServers(loaded.config.client.resolver.servers), "10.0.0.2:53,[::1]:5353");
  EXPECT_EQ(loaded.config.client.resolver.negative_ttl, 0s);
  EXPECT_EQ(loaded.config.client.resolver.stale_if_error, 2h);
  EXPECT_EQ(loaded.config.engine.timeouts.first_byte, 90s);
  EXPECT_EQ(loaded.config.DatabasePath(), "/var/lib/jobs.db");
}

TEST_F(ConfigLoaderTest, LaterSourcesWin) {
  std::ofstream(File()) << "limits: {connections: 10, per_host: 10, transfers: 10}\n";

  const LoadedConfig loaded = LoadConfig(
      {.file = File(),
       .environment = {"FETCHD_LIMITS_PER_HOST=20", "FETCHD_LIMITS_TRANSFERS=20", "HOME=/"},
       .settings = {"limits.transfers=30", "limits.transfers=40"}});

  EXPECT_THAT(loaded.errors, IsEmpty());
  EXPECT_EQ(loaded.config.client.max_connections, 10u);
  EXPECT_EQ(loaded.config.client.max_per_host, 20u);
  EXPECT_EQ(loaded.config.engine.max_transfers, 40u);
}

TEST_F(ConfigLoaderTest, UnknownKeySaysWhereAndWhatWasMeant) {
  const LoadedConfig loaded = LoadFile("data_dir: /srv\nlimits:\n  conections: 3\n");

  EXPECT_THAT(loaded.errors,
              ElementsAre(AllOf(StartsWith(File() + ":3: limits.conections: unknown key"),
                                HasSubstr("did you mean limits.connections?"))));
}

TEST_F(ConfigLoaderTest, AllErrorsComeAtOnce) {
  const LoadedConfig loaded = LoadFile(
      "limits:\n  connections: many\n  buffer_bytes: 1.5MiB\nshutdown:\n  grace: 25\nlog: {level: "
      "loud}\n");

  ASSERT_THAT(loaded.errors, SizeIs(4));
  EXPECT_THAT(loaded.errors[0], HasSubstr(":2: limits.connections: expects a whole number from 1"));
  EXPECT_THAT(loaded.errors[1], HasSubstr(":3: limits.buffer_bytes: expects a size"));
  EXPECT_THAT(loaded.errors[2], HasSubstr(":5: shutdown.grace: expects a duration"));
  EXPECT_THAT(loaded.errors[3], HasSubstr(":6: log.level: expects debug | info | warning | error"));
}

struct BadInput {
  std::string name, yaml, message;
};
class BadFileTest : public ConfigLoaderTest, public ::testing::WithParamInterface<BadInput> {};

TEST_P(BadFileTest, IsRefused) {
  EXPECT_THAT(LoadFile(GetParam().yaml).errors, ElementsAre(HasSubstr(GetParam().message)));
}
INSTANTIATE_TEST_SUITE_P(
    All, BadFileTest,
    ::testing::Values(
        BadInput{"NotYaml", "a: [1\n", "not YAML"},
        BadInput{"NotAMap", "- a\n", "expects keys and values"},
        BadInput{"Scalar", "just text\n", "expects keys and values"},
        BadInput{"SectionWithValue", "limits: 5\n", ":1: limits: is a section"},
        BadInput{"Twice", "data_dir: a\ndata_dir: b\n", ":2: data_dir: is given twice"},
        BadInput{"TwiceInTwoForms", "limits.per_host: 1\nlimits: {per_host: 2}\n",
                 "is given twice"},
        BadInput{"MapForText", "data_dir: {a: b}\n", "data_dir: expects text"},
        BadInput{"BoolWord", "grpc: {insecure: yes}\n", "grpc.insecure: expects true or false"},
        BadInput{"ListWanted", "egress: {allow: 127.0.0.1}\n", "egress.allow: expects a list"},
        BadInput{"BadDenyRule", "egress: {deny: [\"10.0.0.1/8\"]}\n",
                 "egress.deny: egress.deny[0]"},
        BadInput{"BadRule", "egress: {allow: [\"300.0.0.0/8\"]}\n", "egress.allow: "},
        BadInput{"LinkLocalBlock", "egress: {allow: [\"169.254.0.0/16\"]}\n",
                 "egress.allow: egress.allow[0] 169.254.0.0/16: link-local, metadata"},
        BadInput{"BadPort", "egress: {ports: [0]}\n", "egress.ports: expects a whole number"},
        BadInput{"ZeroTimeout", "timeouts: {dns: 0}\n", "timeouts.dns: must be more than 0"},
        BadInput{"BadDnsServer", "dns: {servers: \"10.0.0.2,resolver.corp\"}\n",
                 "dns.servers: \"resolver.corp\" is no DNS server"},
        BadInput{"DnsServersAsAList", "dns: {servers: [10.0.0.2]}\n", "dns.servers: expects text"},
        BadInput{"NoDnsCache", "dns: {cache_entries: 0}\n", "dns.cache_entries: expects a whole"},
        BadInput{"OldTls", "tls: {min_version: 1.1}\n", "tls.min_version: expects 1.2 | 1.3"},
        BadInput{"OldTlsOfAProfile", "tls: {profiles: {a: {min_version: 1.0}}}\n",
                 "tls.profiles.a.min_version: expects 1.2 | 1.3"},
        BadInput{"BadPin", "tls: {profiles: {a: {pins: [abc]}}}\n",
                 "tls.profiles.a.pins: \"abc\" is no pin"},
        BadInput{"BadPattern", "origins: {\"a b\": {connections: 1}}\n", "write a host"},
        BadInput{"BadScheme", "origins: {a.test: {prewarm: 1, prewarm_scheme: ftp}}\n",
                 "expects https or http"},
        BadInput{"BadTenant", "tenants: {A: {weight: 1}}\n", "a tenant is 1 to 63 of a-z"},
        BadInput{"HalfADestination", "tenants: {a: {destinations: [\"file:a\"]}}\n",
                 "tenants.a.destinations: \"file:a\""},
        BadInput{"NoWeight", "tenants: {a: {weight: 0}}\n", "tenants.a.weight: "},
        BadInput{"Far", "nothing_like_it: 1\n", "fetchd --print-config lists all keys"}),
    [](const auto& info) { return info.param.name; });

TEST_F(ConfigLoaderTest, BadSettingsAndVariablesNameTheirSource) {
  const LoadedConfig loaded = LoadConfig(
      {.environment = {"FETCHD_LIMITS_CONNECTIONS=x"},
       .settings = {"limits.per_host", "grpc.lisen=1", "egress.allow=[", "shutdown.grace=soon"}});

  ASSERT_THAT(loaded.errors, SizeIs(5));
  EXPECT_THAT(loaded.errors[0], StartsWith("environment: FETCHD_LIMITS_CONNECTIONS: expects"));
  EXPECT_THAT(loaded.errors[1], HasSubstr("is not key=value"));
  EXPECT_THAT(loaded.errors[2],
              StartsWith("--set: grpc.lisen: unknown key; did you mean grpc.listen?"));
  EXPECT_THAT(loaded.errors[3], StartsWith("--set: egress.allow: not YAML"));
  EXPECT_THAT(loaded.errors[4], StartsWith("--set: shutdown.grace: expects a duration"));
}

TEST_F(ConfigLoaderTest, TextSettingsAreTakenAsTheyAre) {
  const LoadedConfig loaded =
      LoadConfig({.environment = {"FETCHD_TLS_PROFILES_CORP_CA_FILE=/a: b"},
                  .settings = {"grpc.listen=[::1]:7070", "http.user_agent=\"quoted # one\"",
                               "tls.profiles.lab.ca_file=/lab.pem"}});

  EXPECT_THAT(loaded.errors, IsEmpty());
  EXPECT_EQ(loaded.config.grpc_listen, "[::1]:7070");
  EXPECT_EQ(loaded.config.client.user_agent, "quoted # one");
  EXPECT_EQ(loaded.config.tls_profiles.at("corp").ca_file, "/a: b");
  EXPECT_EQ(loaded.config.tls_profiles.at("lab").ca_file, "/lab.pem");
}

TEST_F(ConfigLoaderTest, UnknownVariablesWarnUnlessKubernetesSetThem) {
  const LoadedConfig loaded =
      LoadConfig({.environment = {"FETCHD_LIMITS_CONECTIONS=1", "FETCHD_SERVICE_HOST=10.0.0.1",
                                  "FETCHD_PORT_7070_TCP=tcp://10.0.0.1:7070"}});

  EXPECT_THAT(loaded.errors, IsEmpty());
  EXPECT_THAT(loaded.warnings, ElementsAre(HasSubstr("FETCHD_LIMITS_CONECTIONS is no setting")));
}

TEST_F(ConfigLoaderTest, OnlyHttpOriginsAreSpokenToInHttp2WithoutTls) {
  for (const char* origin : {"https://a.example", "http://a.example/path", "a.example"}) {
    const LoadedConfig loaded =
        LoadConfig({.settings = {std::string("http.h2c_origins=[\"") + origin + "\"]"}});
    EXPECT_THAT(loaded.errors, ElementsAre(HasSubstr("is no http origin"))) << origin;
  }
}

TEST_F(ConfigLoaderTest, BroadAllowRuleIsToldThatItDoesNotOpenEverything) {
  const LoadedConfig loaded =
      LoadConfig({.settings = {"egress.allow=[10.0.0.0/8, 0.0.0.0/0, 169.254.1.2/32]"}});

  EXPECT_THAT(loaded.errors, IsEmpty());
  EXPECT_THAT(WarningsAbout(loaded.config),
              ElementsAre(StartsWith("egress.allow[1] 0.0.0.0/0: does not open the link-local")));
}

TEST_F(ConfigLoaderTest, MissingFileIsAnError) {
  EXPECT_THAT(LoadConfig({.file = File()}).errors, ElementsAre(HasSubstr("cannot be read")));
}

TEST_F(ConfigLoaderTest, PrintedConfigReadsToTheSameEffect) {
  const LoadedConfig first = LoadConfig(
      {.settings = {"limits.connections=77",
                    "egress.allow=[127.0.0.1/32, \"*.corp.example\"]",
                    "tls.profiles.corp.ca_file=/etc/corp.pem",
                    "log.format=json",
                    "tls.profiles.corp.certificate_file=/etc/us.pem",
                    "tls.profiles.corp.key_file=/etc/us.key",
                    "tls.profiles.corp.min_version=1.3",
                    "tls.profiles.corp.pins=[MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=]",
                    "tls.profiles.plain.ca_file=",
                    "tls.min_version=1.3",
                    "dns.servers=10.0.0.2",
                    "shutdown.grace=90s",
                    "http.user_agent=a \"b\" # c",
                    "http.h2c_origins=[\"http://internal:8080\"]",
                    "origins.*.corp.example:8443.connections=2",
                    "origins.*.corp.example:8443.tls_profile=corp",
                    "origins.*.connections=9",
                    "origins.internal:8080.prewarm=3",
                    "origins.internal:8080.prewarm_scheme=http",
                    "origins.a.example.username=u: v",
                    "origins.a.example.password_file=/a/pw",
                    "origins.b.example.bearer_token_file=/b/t",
                    "origins.c.example.auth=digest",
                    "auth.netrc_file=/etc/fetchd/netrc",
                    "tenants.*.weight=0.5",
                    "tenants.a.b-c.max_jobs=7",
                    "tenants.a.b-c.max_transfers=0",
                    "tenants.a.b-c.max_stored_bytes=10GiB",
                    "tenants.*.destinations=[\"file:{tenant}/\"]",
                    "segments.max_connections=2",
                    "segments.min_bytes=32MiB",
                    "limits.decode_ratio=50",
                    "limits.decode_bytes=64MiB"}});
  ASSERT_THAT(first.errors, IsEmpty());

  const std::string printed = PrintConfig(first.config);
  const LoadedConfig second = LoadFile(printed);

  EXPECT_THAT(second.errors, IsEmpty());
  EXPECT_EQ(PrintConfig(second.config), printed);
  EXPECT_EQ(second.config.client.max_connections, 77u);
  EXPECT_EQ(second.config.client.user_agent, "a \"b\" # c");
  EXPECT_EQ(second.config.tls_profiles.at("corp").key_file, "/etc/us.key");
  EXPECT_TRUE(second.config.tls_profiles.contains("plain"));
  EXPECT_EQ(second.config.origins.at("*").max_connections, 9u);
  EXPECT_EQ(second.config.origins.at("internal:8080").prewarm, 3u);
  EXPECT_EQ(second.config.origins.at("internal:8080").prewarm_scheme, "http");
  EXPECT_EQ(second.config.origins.at("*.corp.example:8443").tls_profile, "corp");
  EXPECT_EQ(second.config.origins.at("a.example").username, "u: v");
  EXPECT_EQ(second.config.origins.at("a.example").password_file, "/a/pw");
  EXPECT_EQ(second.config.origins.at("b.example").bearer_token_file, "/b/t");
  EXPECT_EQ(second.config.origins.at("c.example").auth, http::LoginScheme::kDigest);
  EXPECT_EQ(second.config.netrc_file, "/etc/fetchd/netrc");
  EXPECT_EQ(second.config.engine.tenants.at("*").weight, 0.5);
  EXPECT_EQ(second.config.engine.tenants.at("a.b-c").max_jobs, 7u);
  EXPECT_EQ(second.config.engine.tenants.at("a.b-c").max_transfers, 0u);
  EXPECT_EQ(second.config.engine.tenants.at("a.b-c").max_stored_bytes, std::uint64_t{10} << 30);
  EXPECT_THAT(*second.config.engine.tenants.at("*").destinations, ElementsAre("file:{tenant}/"));
  EXPECT_EQ(second.config.engine.segments.max_connections, 2);
  EXPECT_EQ(second.config.engine.segments.min_bytes, std::uint64_t{32} << 20);
  EXPECT_EQ(second.config.engine.decode.max_ratio, 50u);
  EXPECT_EQ(second.config.client.decode_bytes, std::uint64_t{64} << 20);
}

TEST_F(ConfigLoaderTest, EveryKeyIsDocumentedAndFindsItself) {
  for (const ConfigKey& key : ConfigKeys()) {
    EXPECT_FALSE(key.help.empty()) << key.name;
    EXPECT_FALSE(key.type.empty()) << key.name;
    if (key.name.find('<') != std::string::npos) continue;
    EXPECT_EQ(FindKey(key.name).key, &key);
    EXPECT_EQ(FindEnvironmentKey(EnvironmentName(key)).key, &key);
  }
}

struct BadCombination {
  std::string name;
  std::vector<std::string> settings;
  std::string message;
};
class CheckConfigTest : public ::testing::TestWithParam<BadCombination> {};

TEST_P(CheckConfigTest, IsRefused) {
  const LoadedConfig loaded = LoadConfig({.settings = GetParam().settings});
  ASSERT_THAT(loaded.errors, IsEmpty());

  EXPECT_THAT(CheckConfig(loaded.config), ElementsAre(HasSubstr(GetParam().message)));
}
INSTANTIATE_TEST_SUITE_P(
    All, CheckConfigTest,
    ::testing::Values(
        BadCombination{"MoreTransfersThanConnections",
                       {"limits.connections=10", "limits.transfers=11"},
                       "limits.transfers: 11 is more than limits.connections (10)"},
        BadCombination{"TinyBuffers", {"limits.buffer_bytes=64k"}, "limits.buffer_bytes"},
        BadCombination{"PostgresWithoutKeys",
                       {"store.url=postgres://db/fetchd"},
                       "secrets.key_file: is missing; processes that share a database"},
        BadCombination{"NoPostgresPort",
                       {"store.url=postgres://db/fetchd?prot=1", "secrets.key_file=/k"},
                       "store.url: expects postgres://USER@HOST:PORT/DATABASE, as libpq reads it: "
                       "invalid URI query parameter: \"prot\""},
        BadCombination{"ShortLease", {"store.lease=500ms"}, "store.lease: from 1s to 10m"},
        BadCombination{
            "PasswordForSqlite", {"store.password_file=/p"}, "store.password_file: is of no use"},
        BadCombination{"OtherStore", {"store.url=mysql:x"}, "expects sqlite:PATH"},
        BadCombination{"NoSuchProfile",
                       {"origins.example.org.tls_profile=corp"},
                       "there is no tls.profiles.corp"},
        BadCombination{"PrewarmOfAPattern",
                       {"origins.*.example.org.prewarm=1"},
                       "origins.*.example.org.prewarm: needs one host"},
        BadCombination{"PrewarmBeyondTheLimit",
                       {"limits.per_host=4", "origins.example.org.prewarm=5"},
                       "5 is more than the host may have (4)"},
        BadCombination{"PrewarmSchemeAlone",
                       {"origins.example.org.prewarm_scheme=http"},
                       "there is no prewarm with it"},
        BadCombination{"Ttls", {"dns.min_ttl=2m"}, "dns.min_ttl: is longer than dns.max_ttl"},
        BadCombination{"UserWithoutPassword",
                       {"origins.example.org.username=u"},
                       "origins.example.org.username: username and password_file"},
        BadCombination{"PasswordWithoutUser",
                       {"origins.example.org.password_file=/p"},
                       "origins.example.org.password_file: username and password_file"},
        BadCombination{"ColonInUser",
                       {"origins.a.org.username=a:b", "origins.a.org.password_file=/p"},
                       "cannot hold a colon"},
        BadCombination{"UserAndToken",
                       {"origins.a.org.username=a", "origins.a.org.password_file=/p",
                        "origins.a.org.bearer_token_file=/t"},
                       "either this or a username"},
        BadCombination{"TokenForEverybody",
                       {"origins.*:443.bearer_token_file=/t"},
                       "would be told to every host"},
        BadCombination{
            "LittleDecodingMemory", {"limits.decode_bytes=39MiB"}, "limits.decode_bytes"},
        BadCombination{"Delays", {"retry.base_delay=1m"}, "retry.base_delay"},
        BadCombination{"FilesRootAboveTheData",
                       {"data_dir=/srv/fetchd/state", "files.root=/srv/fetchd/"},
                       "files.root: /srv/fetchd"},
        BadCombination{"FilesRootIsTheData",
                       {"data_dir=/srv/fetchd", "files.root=/srv/other/../fetchd"},
                       "where the jobs and the key are"},
        BadCombination{"FilesRootHoldsTheDatabase",
                       {"files.root=/srv/files", "store.url=sqlite:/srv/files/jobs.db"},
                       "contains /srv/files/jobs.db"},
        BadCombination{"PublicListener", {"grpc.listen=0.0.0.0:7070"}, "set grpc.insecure: true"},
        BadCombination{"NoListener", {"grpc.listen=7070"}, "is not HOST:PORT"},
        BadCombination{"NoAdminListener", {"admin.listen=7071"}, "is not ADDRESS:PORT"}),
    [](const auto& info) { return info.param.name; });

TEST_F(ConfigLoaderTest, ThePasswordOfADatabaseIsNotShown) {
  for (const std::string url : {"postgres://me:canary@db/fetchd", "postgresql://me:can@ary@db/d",
                                "postgres://me:canary/@db/fetchd",
                                "postgres://db/fetchd?user=me&password=canary&sslmode=require"}) {
    const LoadedConfig loaded =
        LoadConfig({.settings = {Concat("store.url=", url), "secrets.key_file=/k"}});
    ASSERT_THAT(loaded.errors, IsEmpty());

    const std::string printed = PrintConfig(loaded.config);
    EXPECT_THAT(printed, HasSubstr("[redacted]"));
    EXPECT_THAT(printed + loaded.config.DatabaseName(), ::testing::Not(HasSubstr("ary")));
    for (const std::string& error : CheckConfig(loaded.config)) {
      EXPECT_THAT(error, ::testing::Not(HasSubstr("ary")));
    }
  }
}

TEST_F(ConfigLoaderTest, TlsOfTheApiIsWholeOrNotThere) {
  const auto errors = [this](const std::string& yaml) {
    return CheckConfig(LoadFile(yaml).config);
  };

  EXPECT_THAT(errors("callers: {file: d}\ngrpc: {tls: {certificate_file: a, key_file: b, "
                     "client_ca_file: c}}"),
              IsEmpty());
  EXPECT_THAT(errors("grpc: {tls: {certificate_file: a}}"),
              ElementsAre(HasSubstr("grpc.tls.key_file: is missing")));
  EXPECT_THAT(errors("grpc: {tls: {key_file: b}}"),
              ElementsAre(HasSubstr("grpc.tls.certificate_file: is missing")));
  EXPECT_THAT(errors("callers: {file: d}\ngrpc: {tls: {client_ca_file: c}}"),
              ElementsAre(HasSubstr("grpc.tls.client_ca_file: needs certificate_file")));
  EXPECT_THAT(errors("grpc: {tls: {certificate_file: a, key_file: b, client_ca_file: c}}"),
              ElementsAre(HasSubstr("grpc.tls.client_ca_file: needs callers.file")));
  EXPECT_THAT(errors("grpc: {reload_interval: 1500ms}"),
              ElementsAre(HasSubstr("grpc.reload_interval: expects whole seconds")));
}

TEST_F(ConfigLoaderTest, ClientCertificatesAreRequiredUnlessTheyAreOptional) {
  const auto required = [this](const std::string& yaml) {
    return LoadFile(yaml).config.grpc_tls.client_certificate_required;
  };
  EXPECT_EQ(required(""), std::nullopt);
  EXPECT_EQ(required("grpc: {tls: {client_certificates: \"\"}}"), std::nullopt);
  EXPECT_EQ(required("grpc: {tls: {client_certificates: required}}"), true);
  EXPECT_EQ(required("grpc: {tls: {client_certificates: optional}}"), false);
  EXPECT_THAT(LoadFile("grpc: {tls: {client_certificates: never}}").errors,
              ElementsAre(HasSubstr("expects required | optional")));
}

TEST_F(ConfigLoaderTest, ClientCertificatesNeedAnAuthority) {
  for (const char* choice : {"required", "optional"}) {
    const LoadedConfig loaded = LoadFile(Concat(
        "grpc: {tls: {certificate_file: a, key_file: b, client_certificates: ", choice, "}}"));
    EXPECT_THAT(CheckConfig(loaded.config),
                ElementsAre(HasSubstr("grpc.tls.client_certificates: needs client_ca_file")));
  }
}

TEST_F(ConfigLoaderTest, ConnectionsLiveForASecondToADay) {
  for (const char* age : {"999ms", "25h"}) {
    EXPECT_THAT(CheckConfig(LoadFile(Concat("grpc: {tls: {connection_age: ", age, "}}")).config),
                ElementsAre(HasSubstr("grpc.tls.connection_age: expects 1s to 24h")));
  }
  EXPECT_THAT(CheckConfig(LoadFile("grpc: {tls: {connection_age: 24h}}").config), IsEmpty());
}

TEST_F(ConfigLoaderTest, JsonWebTokensNeedAnIssuerAnAudienceAndKeysThatNobodyChanges) {
  const auto errors = [this](const std::string& jwt) {
    return CheckConfig(LoadFile("callers: {jwt: {" + jwt + "}}").config);
  };

  EXPECT_THAT(errors("keys: /etc/jwks.json, issuer: i, audience: a"), IsEmpty());
  EXPECT_THAT(errors("keys: \"https://id.example/jwks\", issuer: i, audience: a"), IsEmpty());
  EXPECT_THAT(errors("keys: \"http://127.0.0.1:8080/jwks\", issuer: i, audience: a"), IsEmpty());
  EXPECT_THAT(errors("keys: \"http://id.example/jwks\", issuer: i, audience: a"),
              ElementsAre(HasSubstr("callers.jwt.keys: expects https")));
  EXPECT_THAT(errors("keys: /etc/jwks.json"),
              ElementsAre(HasSubstr("callers.jwt.issuer: is missing"),
                          HasSubstr("callers.jwt.audience: is missing")));
  EXPECT_THAT(errors("keys: /etc/jwks.json, issuer: i, audience: a, tls_profile: none"),
              ElementsAre(HasSubstr("there is no tls.profiles.none")));
  EXPECT_THAT(errors("keys: /etc/jwks.json, issuer: i, audience: a, clock_skew: 10m"), IsEmpty());
  EXPECT_THAT(errors("keys: /etc/jwks.json, issuer: i, audience: a, clock_skew: 601s"),
              ElementsAre(HasSubstr("callers.jwt.clock_skew: at most 10m")));
}

TEST_F(ConfigLoaderTest, SettingsOfJsonWebTokensNeedKeys) {
  for (const char* setting : {"issuer: i", "audience: a", "clock_skew: 1s", "tls_profile: p",
                              "refresh_interval: 1m", "tenant_claim: t", "roles: {a: [read]}"}) {
    EXPECT_THAT(CheckConfig(LoadFile(Concat("callers: {jwt: {", setting, "}}")).config),
                ElementsAre(HasSubstr("callers.jwt.keys: is missing")))
        << setting;
  }
}

TEST_F(ConfigLoaderTest, ValuesOfRolesMayHaveAnyName) {
  const LoadedConfig loaded =
      LoadFile("callers: {jwt: {roles: {\"fetch:write\": [submit, read], Ops.All: [admin]}}}");

  ASSERT_THAT(loaded.errors, IsEmpty());
  const auto& roles = loaded.config.callers.jwt.rules.roles;
  EXPECT_EQ(roles.at("fetch:write"), (rpc::Roles{rpc::Role::kSubmit, rpc::Role::kRead}));
  EXPECT_EQ(roles.at("Ops.All"), rpc::Roles{rpc::Role::kAdmin});
  EXPECT_THAT(LoadFile("callers: {jwt: {roles: {a: [owner]}}}").errors,
              ElementsAre(HasSubstr("expects a list of submit, read and admin")));
}

}  // namespace
}  // namespace fetchd::app
