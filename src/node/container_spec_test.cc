// Environment, volumes, resources, devices: from a pod to what the runtime is told.
#include "node/container_spec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/encoding.h"
#include "gpu/description.h"
#include "node/resources.h"
#include "node/testing.h"

namespace ingot::node {
namespace {
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

PodPtr pod_of(std::string_view spec) {
  auto pod = parse_pod(parsed(fmt::format(
      R"({{"metadata":{{"uid":"u","name":"p","namespace":"n","labels":{{"b":"2","a":"x\"y"}},
          "annotations":{{"factory.ingot.dev/cluster":"c7","k":"v"}}}},"spec":{}}})",
      spec)));
  EXPECT_TRUE(pod) << pod.error().message;
  return *pod;
}
const NodeFacts kNode{.name = "node-0",
                      .host_ip = "10.0.0.1",
                      .pod_ip = "10.64.0.7",
                      .api_host = "10.64.0.1",
                      .api_port = 6443,
                      .cpu_milli = 4000,
                      .memory_bytes = int64_t{8} << 30};

PodConfig config_of() {
  PodConfig config;
  config.config_maps["m"] = parsed(R"({"data":{"k":"v","z":"26"},"binaryData":{"bin":"AAE="}})");
  config.config_maps["absent"] = std::nullopt;
  config.secrets["s"] = parsed(R"({"data":{"password":"aHVudGVyMg=="}})");
  return config;
}

TEST(Environment, ComesFromValuesObjectsAndFields) {
  const auto pod = pod_of(R"json({"containers":[{"name":"c","resources":{"limits":{"cpu":"1500m"}},
    "envFrom":[{"prefix":"P_","configMapRef":{"name":"m"}}],
    "env":[{"name":"A","value":"1"},{"name":"B","value":"$(A)-$(P_k)-$(NO)-$$(A)"},{"name":"A","value":"2"},
      {"name":"S","valueFrom":{"secretKeyRef":{"name":"s","key":"password"}}},
      {"name":"O","valueFrom":{"configMapKeyRef":{"name":"absent","key":"x","optional":true}}},
      {"name":"IP","valueFrom":{"fieldRef":{"fieldPath":"status.podIP"}}},
      {"name":"L","valueFrom":{"fieldRef":{"fieldPath":"metadata.labels['b']"}}},
      {"name":"N","valueFrom":{"fieldRef":{"fieldPath":"spec.nodeName"}}},
      {"name":"CPU","valueFrom":{"resourceFieldRef":{"resource":"limits.cpu"}}},
      {"name":"MEM","valueFrom":{"resourceFieldRef":{"resource":"limits.memory","divisor":"1Gi"}}}]}]})json");
  const auto env = environment_of(*pod, pod->containers[0], config_of(), kNode);
  ASSERT_TRUE(env) << env.error().message;
  const std::map<std::string, std::string> got(env->begin(), env->end());
  EXPECT_EQ(got.size(), env->size()) << "each name once";
  EXPECT_EQ(got.at("KUBERNETES_SERVICE_HOST"), "10.64.0.1");
  EXPECT_EQ(got.at("KUBERNETES_SERVICE_PORT"), "6443");
  EXPECT_EQ(got.at("A"), "2");
  EXPECT_EQ(got.at("B"), "1-v-$(NO)-$(A)");
  EXPECT_EQ(got.at("S"), "hunter2");
  EXPECT_FALSE(got.contains("O"));
  EXPECT_EQ(got.at("IP"), "10.64.0.7");
  EXPECT_EQ(got.at("L"), "2");
  EXPECT_EQ(got.at("N"), "node-0");
  EXPECT_EQ(got.at("CPU"), "2");
  EXPECT_EQ(got.at("MEM"), "8");
}

