#include "support/radosgw.h"

#include <chrono>

#include "base/check.h"

namespace fetchd::testing {
namespace {

constexpr std::chrono::minutes kComeUp{2};  // On a machine that is busy; else it takes seconds.

std::string RandomUuid() {
  std::string text = ReadFile("/proc/sys/kernel/random/uuid");
  while (text.ends_with('\n')) text.pop_back();
  return text;
}

}  // namespace

Radosgw& Radosgw::Shared() {
  static Radosgw shared;
  return shared;
}

Radosgw::Radosgw()
    : authority_(folder_.path()),
      identity_(authority_.Issue("gateway", {"DNS:localhost", "IP:127.0.0.1",
                                             "DNS:" + std::string(kHostBucket) + ".localhost"})),
      monitor_port_(FreePort()),
      http_port_(FreePort()),
      https_port_(FreePort()) {
  for (const char* name : {"mon", "osd", "log", "run", "rgw"}) {
    std::filesystem::create_directory(folder_.path() / name);
  }
  const std::string cluster_id = RandomUuid();
  WriteFile(Path("ceph.conf"), Configuration(cluster_id));
  MakeKeys();
  StartMonitor(cluster_id);
  StartStorage();
  StartGateway();
}

std::string Radosgw::HttpUrl() const { return "http://127.0.0.1:" + std::to_string(http_port_); }
std::string Radosgw::HostUrl() const { return "http://localhost:" + std::to_string(http_port_); }
std::string Radosgw::HttpsUrl() const { return "https://localhost:" + std::to_string(https_port_); }

std::string Radosgw::Run(std::vector<std::string> argv) const {
  const std::string name = argv.front();
  Process process(std::move(argv), Path("log/" + name + ".out"));
  const auto code = process.Wait(kComeUp);
  FETCHD_CHECK(code == 0);
  return process.Output();
}

void Radosgw::MakeKeys() const {
  const std::string keyring = Path("keyring");
  Run({"ceph-authtool", "--create-keyring", keyring, "--gen-key", "-n", "mon.", "--cap", "mon",
       "allow *"});
  Run({"ceph-authtool", keyring, "--gen-key", "-n", "client.admin", "--cap", "mon", "allow *",
       "--cap", "osd", "allow *", "--cap", "mgr", "allow *"});
  Run({"ceph-authtool", keyring, "--gen-key", "-n", "client.rgw", "--cap", "mon", "allow rw",
       "--cap", "osd", "allow rwx"});
  Run({"ceph-authtool", keyring, "--gen-key", "-n", "osd.0", "--cap", "mon", "allow profile osd",
       "--cap", "osd", "allow *"});
}

void Radosgw::StartMonitor(const std::string& cluster_id) {
  const std::string address = "[v2:127.0.0.1:" + std::to_string(monitor_port_) + "]";
  Run({"monmaptool", "--create", "--clobber", "--fsid", cluster_id, "--addv", "a", address,
       Path("monmap")});
  Run({"ceph-mon", "-c", Path("ceph.conf"), "--mkfs", "-i", "a", "--monmap", Path("monmap"),
       "--keyring", Path("keyring")});
  monitor_ = std::make_unique<Process>(
      std::vector<std::string>{"ceph-mon", "-c", Path("ceph.conf"), "-i", "a", "-f"},
      Path("log/mon.out"));
}

void Radosgw::StartStorage() {
  const std::string id = RandomUuid();
  // Waits for the monitor. Its answer is the number of the first: 0, as its key says.
  Run({"ceph", "-c", Path("ceph.conf"), "--connect-timeout", "60", "osd", "new", id});
  Run({"ceph-osd", "-c", Path("ceph.conf"), "-i", "0", "--mkfs", "--osd-uuid", id});
  storage_ = std::make_unique<Process>(
      std::vector<std::string>{"ceph-osd", "-c", Path("ceph.conf"), "-i", "0", "-f"},
      Path("log/osd.out"));
}

void Radosgw::StartGateway() {
  const std::vector<std::string> as_gateway = {"-c", Path("ceph.conf"), "-n", "client.rgw"};
  std::vector<std::string> serve = {"radosgw"};
  serve.insert(serve.end(), as_gateway.begin(), as_gateway.end());
  serve.emplace_back("-f");
  gateway_ = std::make_unique<Process>(std::move(serve), Path("log/rgw.out"));
  FETCHD_CHECK(WaitForListener(http_port_, kComeUp));
  FETCHD_CHECK(WaitForListener(https_port_, kComeUp));
  Administrate({"user", "create", "--uid=test", "--display-name=Test", "--caps=oidc-provider=*",
                "--access-key=" + std::string(kAccessKey),
                "--secret-key=" + std::string(kSecretKey)});
}

void Radosgw::Administrate(const std::vector<std::string>& words) const {
  std::vector<std::string> argv = {"radosgw-admin", "-c", Path("ceph.conf"), "-n", "client.rgw"};
  argv.insert(argv.end(), words.begin(), words.end());
  Run(std::move(argv));
}

void Radosgw::MakeRole(const std::string& role, const std::string& provider,
                       const std::string& audience) {
  const std::string begin = R"({"Version":"2012-10-17","Statement":[{"Effect":"Allow",)";
  const std::string trust =
      begin + R"("Principal":{"Federated":["arn:aws:iam:::oidc-provider/)" + provider +
      R"("]},"Action":["sts:AssumeRoleWithWebIdentity"],"Condition":)" + R"({"StringEquals":{")" +
      provider + R"(:app_id":")" + audience + R"("}}}]})";
  const std::string may = begin + R"("Action":["s3:*"],"Resource":"arn:aws:s3:::*"}]})";
  Administrate(
      {"role", "create", "--role-name=" + role, "--path=/", "--assume-role-policy-doc=" + trust});
  Administrate(
      {"role-policy", "put", "--role-name=" + role, "--policy-name=all", "--policy-doc=" + may});
}

