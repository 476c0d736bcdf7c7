#include "node_machine.h"

#include <unistd.h>

#include <fstream>
#include <sstream>

#include "base/encoding.h"
#include "host/blob_files.h"
#include "host/images_tar.h"

namespace ingot::host {
namespace {

// `containerd` and the rest may be there while the machine forbids what they need.
bool may_make_namespaces() {
  return access("/proc/self/ns/net", R_OK) == 0 && access("/sys/fs/cgroup", W_OK) == 0;
}

std::string slurp(const std::string& path) {
  std::ifstream in(path);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

}  // namespace

std::string why_no_machine() {
  auto programs = find_container_programs();
  if (!programs) return programs.error().message;
  if (!may_make_namespaces()) return "network namespaces or cgroups are not available on this machine";
  if (access("/bin/busybox", X_OK) != 0) return "a static busybox is missing: apt-get install busybox-static";
  return "";
}

void NodeMachine::SetUp() {
  if (auto why = why_no_machine(); !why.empty()) GTEST_SKIP() << why;
  std::random_device random;
  names_.id = hex(std::string{char(random()), char(random())});
  std::string directory = "/tmp/ingot-it-XXXXXX";
  ASSERT_NE(mkdtemp(directory.data()), nullptr);
  paths_.data = directory;
  env_.emplace(
      env::Env{clock_, loop_, fakes_.worker, fakes_.entropy, fakes_.disk, fakes_.faults, fakes_.log});
}

void NodeMachine::TearDown() {
  if (paths_.data.empty()) return;
  forget();
  auto left = teardown(paths_, names_);
  EXPECT_TRUE(left.empty()) << "left behind: " << left.front();
  if (HasFailure()) std::cerr << slurp(paths_.log());
  std::error_code error;
  std::filesystem::remove_all(paths_.data, error);
}

void NodeMachine::start() {
  auto network = PodNetwork::open(paths_, names_);
  ASSERT_TRUE(network) << network.error().message;
  network_.emplace(std::move(*network));
  auto opened = Containerd::open(*env_, {.paths = paths_,
                                         .names = names_,
                                         .programs = *find_container_programs(),
                                         .pod_range = to_string(network_->range()),
                                         .mtu = network_->mtu()});
  ASSERT_TRUE(opened) << opened.error().message;
  containerd_ = std::move(*opened);
  auto ready = wait<void>([&](auto done) { containerd_->when_ready(std::move(done)); });
  ASSERT_TRUE(ready) << ready.error().message;
  blobs_ = *open_blob_files(paths_.data + "/blobs");
  artifacts_ = std::make_unique<Artifacts>(loop_, *blobs_);
  datasets_ = std::make_unique<DatasetCache>(clock_, loop_, fakes_.log, *blobs_, paths_.data);
  runtime_ = make_cri_runtime(*env_, *containerd_, *network_, {*artifacts_, *datasets_}, "node-0");
  runtime_->on_change([this](const std::string& uid) { changes_.push_back(uid); });
}

void NodeMachine::forget() {
  runtime_.reset();
  if (datasets_) datasets_->stop();
  datasets_.reset();
  artifacts_.reset();
  blobs_.reset();
  containerd_.reset();
  network_.reset();
}

std::string NodeMachine::busybox() {
  auto file = slurp("/bin/busybox");
  std::string layer;
  tar_append(layer, "bin/busybox", file, 0755);
  // A container's own shell, and nothing else: applets are called through it.
  tar_append(layer, "bin/sh", file, 0755);
  tar_append(layer, "tmp/.keep", "", 0644);
  tar_finish(layer);
  auto digest = [](const std::string& bytes) { return "sha256:" + hex(sha256(bytes)); };
  const std::string config =
      R"({"architecture":"amd64","os":"linux","config":{},"rootfs":{"type":"layers","diff_ids":[")" +
      digest(layer) + "\"]}}";
  auto descriptor = [&](const char* type, const std::string& bytes) {
    return R"({"mediaType":"application/vnd.oci.image.)" + std::string(type) + R"(","digest":")" +
           digest(bytes) + R"(","size":)" + std::to_string(bytes.size()) + "}";
  };
  const std::string manifest = R"({"schemaVersion":2,"config":)" + descriptor("config.v1+json", config) +
                               R"(,"layers":[)" + descriptor("layer.v1.tar", layer) + "]}";
  std::string archive;
  tar_append(archive, "oci-layout", R"({"imageLayoutVersion":"1.0.0"})", 0644);
  tar_append(archive, "index.json",
             R"({"schemaVersion":2,"manifests":[)" + descriptor("manifest.v1+json", manifest) + "]}", 0644);
  for (const std::string& blob : {manifest, config, layer})
    tar_append(archive, "blobs/sha256/" + hex(sha256(blob)), blob, 0644);
  tar_finish(archive);
  const std::string path = paths_.data + "/busybox.tar";
  std::ofstream(path, std::ios::binary) << archive;
  auto loaded = load_image({.socket = paths_.socket(), .ctr = find_program("ctr")}, path);
  EXPECT_TRUE(loaded) << loaded.error().message;
  return loaded ? loaded->digest : "";
}