TEST(Environment, SaysWhatIsMissing) {
  const auto error = [](std::string_view env) {
    const auto pod = pod_of(
        fmt::format(R"({{"containers":[{{"name":"c","env":[{{"name":"X","valueFrom":{}}}]}}]}})", env));
    return environment_of(*pod, pod->containers[0], config_of(), kNode).error().message;
  };
  EXPECT_EQ(error(R"({"configMapKeyRef":{"name":"absent","key":"k"}})"), "configmap \"absent\" not found");
  EXPECT_EQ(error(R"({"secretKeyRef":{"name":"s","key":"k"}})"), "couldn't find key k in Secret n/s");
  EXPECT_EQ(error(R"({"fieldRef":{"fieldPath":"status.phase"}})"), "unsupported fieldPath: status.phase");
}

TEST(References, NameEverythingAPodNeeds) {
  const auto pod = pod_of(R"({"containers":[{"name":"c","envFrom":[{"secretRef":{"name":"e"}}]}],
    "volumes":[{"name":"a","secret":{"secretName":"s"}},{"name":"b","configMap":{"name":"m"}},
      {"name":"c","projected":{"sources":[{"serviceAccountToken":{"path":"token","expirationSeconds":600}},
        {"configMap":{"name":"kube-root-ca.crt"}},{"secret":{"name":"q"}}]}}]})");
  const ConfigRefs refs = references(*pod);
  EXPECT_THAT(refs.secrets, ElementsAre("e", "q", "s"));
  EXPECT_THAT(refs.config_maps, ElementsAre("kube-root-ca.crt", "m"));
  EXPECT_THAT(refs.tokens, ElementsAre(TokenRef{"", 600}));
}

Result<VolumeContent> content(std::string_view volume, PodConfig config = config_of()) {
  const auto pod = pod_of(R"({"containers":[{"name":"c"}]})");
  return content_of(*pod, parsed(volume), config, kNode);
}

TEST(Volumes, HoldTheKeysOfObjects) {
  const auto all = content(R"({"name":"v","configMap":{"name":"m","defaultMode":256}})");
  const auto& files = std::get<FileVolume>(*all).files;
  EXPECT_EQ(files.at("k").bytes, "v");
  EXPECT_EQ(files.at("bin").bytes, std::string("\0\1", 2));
  EXPECT_EQ(files.at("k").mode, 0400u);
  const auto items = content(
      R"({"name":"v","secret":{"secretName":"s","items":[{"key":"password","path":"a/b","mode":384}]}})");
  const auto& secret = std::get<FileVolume>(*items);
  EXPECT_TRUE(secret.memory);
  EXPECT_EQ(secret.files.at("a/b").bytes, "hunter2");
  EXPECT_EQ(secret.files.at("a/b").mode, 0600u);
}

TEST(Volumes, OptionalObjectsMayBeAbsentOthersNot) {
  EXPECT_TRUE(content(R"({"name":"v","configMap":{"name":"absent","optional":true}})"));
  EXPECT_EQ(content(R"({"name":"v","configMap":{"name":"absent"}})").error().message,
            "configmap \"absent\" not found");
  EXPECT_EQ(content(R"({"name":"v","secret":{"secretName":"s","items":[{"key":"no","path":"x"}]}})")
                .error()
                .message,
            "secret \"s\" has no key \"no\"");
}

TEST(Volumes, NoPathLeavesTheVolume) {
  for (const char* path : {"../x", "/etc/passwd", "a/../../b", "..data", ""})
    EXPECT_FALSE(content(fmt::format(
        R"({{"name":"v","configMap":{{"name":"m","items":[{{"key":"k","path":"{}"}}]}}}})", path)))
        << path;
}

