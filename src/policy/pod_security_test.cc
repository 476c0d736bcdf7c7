#include "policy/pod_security.h"

#include <gtest/gtest.h>

namespace ingot::policy {
namespace {

constexpr auto kBaseline = PodSecurityLevel::Baseline;
constexpr auto kRestricted = PodSecurityLevel::Restricted;

api::Json json(std::string_view text) {
  auto value = api::parse_json(text);
  EXPECT_TRUE(value.has_value()) << text;
  return value ? *value : api::Json();
}

std::string verdict(std::string_view spec, PodSecurityLevel level, std::string_view metadata = "{}") {
  return describe(check_pod(json(spec), json(metadata), level));
}

// A pod that passes `restricted`, with `extra` written into its securityContext, its container's or beside
// them.
std::string hardened(std::string_view pod_context = "", std::string_view container_context = "",
                     std::string_view container = "", std::string_view spec = "") {
  auto part = [](std::string_view text) { return text.empty() ? std::string() : "," + std::string(text); };
  return R"({"securityContext":{"runAsNonRoot":true,"seccompProfile":{"type":"RuntimeDefault"})" +
         part(pod_context) +
         R"(},"containers":[{"name":"c","securityContext":{"allowPrivilegeEscalation":false,)"
         R"("capabilities":{"drop":["ALL"]})" +
         part(container_context) + "}" + part(container) + "}]" + part(spec) + "}";
}

TEST(PodSecurity, PlainPodPassesBaseline) {
  EXPECT_EQ(verdict(R"({"containers":[{"name":"c","image":"i"}]})", kBaseline), "");
}
TEST(PodSecurity, HardenedPodPassesRestricted) { EXPECT_EQ(verdict(hardened(), kRestricted), ""); }
TEST(PodSecurity, PrivilegedLevelRefusesNothing) {
  EXPECT_EQ(verdict(R"({"hostPID":true,"containers":[{"name":"c","securityContext":{"privileged":true}}]})",
                    PodSecurityLevel::Privileged),
            "");
}

struct Case {
  const char* name;
  std::string spec;
  std::string expected;
};

class Baseline : public testing::TestWithParam<Case> {};
TEST_P(Baseline, Refuses) { EXPECT_EQ(verdict(GetParam().spec, kBaseline), GetParam().expected); }
INSTANTIATE_TEST_SUITE_P(
    PodSecurity, Baseline,
    testing::Values(
        Case{"privileged", R"({"containers":[{"name":"c","securityContext":{"privileged":true}}]})",
             R"(privileged (container "c" must not set securityContext.privileged=true))"},
        Case{
            "privileged_init_and_ephemeral",
            R"({"initContainers":[{"name":"i","securityContext":{"privileged":true}}],"containers":[{"name":"c"}],)"
            R"("ephemeralContainers":[{"name":"e","securityContext":{"privileged":true}}]})",
            R"(privileged (containers "i", "e" must not set securityContext.privileged=true))"},
        Case{"host_namespaces",
             R"({"hostNetwork":true,"hostIPC":true,"hostPID":true,"containers":[{"name":"c"}]})",
             "host namespaces (hostNetwork=true, hostPID=true, hostIPC=true)"},
        Case{"host_path", R"({"volumes":[{"name":"v","hostPath":{"path":"/"}},{"name":"w","hostPath":{}}]})",
             R"(hostPath volumes (volumes "v", "w"))"},
        Case{"host_ports",
             R"({"containers":[{"name":"a","ports":[{"hostPort":80},{"containerPort":1}]},)"
             R"({"name":"b","ports":[{"hostPort":443}]}]})",
             R"(hostPort (containers "a", "b" use hostPorts 443, 80))"},
        Case{"one_host_port", R"({"containers":[{"name":"a","ports":[{"hostPort":80}]}]})",
             R"(hostPort (container "a" uses hostPort 80))"},
        Case{"host_probe", R"({"containers":[{"name":"c","livenessProbe":{"httpGet":{"host":"10.0.0.1"}}}]})",
             R"(probe or lifecycle host (container "c" uses probe or lifecycle host "10.0.0.1"))"},
        Case{"host_lifecycle",
             R"({"containers":[{"name":"c","lifecycle":{"preStop":{"tcpSocket":{"host":"h"}}},)"
             R"("startupProbe":{"tcpSocket":{"host":"g"}}}]})",
             R"(probe or lifecycle host (container "c" uses probe or lifecycle hosts "g", "h"))"},
        Case{
            "capabilities",
            R"({"containers":[{"name":"c","securityContext":{"capabilities":{"add":["SYS_ADMIN","CHOWN","BPF"]}}}]})",
            R"(non-default capabilities (container "c" must not include "BPF", "SYS_ADMIN" in )"
            R"(securityContext.capabilities.add))"},
        Case{
            "selinux_pod_and_container",
            R"({"securityContext":{"seLinuxOptions":{"type":"spc_t"}},)"
            R"("containers":[{"name":"c","securityContext":{"seLinuxOptions":{"user":"u","role":"r"}}}]})",
            R"(seLinuxOptions (pod and container "c" set forbidden securityContext.seLinuxOptions: type "spc_t"; )"
            R"(user may not be set; role may not be set))"},
        Case{"proc_mount",
             R"({"hostUsers":false,"containers":[{"name":"c","securityContext":{"procMount":"Unmasked"}}]})",
             R"(procMount (container "c" must not set securityContext.procMount to "Unmasked"))"},
        Case{
            "seccomp",
            R"({"securityContext":{"seccompProfile":{"type":"Unconfined"}},)"
            R"("containers":[{"name":"c","securityContext":{"seccompProfile":{"type":"Unconfined"}}}]})",
            R"(seccompProfile (pod and container "c" must not set securityContext.seccompProfile.type to "Unconfined"))"},
        Case{
            "sysctls",
            R"({"securityContext":{"sysctls":[{"name":"kernel.msgmax"},{"name":"net.ipv4.tcp_syncookies"}]}})",
            "forbidden sysctls (kernel.msgmax)"},
        Case{"nameless_sysctl", R"({"securityContext":{"sysctls":[{"value":"1"}]}})", "forbidden sysctls"},
        Case{
            "app_armor",
            R"({"containers":[{"name":"c","securityContext":{"appArmorProfile":{"type":"Unconfined"}}}]})",
            R"(forbidden AppArmor profile (container "c" must not set AppArmor profile type to "Unconfined"))"},
        Case{"windows_host_process",
             R"({"securityContext":{"windowsOptions":{"hostProcess":true}},"containers":[{"name":"c"}]})",
             "hostProcess (pod must not set securityContext.windowsOptions.hostProcess=true)"},
        Case{"several_in_upstreams_order",
             R"({"hostPID":true,"volumes":[{"name":"v","hostPath":{}}],)"
             R"("containers":[{"name":"c","securityContext":{"privileged":true}}]})",
             R"(host namespaces (hostPID=true), hostPath volumes (volume "v"), )"
             R"(privileged (container "c" must not set securityContext.privileged=true))"}),
    [](const auto& info) { return std::string(info.param.name); });

class BaselineAllows : public testing::TestWithParam<Case> {};
TEST_P(BaselineAllows, Passes) { EXPECT_EQ(verdict(GetParam().spec, kBaseline), ""); }
INSTANTIATE_TEST_SUITE_P(
    PodSecurity, BaselineAllows,
    testing::Values(
        Case{"default_capabilities",
             R"({"containers":[{"name":"c","securityContext":{"capabilities":{"add":["CHOWN","SETUID"]}}}]})",
             ""},
        Case{"probe_without_host", R"({"containers":[{"name":"c","livenessProbe":{"httpGet":{"port":80}}}]})",
             ""},
        Case{"zero_host_port", R"({"containers":[{"name":"c","ports":[{"hostPort":0}]}]})", ""},
        Case{"explicit_false",
             R"({"hostNetwork":false,"containers":[{"name":"c","securityContext":{"privileged":false}}]})",
             ""},
        Case{"null_is_absent", R"({"volumes":[{"name":"v","hostPath":null,"emptyDir":{}}]})", ""},
        Case{"selinux_type",
             R"({"securityContext":{"seLinuxOptions":{"type":"container_engine_t","level":"s0"}}})", ""},
        Case{
            "localhost_profiles",
            R"({"securityContext":{"seccompProfile":{"type":"Localhost"},"appArmorProfile":{"type":"Localhost"}}})",
            ""},
        Case{"default_proc_mount",
             R"({"containers":[{"name":"c","securityContext":{"procMount":"Default"}}]})", ""},
        Case{"safe_sysctl", R"({"securityContext":{"sysctls":[{"name":"net.ipv4.tcp_rmem"}]}})", ""}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(PodSecurity, AppArmorAnnotations) {
  const std::string key = "container.apparmor.security.beta.kubernetes.io/c";
  auto with = [&](const std::string& value) {
    return R"({"annotations":{")" + key + R"(":")" + value + R"("}})";
  };
  EXPECT_EQ(verdict("{}", kBaseline, with("runtime/default")), "");
  EXPECT_EQ(verdict("{}", kBaseline, with("localhost/mine")), "");
  EXPECT_EQ(verdict("{}", kBaseline, with("unconfined")),
            "forbidden AppArmor profile (annotation must not set AppArmor profile type to \"" + key +
                "=\"unconfined\"\")");
}

class Restricted : public testing::TestWithParam<Case> {};
TEST_P(Restricted, Refuses) { EXPECT_EQ(verdict(GetParam().spec, kRestricted), GetParam().expected); }
INSTANTIATE_TEST_SUITE_P(
    PodSecurity, Restricted,
    testing::Values(
        Case{
            "plain_pod", R"({"containers":[{"name":"a"},{"name":"b"}]})",
            R"(allowPrivilegeEscalation != false (containers "a", "b" must set )"
            R"(securityContext.allowPrivilegeEscalation=false), unrestricted capabilities (containers "a", "b" must )"
            R"(set securityContext.capabilities.drop=["ALL"]), runAsNonRoot != true (pod or containers "a", "b" must )"
            R"(set securityContext.runAsNonRoot=true), seccompProfile (pod or containers "a", "b" must set )"
            R"(securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"))"},
        Case{
            "added_capability_is_reported_once",
            R"({"securityContext":{"runAsNonRoot":true,"seccompProfile":{"type":"Localhost"}},"containers":[{"name":"c",)"
            R"("securityContext":{"allowPrivilegeEscalation":false,"capabilities":{"drop":["ALL"],"add":["SYS_ADMIN"]}}}]})",
            R"(unrestricted capabilities (container "c" must not include "SYS_ADMIN" in securityContext.capabilities.add))"},
        Case{
            "volumes",
            hardened(
                "", "", "",
                R"("volumes":[{"name":"h","hostPath":{}},{"name":"n","nfs":{}},{"name":"e","emptyDir":{}}])"),
            R"(restricted volume types (volumes "h", "n" use restricted volume types "hostPath", "nfs"))"},
        Case{"unknown_volume", hardened("", "", "", R"("volumes":[{"name":"x"}])"),
             R"(restricted volume types (volume "x" uses restricted volume type "unknown"))"},
        Case{"run_as_root_pod_wide", hardened(R"("runAsUser":0)"),
             "runAsUser=0 (pod must not set runAsUser=0)"},
        Case{"run_as_root_container", hardened("", R"("runAsUser":0)"),
             R"(runAsUser=0 (container "c" must not set runAsUser=0))"},
        Case{"non_root_denied", hardened("", R"("runAsNonRoot":false)"),
             R"(runAsNonRoot != true (container "c" must not set securityContext.runAsNonRoot=false))"},
        Case{
            "container_seccomp", hardened("", R"("seccompProfile":{"type":"Unconfined"})"),
            R"(seccompProfile (container "c" must not set securityContext.seccompProfile.type to "Unconfined"))"},
        Case{
            "windows_is_not_exempt",
            R"({"os":{"name":"windows"},"securityContext":{"runAsNonRoot":true,"seccompProfile":)"
            R"({"type":"RuntimeDefault"}},"containers":[{"name":"c","securityContext":{)"
            R"("capabilities":{"drop":["ALL"]}}}]})",
            R"(allowPrivilegeEscalation != false (container "c" must set securityContext.allowPrivilegeEscalation=false))"},
        Case{"baseline_still_holds", hardened("", "", "", R"("hostPID":true)"),
             "host namespaces (hostPID=true)"}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(PodSecurity, MayAddNetBindService) {
  EXPECT_EQ(verdict(R"({"securityContext":{"runAsNonRoot":true,"seccompProfile":{"type":"RuntimeDefault"}},)"
                    R"("containers":[{"name":"c","securityContext":{"allowPrivilegeEscalation":false,)"
                    R"("capabilities":{"drop":["ALL"],"add":["NET_BIND_SERVICE"]}}}]})",
                    kRestricted),
            "");
}

TEST(PodSecurity, MessageNamesLevelAndVersion) {
  const auto found = check_pod(json(R"({"containers":[{"name":"c","securityContext":{"privileged":true}}]})"),
                               json("{}"), kBaseline);
  EXPECT_EQ(violation_message(kBaseline, found),
            "violates PodSecurity \"baseline:v1.36\": privileged (container \"c\" must not set "
            "securityContext.privileged=true)");
}

TEST(PodSecurity, HostileShapesReadAsAbsent) {
  EXPECT_EQ(
      verdict(R"({"containers":"x","volumes":{"a":1},"securityContext":[],"initContainers":[1,null,"s"]})",
              kBaseline),
      "");
}

TEST(PodSecurity, ParsesLevels) {
  EXPECT_EQ(parse_level("restricted"), PodSecurityLevel::Restricted);
  EXPECT_EQ(parse_level("Baseline"), std::nullopt);
  EXPECT_EQ(to_string(*parse_level("privileged")), "privileged");
}

}  // namespace
}  // namespace ingot::policy
