#include "host/containerd_config.h"

#include <fmt/format.h>

#include "api/json.h"

namespace ingot::host {
namespace {

// A TOML basic string has JSON's escapes.
std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (static_cast<unsigned char>(c) < 0x20)
      out += fmt::format("\\u{:04x}", int(c));
    else
      out += c;
  }
  return out + '"';
}

}  // namespace

std::string containerd_config(const ContainerdSettings& s) {
  std::string out;
  auto line = [&out](std::string_view key, std::string value) {
    out += fmt::format("{} = {}\n", key, value);
  };
  auto table = [&out](std::string_view name) { out += fmt::format("\n[{}]\n", name); };

  line("version", "2");
  line("root", quoted(s.paths.root()));
  line("state", quoted(s.paths.state()));
  line("temp", quoted(s.paths.containerd() + "/tmp"));
  // What this factory does not use is not started.
  line("disabled_plugins", R"(["io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs", )"
                           R"("io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs", )"
                           R"("io.containerd.internal.v1.opt", "io.containerd.tracing.processor.v1.otlp", )"
                           R"("io.containerd.internal.v1.tracing"])");
  table("debug");
  line("level", R"("warn")");
  table("grpc");
  line("address", quoted(s.paths.socket()));

  table(R"(plugins."io.containerd.grpc.v1.cri")");
  line("sandbox_image", quoted(s.pause_image));
  line("restrict_oom_score_adj", s.restrict_oom_score_adj ? "true" : "false");
  line("netns_mounts_under_state_dir", "true");
  line("disable_tcp_service", "true");
  line("stream_server_address", R"("127.0.0.1")");
  line("enable_unprivileged_ports", "false");
  line("enable_unprivileged_icmp", "false");
  line("tolerate_missing_hugetlb_controller", "true");
  table(R"(plugins."io.containerd.grpc.v1.cri".cni)");
  line("bin_dir", quoted(s.cni_bin_dir));
  line("conf_dir", quoted(s.paths.cni_conf()));
  line("max_conf_num", "1");
  table(R"(plugins."io.containerd.grpc.v1.cri".containerd)");
  line("snapshotter", quoted(s.snapshotter));
  line("default_runtime_name", R"("runc")");
  table(R"(plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc)");
  line("runtime_type", R"("io.containerd.runc.v2")");
  table(R"(plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options)");
  line("BinaryName", R"("runc")");
  line("Root", quoted(s.paths.state() + "/runc"));
  line("SystemdCgroup", "false");
  return out;
}

std::string cni_config(const MachinePaths& paths, const MachineNames& names, std::string_view range,
                       int mtu) {
  using api::Json;
  using api::JsonArray;
  using api::JsonObject;
  JsonObject subnet;
  subnet["subnet"] = std::string(range);
  JsonArray set, ranges;  // alternatives within a set, one address from each set
  set.push_back(std::move(subnet));
  ranges.push_back(std::move(set));
  JsonObject route;
  route["dst"] = "0.0.0.0/0";
  JsonObject ipam;
  ipam["type"] = "host-local";
  ipam["dataDir"] = paths.cni_ipam();
  ipam["ranges"] = ranges;
  ipam["routes"] = JsonArray{route};
  JsonObject ptp;
  ptp["type"] = "ptp";
  ptp["ipMasq"] = false;
  ptp["mtu"] = mtu;
  ptp["ipam"] = ipam;
  JsonObject list;
  list["cniVersion"] = "0.4.0";
  list["name"] = names.cni_network();
  list["plugins"] = JsonArray{ptp};
  return api::to_text(Json(list));
}

}  // namespace ingot::host