TEST(Volumes, AProjectedOneHasTokenCaAndFields) {
  PodConfig config = config_of();
  config.tokens[{"", 3600}] = {.text = "jwt"};
  config.config_maps["kube-root-ca.crt"] = parsed(R"({"data":{"ca.crt":"PEM"}})");
  const auto v = content(R"({"name":"v","projected":{"sources":[{"serviceAccountToken":{"path":"token"}},
    {"configMap":{"name":"kube-root-ca.crt","items":[{"key":"ca.crt","path":"ca.crt"}]}},
    {"downwardAPI":{"items":[{"path":"namespace","fieldRef":{"fieldPath":"metadata.namespace"}},
      {"path":"labels","fieldRef":{"fieldPath":"metadata.labels"}}]}}]}})",
                         config);
  ASSERT_TRUE(v) << v.error().message;
  const auto& files = std::get<FileVolume>(*v).files;
  EXPECT_EQ(files.at("token").bytes, "jwt");
  EXPECT_EQ(files.at("ca.crt").bytes, "PEM");
  EXPECT_EQ(files.at("namespace").bytes, "n");
  EXPECT_EQ(files.at("labels").bytes, "a=\"x\\\"y\"\nb=\"2\"");
}

TEST(Volumes, EmptyOnesHaveMediumAndLimitAndOthersAreRefused) {
  EXPECT_EQ(
      std::get<EmptyVolume>(*content(R"({"name":"v","emptyDir":{"medium":"Memory","sizeLimit":"64Mi"}})")),
      (EmptyVolume{true, 64 << 20}));
  EXPECT_THAT(content(R"({"name":"v","persistentVolumeClaim":{"claimName":"x"}})").error().message,
              HasSubstr("persistentVolumeClaim are not supported"));
}

TEST(Volumes, OnlyWhatChangedIsWrittenAndWritableOnesHaveNoSubPath) {
  FakeFiles files;
  PodVolumes volumes(files);
  const auto pod =
      pod_of(R"({"containers":[{"name":"c","volumeMounts":[{"name":"m","mountPath":"/m","subPath":"k"}]},
    {"name":"d","volumeMounts":[{"name":"e","mountPath":"/e","subPath":"x"}]}],
    "volumes":[{"name":"m","configMap":{"name":"m"}},{"name":"e","emptyDir":{}}]})");
  PodConfig config = config_of();
  ASSERT_TRUE(volumes.sync(*pod, config, kNode));
  ASSERT_TRUE(volumes.sync(*pod, config, kNode));
  EXPECT_EQ(files.writes, 1);
  config.config_maps["m"] = parsed(R"({"data":{"k":"new"}})");
  ASSERT_TRUE(volumes.sync(*pod, config, kNode));
  EXPECT_EQ(files.writes, 2);
  EXPECT_EQ(files.volumes.at("/pods/u/m").at("k").bytes, "new");
  const auto mounts = volumes.mounts(*pod, pod->containers[0], {});
  ASSERT_TRUE(mounts);
  EXPECT_EQ(mounts->front().host_path, "/pods/u/m/k");
  EXPECT_TRUE(mounts->front().read_only);
  EXPECT_FALSE(volumes.mounts(*pod, pod->containers[1], {}));
}

TEST(Resources, BecomeLimits) {
  const auto pod = pod_of(R"({"containers":[
    {"name":"g","resources":{"limits":{"cpu":"2","memory":"1Gi"}}},
    {"name":"b","resources":{"requests":{"cpu":"250m","memory":"4Gi"},"limits":{"cpu":"1"}}},{"name":"n"}]})");
  const Limits g = limits_of(*pod, pod->containers[0], int64_t{8} << 30);
  EXPECT_EQ(g.cpu_shares, 2048);
  EXPECT_EQ(g.cpu_quota_us, 200'000);
  EXPECT_EQ(g.memory_bytes, int64_t{1} << 30);
  const Limits b = limits_of(*pod, pod->containers[1], int64_t{8} << 30);
  EXPECT_EQ(b.cpu_shares, 256);
  EXPECT_EQ(b.oom_score_adj, 500);
  EXPECT_EQ(limits_of(*pod, pod->containers[2], int64_t{8} << 30).cpu_shares, 2);
  EXPECT_EQ(qos_of(*pod_of(R"({"containers":[{"name":"n"}]})")), Qos::BestEffort);
  EXPECT_EQ(
      qos_of(*pod_of(R"({"containers":[{"name":"n","resources":{"limits":{"cpu":"1","memory":"1"}}}]})")),
      Qos::Guaranteed);
}