node::SandboxSpec NodeMachine::pod(const std::string& name, const std::string& cluster) {
  node::SandboxSpec spec;
  spec.pod_name = spec.hostname = name;
  spec.pod_namespace = "default";
  spec.cluster = cluster;
  spec.pod_uid = uuid(std::random_device()(), uint64_t(++pods_made_));
  spec.log_directory = paths_.pods("node-0") + "/" + spec.pod_uid + "/logs";
  return spec;
}

node::ContainerSpec NodeMachine::shell(const std::string& script) {
  node::ContainerSpec spec;
  spec.name = "main";
  spec.image = busybox();
  spec.command = {"/bin/sh", "-c", script};
  spec.log_path = "main/0.log";
  return spec;
}

NodeMachine::Running NodeMachine::run(const std::string& name, const std::string& cluster,
                                      const node::ContainerSpec& container) {
  Running running{.spec = pod(name, cluster)};
  auto sandbox = wait<std::string>([&](auto done) { runtime_->run_sandbox(running.spec, std::move(done)); });
  EXPECT_TRUE(sandbox) << sandbox.error().message;
  if (!sandbox) return running;
  running.sandbox = *sandbox;
  auto id = wait<std::string>(
      [&](auto done) { runtime_->create_container(*sandbox, running.spec, container, std::move(done)); });
  EXPECT_TRUE(id) << id.error().message;
  if (!id) return running;
  running.container = *id;
  auto started = wait<void>([&](auto done) { runtime_->start_container(*id, std::move(done)); });
  EXPECT_TRUE(started) << started.error().message;
  return running;
}

std::optional<node::SandboxStatus> NodeMachine::status(const std::string& pod_uid) {
  auto all = wait<std::vector<node::SandboxStatus>>([&](auto done) { runtime_->list(std::move(done)); });
  EXPECT_TRUE(all) << all.error().message;
  if (!all) return {};
  for (auto& sandbox : *all)
    if (sandbox.pod_uid == pod_uid) return sandbox;
  return {};
}

std::optional<node::ContainerStatus> NodeMachine::exited(const Running& running, Duration most) {
  const Instant end = clock_.now() + most;
  while (clock_.now() < end) {
    size_t seen = changes_.size();
    auto now = status(running.spec.pod_uid);
    if (!now) return {};
    for (const auto& container : now->containers)
      if (container.id == running.container && container.state == node::ContainerState::Exited)
        return container;
    loop_.run_until([&] { return changes_.size() > seen; }, end - clock_.now());
  }
  return {};
}

std::string NodeMachine::log(const Running& running) {
  // "2026-11-22T14:20:00.000000000Z stdout F text"
  std::istringstream lines(slurp(running.spec.log_directory + "/main/0.log"));
  std::string out;
  for (std::string line; std::getline(lines, line);) {
    size_t at = 0;
    for (int i = 0; i < 3 && at != line.npos; ++i) at = line.find(' ', at + (i > 0));
    if (at != line.npos) out += line.substr(at + 1) + "\n";
  }
  return out;
}

int NodeMachine::sh(const std::string& container, const std::string& script, Duration timeout) {
  auto code = wait<int>(
      [&](auto done) { runtime_->exec(container, {"/bin/sh", "-c", script}, timeout, std::move(done)); });
  return code ? *code : -1;
}

void NodeMachine::stop(const Running& running) {
  auto stopped = wait<void>([&](auto done) { runtime_->stop_sandbox(running.sandbox, std::move(done)); });
  EXPECT_TRUE(stopped) << stopped.error().message;
  auto removed = wait<void>([&](auto done) { runtime_->remove_sandbox(running.sandbox, std::move(done)); });
  EXPECT_TRUE(removed) << removed.error().message;
}

}  // namespace ingot::host
