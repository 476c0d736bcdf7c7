// Tenants on the real network: two pods of different tenants cannot exchange a packet, and a pod reaches nothing of
// the machine but its API server. The rules are the node's own (node/firewall.h).
#include <arpa/inet.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <thread>

#include "host/firewall_apply.h"
#include "node/firewall.h"
#include "node_machine.h"

namespace ingot::host {
namespace {

// A TCP server of this machine on every address: it ends each connection at once.
struct Listener {
  Fd fd{socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  uint16_t port = 0;
  std::thread thread;
  Listener() {
    sockaddr_in any{.sin_family = AF_INET};
    socklen_t size = sizeof any;
    if (bind(fd.get(), reinterpret_cast<sockaddr*>(&any), sizeof any) == 0 && listen(fd.get(), 16) == 0 &&
        getsockname(fd.get(), reinterpret_cast<sockaddr*>(&any), &size) == 0)
      port = ntohs(any.sin_port);
    thread = std::thread([this] {
      for (int peer; (peer = accept(fd.get(), nullptr, nullptr)) >= 0;) close(peer);
    });
  }
  ~Listener() {
    shutdown(fd.get(), SHUT_RDWR);
    thread.join();
  }
};

class Isolation : public NodeMachine {
 protected:
  struct Pod {
    Running running;
    std::string ip;
  };
  // Serves TCP on 8080.
  Pod serve(const std::string& name, const std::string& cluster) {
    Pod pod{.running = run(name, cluster,
                           shell("B=/bin/busybox; $B mkdir /www; echo fine >/www/file;"
                                 "$B httpd -f -p 8080 -h /www"))};
    auto now = status(pod.running.spec.pod_uid);
    pod.ip = now ? now->ip : "";
    EXPECT_FALSE(pod.ip.empty());
    pods_.push_back({.ip = pod.ip, .cluster = cluster});
    return pod;
  }
  void enforce(uint16_t api_port) {
    auto applied = firewall_.apply(node::ruleset({.table = names_.nft_table(),
                                                  .pod_range = to_string(network_->range()),
                                                  .interface_group = names_.interface_group(),
                                                  .api_ip = network_->api_address(),
                                                  .api_port = api_port,
                                                  .pods = pods_}));
    ASSERT_TRUE(applied) << applied.error().message;
  }
  bool tcp(const Pod& from, const std::string& ip, int port) {
    return sh(from.running.container,
              "/bin/busybox nc -w 2 " + ip + " " + std::to_string(port) + " </dev/null") == 0;
  }
  // A UDP socket inside the pod's network, made by a thread that went there.
  int udp_socket(const Pod& pod) {
    int made = -1;
    std::thread([&] {
      for (const auto& entry :
           std::filesystem::directory_iterator(paths_.state() + "/io.containerd.grpc.v1.cri/netns")) {
        Fd space(open(entry.path().c_str(), O_RDONLY | O_CLOEXEC));
        if (!space || setns(space.get(), CLONE_NEWNET) != 0) continue;
        int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        sockaddr_in own{.sin_family = AF_INET, .sin_port = htons(7000)};
        inet_pton(AF_INET, pod.ip.c_str(), &own.sin_addr);
        if (bind(fd, reinterpret_cast<sockaddr*>(&own), sizeof own) == 0) {
          made = fd;
          return;
        }
        close(fd);  // not this pod's network
      }
    }).join();
    return made;
  }
  bool udp(const Pod& from, const Pod& to) {
    Fd sender(udp_socket(from)), receiver(udp_socket(to));
    EXPECT_TRUE(sender && receiver);
    sockaddr_in there{.sin_family = AF_INET, .sin_port = htons(7000)};
    inet_pton(AF_INET, to.ip.c_str(), &there.sin_addr);
    // A refusal is a sign that the rules dropped it on its way out.
    if (sendto(sender.get(), "x", 1, 0, reinterpret_cast<sockaddr*>(&there), sizeof there) != 1) return false;
    pollfd arrives{.fd = receiver.get(), .events = POLLIN};
    return poll(&arrives, 1, 2000) == 1;
  }
  bool icmp(const Pod& from, const std::string& ip) {
    return sh(from.running.container, "/bin/busybox ping -c 1 -W 2 " + ip) == 0;
  }
  void until_it_serves(const Pod& pod, const Pod& neighbour) {
    for (int i = 0; i < 100 && !tcp(neighbour, pod.ip, 8080); ++i) {
    }
  }
  FirewallApply firewall_;
  std::vector<node::PodAddress> pods_;
};

TEST_F(Isolation, TenantsCannotExchangeAPacket) {
  start();
  auto a1 = serve("a1", "ta"), a2 = serve("a2", "ta"), b = serve("b", "tb");
  enforce(6443);
  until_it_serves(a1, a2);
  until_it_serves(a2, a1);
  EXPECT_TRUE(tcp(a1, a2.ip, 8080)) << "one tenant's pods talk to each other";
  EXPECT_TRUE(udp(a1, a2));
  EXPECT_TRUE(icmp(a1, a2.ip));
  for (const auto& [from, to] : {std::pair(&a1, &b), std::pair(&b, &a1), std::pair(&b, &a2)}) {
    EXPECT_FALSE(tcp(*from, to->ip, 8080)) << from->ip << " to " << to->ip;
    EXPECT_FALSE(udp(*from, *to)) << from->ip << " to " << to->ip;
    EXPECT_FALSE(icmp(*from, to->ip)) << from->ip << " to " << to->ip;
  }
}

TEST_F(Isolation, APodReachesItsApiServerAndNothingElseOfTheMachine) {
  start();
  auto pod = serve("pod", "ta");
  Listener api, other;
  EXPECT_TRUE(tcp(pod, network_->api_address(), other.port)) << "without rules it would be open";
  enforce(api.port);
  EXPECT_TRUE(tcp(pod, network_->api_address(), api.port));
  EXPECT_FALSE(tcp(pod, network_->api_address(), other.port)) << "another service at the same address";
  EXPECT_FALSE(icmp(pod, network_->api_address()));
  // The machine's own address, found as the one its default route uses.
  int probe = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_in out{.sin_family = AF_INET, .sin_port = htons(9), .sin_addr = {.s_addr = htonl(0x08080808)}};
  socklen_t size = sizeof out;
  if (connect(probe, reinterpret_cast<sockaddr*>(&out), sizeof out) == 0 &&
      getsockname(probe, reinterpret_cast<sockaddr*>(&out), &size) == 0) {
    char own[INET_ADDRSTRLEN];
    inet_ntop(AF_INET, &out.sin_addr, own, sizeof own);
    EXPECT_FALSE(tcp(pod, own, api.port)) << "the API on another interface";
    EXPECT_FALSE(tcp(pod, own, other.port));
  }
  close(probe);
}

TEST_F(Isolation, APodCannotSpeakWithAnothersAddress) {
  start();
  auto a = serve("a", "ta"), b = serve("b", "tb"), a2 = serve("a2", "ta");
  enforce(6443);
  until_it_serves(a, a2);
  ASSERT_TRUE(icmp(a2, a.ip));
  // With CAP_NET_ADMIN it may take any address it likes; the packets must not arrive.
  auto spec = shell("/bin/busybox ip addr add " + a2.ip + "/32 dev eth0; /bin/busybox ping -c 1 -W 2 -I " +
                    a2.ip + " " + a.ip + " && exit 9; exit 0");
  spec.security.add_capabilities = {"NET_ADMIN"};
  auto forger = run("forger", "tb", spec);
  auto done = exited(forger);
  ASSERT_TRUE(done);
  EXPECT_EQ(done->exit_code, 0);
}

}  // namespace
}  // namespace ingot::host