struct SpecTest : testing::Test {
  SpecTest() {
    const auto described = gpu::parse_description(
        "node node-0\nboard H100-80GB uuid=GPU-0\nboard H100-80GB uuid=GPU-1\nboard H100-80GB uuid=GPU-2\n",
        "");
    EXPECT_TRUE(described) << described.error();
    node.gpu_description = gpu::to_text(*described, described->nodes.front());
    node.gpus.simulated = true;
    for (const auto& b : described->nodes.front().boards) node.gpus.boards.push_back({.uuid = b.uuid});
    node.devices = cdi::spec_of(
        node.gpus,
        {.mounts = {{"/lib/standin.so", "/usr/lib/libnvidia-ml.so.1", true}}, .control_nodes = {}});
  }
  Result<ContainerSpec> make(const PodPtr& pod, size_t index, const std::vector<Grant>& granted) {
    Allocation allocation{.uid = "u", .tenant = "vision", .cluster = "c7", .open = true};
    for (const Grant& grant : granted) {
      allocation.devices.emplace_back(grant.board);
      allocation.devices.back().milli = grant.milli;
    }
    PodVolumes volumes(files);
    EXPECT_TRUE(volumes.sync(*pod, {}, kNode));
    return container_spec({node,
                           *pod,
                           pod->containers[index],
                           allocation,
                           granted,
                           {},
                           volumes,
                           files,
                           "sha256:x",
                           "10.64.0.7",
                           0});
  }
  NodeConfig node{.name = "node-0", .memory_bytes = int64_t{8} << 30};
  FakeFiles files;
};

TEST_F(SpecTest, AGpuContainerSeesExactlyWhatWasGranted) {
  const auto pod = pod_of(R"({"containers":[{"name":"a","resources":{"limits":{"nvidia.com/gpu":1}}},
    {"name":"b","env":[{"name":"NVIDIA_VISIBLE_DEVICES","value":"all"}],"resources":{"limits":{"nvidia.com/gpu":"2"}}}]})");
  const auto spec = make(pod, 1, {"GPU-2", "GPU-0", "GPU-1"});
  ASSERT_TRUE(spec) << spec.error().message;
  EXPECT_THAT(spec->env, Contains(Pair("NVIDIA_VISIBLE_DEVICES", "GPU-0,GPU-1")));
  EXPECT_THAT(spec->env, Contains(Pair("INGOT_GPU_DESCRIPTION", "/etc/ingot/gpus")));
  const std::string& text = files.volumes.at("/pods/u/ingot.gpus.b").at("gpus").bytes;
  EXPECT_THAT(text, HasSubstr("GPU-0"));
  EXPECT_THAT(text, HasSubstr("GPU-1"));
  EXPECT_THAT(text, testing::Not(HasSubstr("GPU-2")));
}

Grant instance(const char* board, const char* uuid, int start) {
  Grant grant(board);
  grant.mig = {.uuid = uuid,
               .profile = "1g.10gb",
               .start = start,
               .gpu_instance = 7 + start,
               .compute_instance = 0,
               .memory_mib = 9984};
  return grant;
}