std::string Radosgw::Configuration(const std::string& cluster_id) const {
  const std::string folder = folder_.path().string();
  const std::uint16_t storage_ports = FreePort() % 60'000;
  std::string text = "[global]\nfsid = " + cluster_id +
                     "\nmon host = v2:127.0.0.1:" + std::to_string(monitor_port_) + "/0\n";
  for (const char* name : {"keyring = ", "run dir = "}) {
    text += name + folder + (std::string_view(name) == "keyring = " ? "/keyring\n" : "/run\n");
  }
  text += "admin socket = " + folder + "/run/$name.asok\npid file = " + folder +
          "/run/$name.pid\nlog file = " + folder + "/log/$name.log\ncrash dir = " + folder +
          "/log\nmon cluster log file = " + folder + "/log/cluster.log\n";
  // One node of one disk, which need not be safe; proposals of the monitor come soon.
  text +=
      "public addr = 127.0.0.1\ncluster addr = 127.0.0.1\nms bind ipv6 = false\n"
      "auth cluster required = cephx\nauth service required = cephx\nauth client required = cephx\n"
      "osd pool default size = 1\nosd pool default min size = 1\nosd pool default pg num = 4\n"
      "osd pool default pgp num = 4\nosd pool default pg autoscale mode = off\n"
      "osd crush chooseleaf type = 0\nmon allow pool size one = true\n"
      "mon osd crush smoke test = false\nmon data avail crit = 1\nmon data avail warn = 2\n"
      "mon max pg per osd = 1000\npaxos propose interval = 0.02\npaxos min wait = 0.01\n";
  text += "[mon]\nauth allow insecure global id reclaim = false\nmon data = " + folder + "/mon\n";
  text += "[osd]\nosd data = " + folder +
          "/osd\nosd objectstore = memstore\nmemstore device bytes = 2147483648\n"
          "osd op num shards = 2\nosd journal size = 100\nms bind port min = " +
          std::to_string(storage_ports) +
          "\nms bind port max = " + std::to_string(storage_ports + 500) + "\n";
  text += "[client.rgw]\nrgw frontends = beast endpoint=127.0.0.1:" + std::to_string(http_port_) +
          " ssl_endpoint=127.0.0.1:" + std::to_string(https_port_) +
          " ssl_certificate=" + identity_.certificate.string() +
          " ssl_private_key=" + identity_.key.string() + "\nrgw data = " + folder +
          "/rgw\nrgw dns name = localhost\nrgw thread pool size = 64\n"
          "rgw enable usage log = false\nrgw override bucket index max shards = 1\n"
          "rgw rados pool pg num min = 4\nrgw run sync thread = false\n"
          // Keys of its own first: what is wrong with others is said by their name.
          "rgw s3 auth use sts = true\nrgw s3 auth order = local, sts\nrgw sts key = "
          "sixteencharacter\n";
  return text;
}

}  // namespace fetchd::testing