TEST_F(SpecTest, AContainerWithAnInstanceSeesItAndNothingElseOfTheBoard) {
  const auto pod = pod_of(R"({"containers":[
    {"name":"a","resources":{"limits":{"nvidia.com/mig-1g.10gb":1}}},
    {"name":"b","env":[{"name":"CUDA_VISIBLE_DEVICES","value":"GPU-1"}],"resources":{"limits":{"nvidia.com/mig-1g.10gb":1}}}]})");
  const auto spec = make(pod, 1, {instance("GPU-1", "MIG-a", 0), instance("GPU-1", "MIG-b", 4)});
  ASSERT_TRUE(spec) << spec.error().message;
  EXPECT_THAT(spec->env, Contains(Pair("NVIDIA_VISIBLE_DEVICES", "MIG-b")));
  EXPECT_THAT(spec->env, Contains(Pair("CUDA_VISIBLE_DEVICES", "MIG-b")));
  const std::string& text = files.volumes.at("/pods/u/ingot.gpus.b").at("gpus").bytes;
  EXPECT_THAT(text, HasSubstr("mig=on"));
  EXPECT_THAT(text, HasSubstr("instance 0 1g.10gb start=4 id=11 uuid=MIG-b\n"));
  for (const char* other : {"MIG-a", "GPU-0", "GPU-2"}) EXPECT_THAT(text, testing::Not(HasSubstr(other)));
}

TEST_F(SpecTest, ATimeShareIsTheWholeBoardAndToldItsPart) {
  const auto by_annotation = pod_of(R"({"containers":[{"name":"a"},{"name":"b"}]})");
  Grant share("GPU-1");
  share.milli = 250;
  share.memory_mib = 20000;
  for (size_t container : {0u, 1u}) {
    const auto spec = make(by_annotation, container, {share});
    ASSERT_TRUE(spec) << spec.error().message;
    EXPECT_THAT(spec->env, Contains(Pair("NVIDIA_VISIBLE_DEVICES", "GPU-1")));
    EXPECT_THAT(spec->env, Contains(Pair("CUDA_MPS_PINNED_DEVICE_MEM_LIMIT", "0=20000M")));
    EXPECT_THAT(spec->env, Contains(Pair("CUDA_MPS_ACTIVE_THREAD_PERCENTAGE", "25")));
  }
  const auto by_resource = pod_of(R"({"containers":[{"name":"a"},
    {"name":"b","env":[{"name":"CUDA_MPS_PINNED_DEVICE_MEM_LIMIT","value":"0=80G"}],"resources":{"limits":{"nvidia.com/gpu.shared":3}}}]})");
  EXPECT_THAT(make(by_resource, 0, {share})->env, Contains(Pair("NVIDIA_VISIBLE_DEVICES", "void")));
  EXPECT_THAT(make(by_resource, 1, {share})->env,
              Contains(Pair("CUDA_MPS_PINNED_DEVICE_MEM_LIMIT", "0=20000M")));
}

TEST_F(SpecTest, FewerDevicesThanAskedForStartNothing) {
  const auto pod = pod_of(R"({"containers":[{"name":"a","resources":{"limits":{"nvidia.com/gpu":2}}}]})");
  EXPECT_FALSE(make(pod, 0, {"GPU-0"}));
  EXPECT_FALSE(make(pod, 0, {"GPU-0", "GPU-9"})) << "a device that is not on this node";
}

TEST_F(SpecTest, AContainerWithoutGpusGetsNoneWhateverItSays) {
  const auto pod =
      pod_of(R"({"containers":[{"name":"a","env":[{"name":"NVIDIA_VISIBLE_DEVICES","value":"all"}]}]})");
  const auto spec = make(pod, 0, {"GPU-0"});
  ASSERT_TRUE(spec);
  EXPECT_THAT(spec->env, Contains(Pair("NVIDIA_VISIBLE_DEVICES", "void")));
  EXPECT_TRUE(spec->devices.empty());
}

TEST_F(SpecTest, HasCommandSecurityAndHosts) {
  const auto pod = pod_of(R"json({"securityContext":{"runAsUser":1000,"fsGroup":7,"runAsNonRoot":true},
    "containers":[{"name":"a","command":["run","$(X)"],"env":[{"name":"X","value":"y"}],
      "securityContext":{"runAsGroup":5,"capabilities":{"drop":["ALL"]},"readOnlyRootFilesystem":true}}]})json");
  const auto spec = make(pod, 0, {});
  ASSERT_TRUE(spec) << spec.error().message;
  EXPECT_THAT(spec->command, ElementsAre("run", "y"));
  EXPECT_EQ(spec->security.run_as_user, 1000);
  EXPECT_EQ(spec->security.run_as_group, 5);
  EXPECT_TRUE(spec->security.read_only_root);
  EXPECT_THAT(spec->security.supplemental_groups, ElementsAre(7));
  EXPECT_THAT(spec->security.drop_capabilities, ElementsAre("ALL"));
  EXPECT_EQ(spec->log_path, "a/0.log");
  EXPECT_THAT(files.volumes.at("/pods/u/ingot.hosts").at("hosts").bytes, HasSubstr("10.64.0.7\tp\n"));
}

TEST(Cdi, RoundTripsWithoutHooks) {
  gpu::Inventory real{.boards = {{.uuid = "GPU-a", .minor = 3}}};
  cdi::Spec spec = cdi::spec_of(real, {.mounts = {{"/lib/x", "/lib/x", true}},
                                       .control_nodes = {{"/dev/nvidiactl", "/dev/nvidiactl"}}});
  api::Json document = cdi::to_json(spec);
  api::set(document, {"containerEdits", "hooks"},
           parsed(R"([{"hookName":"createContainer","path":"/bin/evil"}])"));
  const auto again = cdi::parse(document);
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(api::to_text(cdi::to_json(*again)), api::to_text(cdi::to_json(spec)));
  ContainerSpec c;
  ASSERT_TRUE(cdi::apply(*again, {"GPU-a"}, c));
  ASSERT_EQ(c.devices.size(), 2u);
  EXPECT_EQ(c.devices[1].host_path, "/dev/nvidia3");
  EXPECT_FALSE(cdi::apply(*again, {"GPU-b"}, c));
  Grant cut("GPU-a");
  cut.mig = {.uuid = "MIG-a", .gpu_capability = 12, .compute_capability = 13};
  ASSERT_TRUE(cdi::apply(*again, {cut}, c));
  ASSERT_EQ(c.devices.size(), 4u) << "and the capabilities of the instance";
  EXPECT_EQ(c.devices[3].host_path, "/dev/nvidia-caps/nvidia-cap13");
}

TEST(Cdi, RefusesPathsThatAreNotPlain) {
  EXPECT_FALSE(cdi::parse(parsed(
      R"({"kind":"nvidia.com/gpu","containerEdits":{"mounts":[{"hostPath":"../x","containerPath":"/x"}]}})")));
  EXPECT_FALSE(cdi::parse(parsed(R"({"kind":"gpu"})")));
  EXPECT_FALSE(cdi::parse(parsed(R"({"kind":"a/b","devices":[{}]})")));
}

TEST(Devices, OfClaimsGoToWhoNamesThem) {
  const auto pod =
      pod_of(R"({"resourceClaims":[{"name":"a","resourceClaimName":"x"},{"name":"b","resourceClaimName":"y"}],
    "containers":[{"name":"one","resources":{"claims":[{"name":"a"}]}},
                  {"name":"two","resources":{"claims":[{"name":"a","request":"second"},{"name":"b"}],
                                             "limits":{"nvidia.com/gpu":"1"}}},
                  {"name":"none"}]})");
  const auto allocation =
      parse_allocation(parsed(R"({"metadata":{"name":"u"},"spec":{"namespace":"n","pod":"p",
    "devices":[{"uuid":"GPU-0","claim":"a","request":"first"},{"uuid":"GPU-1","claim":"a","request":"second/big"},
               {"uuid":"GPU-2","claim":"b","request":"only"},{"uuid":"GPU-3"}]}})"));
  ASSERT_TRUE(allocation);
  EXPECT_THAT(devices_of(*pod, pod->containers[0], *allocation), ElementsAre(0, 1));
  EXPECT_THAT(devices_of(*pod, pod->containers[1], *allocation), ElementsAre(1, 2, 3));
  EXPECT_THAT(devices_of(*pod, pod->containers[2], *allocation), ElementsAre());
}

}  // namespace
}  // namespace ingot::node
