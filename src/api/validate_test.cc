#include "api/validate_testing.h"

namespace ingot::api {
namespace {

TEST_F(ValidateTest, TheMessageIsKubernetesOwn) {
  const Resource& pods = of("", "Pod");
  Result<void> result =
      validate(pods, made(pods, R"({"metadata":{"name":"x"},"spec":{"containers":[]}})"), nullptr);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().message, R"(Pod "x" is invalid: spec.containers: Required value)");
  EXPECT_EQ(result.error().kind, "Pod");
  EXPECT_EQ(result.error().name, "x");
  const Resource& jobs = of("batch", "Job");
  result = validate(jobs, made(jobs, job(R"("parallelism":-1,"backoffLimit":-1)")), nullptr);
  ASSERT_FALSE(result);
  EXPECT_EQ(
      result.error().message,
      "Job.batch \"j\" is invalid: [spec.parallelism: Invalid value: -1: must be greater than or equal to 0, "
      "spec.backoffLimit: Invalid value: -1: must be greater than or equal to 0]");
}

TEST_F(ValidateTest, Names) {
  auto map = [&](const std::string& name) {
    return wrong("", "ConfigMap", R"({"metadata":{"name":")" + name + "\"}}");
  };
  EXPECT_THAT(map("a.b-c"), IsEmpty());
  EXPECT_THAT(map("A"),
              ElementsAre(StartsWith("metadata.name: Invalid value: \"A\": a lowercase RFC 1123 subdomain")));
  for (const char* bad : {"-a", "a-", "a..b", "a/b", "..", "a b", "ü", "a\\u0000"})
    EXPECT_THAT(map(bad), testing::SizeIs(1)) << bad;
  EXPECT_THAT(map(std::string(254, 'a')), ElementsAre(HasSubstr("must be no more than 253 bytes")));
  EXPECT_THAT(wrong("", "ConfigMap", R"({"metadata":{}})"),
              ElementsAre("metadata.name: Required value: name or generateName is required"));
  EXPECT_THAT(wrong("", "ConfigMap", R"({"metadata":{"generateName":"a-"}})"), IsEmpty());
  EXPECT_THAT(wrong("", "ConfigMap", R"({"metadata":{"generateName":"-"}})"), testing::SizeIs(1));
  EXPECT_THAT(wrong("", "Namespace", R"({"metadata":{"name":"a.b"}})"),
              Contains("metadata.name: Invalid value: \"a.b\": must not contain dots"));
  EXPECT_THAT(wrong(kRbac, "Role", R"({"metadata":{"name":"system:node"}})"), IsEmpty());
  EXPECT_THAT(wrong(kRbac, "Role", R"({"metadata":{"name":"a/b"}})"),
              ElementsAre("metadata.name: Invalid value: \"a/b\": may not contain '/'"));
  EXPECT_THAT(wrong("", "Node", R"({"metadata":{"name":"n","namespace":"x"}})"),
              ElementsAre("metadata.namespace: Forbidden: not allowed on this type"));
}

TEST_F(ValidateTest, Metadata) {
  auto meta = [&](const std::string& rest, std::string_view before = {}) {
    return wrong("", "ConfigMap", R"({"metadata":{"name":"a",)" + rest + "}}", before);
  };
  EXPECT_THAT(meta(R"("labels":{"example.com/a":"b","c":""},"annotations":{"X.y/Z":"anything at all"})"),
              IsEmpty());
  EXPECT_THAT(meta(R"("labels":{"a b":"c"})"),
              ElementsAre(StartsWith("metadata.labels: Invalid value: \"a b\": name part must consist")));
  EXPECT_THAT(meta(R"("labels":{"a":"c d"})"),
              ElementsAre(StartsWith("metadata.labels: Invalid value: \"c d\": a valid label must be")));
  EXPECT_THAT(meta(R"("labels":{"/a":"b"})"), ElementsAre(HasSubstr("prefix part must be non-empty")));
  EXPECT_THAT(meta(R"("annotations":{"a":")" + std::string(300'000, 'x') + "\"}"),
              ElementsAre("metadata.annotations: Too long: may not be more than 262144 bytes"));
  EXPECT_THAT(meta(R"("finalizers":["x y"])"), testing::SizeIs(1));
  EXPECT_THAT(meta(R"("finalizers":["orphan","foregroundDeletion"])"), testing::SizeIs(1));
  EXPECT_THAT(meta(R"("ownerReferences":[{"apiVersion":"v1","kind":"Pod","name":"p"}])"),
              Contains(HasSubstr("uid")));
  const char* deleting =
      R"({"metadata":{"name":"a","deletionTimestamp":"2026-01-01T00:00:00Z","finalizers":["x/a"]}})";
  EXPECT_THAT(meta(R"("deletionTimestamp":"2026-01-01T00:00:00Z","finalizers":["x/a","x/b"])", deleting),
              ElementsAre(HasSubstr("no new finalizers can be added")));
  EXPECT_THAT(meta(R"("uid":"2")", R"({"metadata":{"name":"a","uid":"1"}})"),
              ElementsAre("metadata.uid: Invalid value: \"2\": field is immutable"));
}

TEST_F(ValidateTest, AGoodPodPasses) {
  EXPECT_THAT(
      wrong("", "Pod", with(R"("ports":[{"name":"http","containerPort":80}],"env":[{"name":"A","value":"b"},
      {"name":"B","valueFrom":{"fieldRef":{"fieldPath":"metadata.labels['x']"}}},{"name":"C","valueFrom":{"secretKeyRef":{"name":"s","key":"k"}}}],
      "envFrom":[{"configMapRef":{"name":"m"}}],"resources":{"requests":{"cpu":"500m","memory":"1Gi"},"limits":{"cpu":1,"nvidia.com/gpu":"2"}},
      "livenessProbe":{"httpGet":{"path":"/","port":"http"}},"readinessProbe":{"exec":{"command":["true"]},"successThreshold":2},
      "lifecycle":{"preStop":{"sleep":{"seconds":1}}})")),
      IsEmpty());
  EXPECT_THAT(
      wrong("", "Pod",
            pod(R"("containers":[{"name":"c","image":"i","volumeMounts":[{"name":"v","mountPath":"/v"},
      {"name":"t","mountPath":"/t"}]}],"volumes":[{"name":"v"},{"name":"t","projected":{"sources":[{"serviceAccountToken":{"path":"token"}},
      {"configMap":{"name":"ca","items":[{"key":"ca.crt","path":"ca.crt"}]}}]}}],"tolerations":[{"operator":"Exists"}],
      "initContainers":[{"name":"i","image":"i"},{"name":"s","image":"i","restartPolicy":"Always","startupProbe":{"tcpSocket":{"port":1}}}])")),
      IsEmpty());
}

TEST_F(ValidateTest, Containers) {
  auto bad = [&](const std::string& container) { return wrong("", "Pod", with(container)); };
  EXPECT_THAT(
      wrong("", "Pod", pod(R"("containers":[{}])")),
      ElementsAre("spec.containers[0].name: Required value", "spec.containers[0].image: Required value"));
  EXPECT_THAT(
      wrong("", "Pod",
            pod(R"("containers":[{"name":"a","image":"i"}],"initContainers":[{"name":"a","image":"i"}])")),
      ElementsAre("spec.containers[0].name: Duplicate value: \"a\""));
  EXPECT_THAT(bad(R"("imagePullPolicy":"Sometimes")"),
              ElementsAre("spec.containers[0].imagePullPolicy: Unsupported value: \"Sometimes\": supported "
                          "values: \"Always\", "
                          "\"IfNotPresent\", \"Never\""));
  EXPECT_THAT(bad(R"("ports":[{"containerPort":70000}])"),
              ElementsAre("spec.containers[0].ports[0].containerPort: Invalid value: 70000: must be between "
                          "1 and 65535, inclusive"));
  EXPECT_THAT(bad(R"("ports":[{}])"),
              ElementsAre("spec.containers[0].ports[0].containerPort: Required value"));
  EXPECT_THAT(bad(R"("ports":[{"containerPort":1,"protocol":"ICMP"}])"),
              ElementsAre(HasSubstr("Unsupported value: \"ICMP\"")));
  EXPECT_THAT(bad(R"("env":[{"name":"A=B"}])"), testing::SizeIs(1));
  EXPECT_THAT(
      bad(R"("env":[{"name":"A","value":"x","valueFrom":{"fieldRef":{"fieldPath":"metadata.name"}}}])"),
      ElementsAre(HasSubstr("may not be specified when `value` is not empty")));
  EXPECT_THAT(bad(R"("env":[{"name":"A","valueFrom":{}}])"), ElementsAre(HasSubstr("must specify one of")));
  EXPECT_THAT(bad(R"("env":[{"name":"A","valueFrom":{"fieldRef":{"fieldPath":"spec.secret"}}}])"),
              ElementsAre(HasSubstr("Unsupported value")));
  EXPECT_THAT(bad(R"("volumeMounts":[{"name":"v","mountPath":"/v"}])"),
              ElementsAre("spec.containers[0].volumeMounts[0].name: Not found: \"v\""));
  EXPECT_THAT(bad(R"("livenessProbe":{})"),
              ElementsAre("spec.containers[0].livenessProbe: Required value: must specify a handler type"));
  EXPECT_THAT(bad(R"("livenessProbe":{"exec":{"command":["a"]},"successThreshold":2})"),
              ElementsAre(HasSubstr("must be 1")));
  EXPECT_THAT(bad(R"("livenessProbe":{"exec":{"command":["a"]},"periodSeconds":-1})"), testing::SizeIs(1));
  EXPECT_THAT(bad(R"("securityContext":{"privileged":true,"allowPrivilegeEscalation":false})"),
              testing::SizeIs(1));
  EXPECT_THAT(wrong("", "Pod",
                    pod(R"("containers":[{"name":"c","image":"i"}],"initContainers":[{"name":"i","image":"i",
              "livenessProbe":{"exec":{"command":["a"]}}}])")),
              ElementsAre(StartsWith("spec.initContainers[0].livenessProbe: Forbidden: ")));
}

TEST_F(ValidateTest, Resources) {
  auto bad = [&](const std::string& resources) {
    return wrong("", "Pod", with(R"("resources":{)" + resources + "}"));
  };
  const std::string at = "spec.containers[0].resources.";
  EXPECT_THAT(
      bad(R"("requests":{"cpu":"2"},"limits":{"cpu":"1"})"),
      ElementsAre(at + "requests: Invalid value: \"2\": must be less than or equal to cpu limit of 1"));
  EXPECT_THAT(
      bad(R"("requests":{"memory":"-1"})"),
      ElementsAre(at + "requests[memory]: Invalid value: \"-1\": must be greater than or equal to 0"));
  EXPECT_THAT(bad(R"("limits":{"nvidia.com/gpu":"1500m"})"),
              Contains(at + "limits[nvidia.com/gpu]: Invalid value: \"1500m\": must be an integer"));
  EXPECT_THAT(bad(R"("requests":{"nvidia.com/gpu":"1"})"),
              ElementsAre(at + "limits: Required value: Limit must be set for non overcommitable resources"));
  EXPECT_THAT(bad(R"("requests":{"nvidia.com/gpu":"1"},"limits":{"nvidia.com/gpu":"2"})"),
              ElementsAre(at + "requests: Invalid value: \"1\": must be equal to nvidia.com/gpu limit of 2"));
  EXPECT_THAT(bad(R"("limits":{"gpus":"1"})"),
              Contains(HasSubstr("must be a standard resource type or fully qualified")));
}

TEST_F(ValidateTest, VolumesAndPodSpec) {
  auto bad = [&](const std::string& rest) {
    return wrong("", "Pod", pod(R"("containers":[{"name":"c","image":"i"}],)" + rest));
  };
  EXPECT_THAT(bad(R"("volumes":[{"name":"v","emptyDir":{},"secret":{"secretName":"s"}}])"),
              ElementsAre("spec.volumes[0].secret: Forbidden: may not specify more than 1 volume type"));
  EXPECT_THAT(bad(R"("volumes":[{"name":"v"},{"name":"v"}])"),
              ElementsAre("spec.volumes[1].name: Duplicate value: \"v\""));
  EXPECT_THAT(bad(R"("volumes":[{"name":"v","configMap":{}}])"),
              ElementsAre("spec.volumes[0].configMap.name: Required value"));
  EXPECT_THAT(
      bad(R"("volumes":[{"name":"v","secret":{"secretName":"s","items":[{"key":"k","path":"../up"}],"defaultMode":4096}}])"),
      testing::SizeIs(2));
  EXPECT_THAT(bad(R"("volumes":[{"name":"v","hostPath":{"path":"/a/../b"}}])"), testing::SizeIs(1));
  EXPECT_THAT(bad(R"("restartPolicy":"Sometimes")"),
              ElementsAre(StartsWith("spec.restartPolicy: Unsupported value: \"Sometimes\"")));
  EXPECT_THAT(bad(R"("terminationGracePeriodSeconds":-1)"), testing::SizeIs(1));
  EXPECT_THAT(bad(R"("activeDeadlineSeconds":0)"), testing::SizeIs(1));
  EXPECT_THAT(bad(R"("hostname":"a.b")"), testing::SizeIs(1));
  EXPECT_THAT(bad(R"("tolerations":[{"operator":"Equal"}])"), testing::SizeIs(1));
  EXPECT_THAT(bad(R"("tolerations":[{"key":"a","operator":"Exists","tolerationSeconds":3}])"),
              testing::SizeIs(1));
  EXPECT_THAT(bad(R"("ephemeralContainers":[{"name":"e","image":"i"}])"),
              ElementsAre("spec.ephemeralContainers: Forbidden: cannot be set on create"));
  EXPECT_THAT(bad(R"("nodeSelector":{"a b":"c"})"),
              ElementsAre(StartsWith("spec.nodeSelector: Invalid value: \"a b\"")));
}

TEST_F(ValidateTest, PodUpdatesChangeLittle) {
  const std::string before =
      pod(R"("containers":[{"name":"c","image":"i:1"}],"tolerations":[{"key":"a","operator":"Exists"}])");
  auto update = [&](const std::string& now) { return wrong("", "Pod", pod(now), before); };
  EXPECT_THAT(update(R"("containers":[{"name":"c","image":"i:2","imagePullPolicy":"IfNotPresent"}],
      "tolerations":[{"key":"a","operator":"Exists"},{"key":"b","operator":"Exists"}],"activeDeadlineSeconds":5)"),
              IsEmpty());
  EXPECT_THAT(
      update(
          R"("containers":[{"name":"c","image":"i:1","command":["x"]}],"tolerations":[{"key":"a","operator":"Exists"}])"),
      ElementsAre(StartsWith("spec: Forbidden: pod updates may not change fields other than")));
  EXPECT_THAT(update(R"("containers":[{"name":"c","image":"i:1"}])"),
              ElementsAre(StartsWith("spec.tolerations: Forbidden")));
  EXPECT_THAT(
      update(
          R"("containers":[{"name":"c","image":"i:1"}],"tolerations":[{"key":"a","operator":"Exists"}],"nodeName":"n")"),
      testing::SizeIs(1));
  EXPECT_THAT(wrong("", "Pod", pod(R"("containers":[{"name":"c","image":"i"}],"activeDeadlineSeconds":9)"),
                    pod(R"("containers":[{"name":"c","image":"i"}],"activeDeadlineSeconds":5)")),
              testing::SizeIs(1));
}

TEST_F(ValidateTest, APodThatHasEndedStaysSo) {
  const auto in = [&](std::string_view phase) {
    std::string text = pod(R"("containers":[{"name":"c","image":"i"}])");
    return text.insert(1, R"("status":{"phase":")" + std::string(phase) + R"("},)");
  };
  const auto update = [&](std::string_view now, std::string_view before) {
    return wrong("", "Pod", in(now), in(before));
  };
  EXPECT_THAT(update("Failed", "Running"), IsEmpty());
  EXPECT_THAT(update("Pending", "Running"), IsEmpty()) << "its node was rebooted";
  EXPECT_THAT(update("Failed", "Failed"), IsEmpty());
  for (const std::string_view late : {"Pending", "Running", "Succeeded", ""})
    EXPECT_THAT(update(late, "Failed"),
                ElementsAre("status.phase: Forbidden: the pod has ended: it stays Failed"));
}

TEST_F(ValidateTest, Jobs) {
  auto bad = [&](const std::string& spec) { return wrong("batch", "Job", job(spec)); };
  EXPECT_THAT(bad(""), IsEmpty());
  EXPECT_THAT(bad(R"("completionMode":"Indexed","completions":3)"), IsEmpty());
  EXPECT_THAT(bad(R"("completionMode":"Indexed","parallelism":2)"),
              ElementsAre("spec.completions: Required value: when completion mode is Indexed"));
  EXPECT_THAT(bad(R"("backoffLimitPerIndex":1)"),
              Contains("spec.backoffLimitPerIndex: Forbidden: is not supported by this control plane"));
  EXPECT_THAT(bad(R"("completionMode":"Both")"),
              Contains(StartsWith("spec.completionMode: Unsupported value")));
  EXPECT_THAT(wrong("batch", "Job", job("", "Always")),
              ElementsAre("spec.template.spec.restartPolicy: Unsupported value: \"Always\": supported "
                          "values: \"OnFailure\", \"Never\""));
  EXPECT_THAT(
      wrong(
          "batch", "Job",
          R"({"metadata":{"name":"j"},"spec":{"template":{"spec":{"restartPolicy":"Never","containers":[]}}}})"),
      ElementsAre("spec.template.spec.containers: Required value"));
  EXPECT_THAT(wrong("batch", "Job", job(R"("parallelism":5,"completions":5,"suspend":true)"),
                    job(R"("parallelism":2,"completions":5)")),
              IsEmpty());
  EXPECT_THAT(wrong("batch", "Job", job(R"("completions":6)"), job(R"("completions":5)")),
              ElementsAre("spec.completions: Invalid value: 6: field is immutable"));
  EXPECT_THAT(wrong("batch", "Job", job("", "OnFailure"), job("")),
              ElementsAre(StartsWith("spec.template: Invalid value: ")));
}

TEST_F(ValidateTest, ConfigMapsAndSecrets) {
  auto map = [&](const std::string& rest, std::string_view before = {}) {
    return wrong("", "ConfigMap", R"({"metadata":{"name":"a"},)" + rest + "}", before);
  };
  EXPECT_THAT(map(R"("data":{"a.b_c-d":"x"},"binaryData":{"e":"AA=="})"), IsEmpty());
  EXPECT_THAT(map(R"("data":{"a/b":"x"})"),
              ElementsAre(StartsWith("data[a/b]: Invalid value: \"a/b\": a valid config key")));
  EXPECT_THAT(map(R"("data":{"..":"x"})"), testing::SizeIs(1));
  EXPECT_THAT(map(R"("data":{"a":"x"},"binaryData":{"a":"AA=="})"), testing::SizeIs(1));
  EXPECT_THAT(map(R"("data":{"a":")" + std::string((1 << 20) + 1, 'x') + "\"}"),
              ElementsAre(": Too long: may not be more than 1048576 bytes"));
  const char* frozen = R"({"metadata":{"name":"a"},"immutable":true,"data":{"a":"x"}})";
  EXPECT_THAT(map(R"("immutable":true,"data":{"a":"y"})", frozen),
              ElementsAre("data: Forbidden: field is immutable when `immutable` is set"));
  EXPECT_THAT(map(R"("data":{"a":"x"})", frozen),
              ElementsAre("immutable: Forbidden: field is immutable when `immutable` is set"));
  EXPECT_THAT(
      wrong("", "Secret", R"({"metadata":{"name":"s"},"type":"kubernetes.io/tls","data":{"tls.crt":""}})"),
      ElementsAre("data[tls.key]: Required value"));
  EXPECT_THAT(wrong("", "Secret", R"({"metadata":{"name":"s"},"type":"b"})",
                    R"({"metadata":{"name":"s"},"type":"a"})"),
              ElementsAre("type: Invalid value: \"b\": field is immutable"));
}

TEST_F(ValidateTest, Rbac) {
  EXPECT_THAT(wrong(kRbac, "ClusterRole",
                    R"({"metadata":{"name":"r"},"rules":[{"verbs":["get"],"nonResourceURLs":["/healthz"]},
              {"verbs":["*"],"apiGroups":[""],"resources":["pods"]}]})"),
              IsEmpty());
  EXPECT_THAT(
      wrong(kRbac, "Role", R"({"metadata":{"name":"r"},"rules":[{"verbs":[]}]})"),
      ElementsAre("rules[0].verbs: Required value: verbs must contain at least one value",
                  "rules[0].apiGroups: Required value: resource rules must supply at least one api group",
                  "rules[0].resources: Required value: resource rules must supply at least one resource"));
  EXPECT_THAT(wrong(kRbac, "Role",
                    R"({"metadata":{"name":"r"},"rules":[{"verbs":["get"],"nonResourceURLs":["/x"]}]})"),
              ElementsAre(HasSubstr("namespaced rules cannot apply to non-resource URLs")));
  auto binding = [&](const std::string& kind, const std::string& rest, std::string_view before = {}) {
    return wrong(kRbac, kind, R"({"metadata":{"name":"b"},)" + rest + "}", before);
  };
  EXPECT_THAT(
      binding(
          "RoleBinding",
          R"("roleRef":{"kind":"Role","name":"r"},"subjects":[{"kind":"ServiceAccount","name":"s"},{"kind":"User","name":"u@x"}])"),
      IsEmpty());
  EXPECT_THAT(binding("ClusterRoleBinding", R"("roleRef":{"kind":"Role","name":"r"})"),
              ElementsAre(StartsWith("roleRef.kind: Unsupported value: \"Role\"")));
  EXPECT_THAT(
      binding(
          "ClusterRoleBinding",
          R"("roleRef":{"kind":"ClusterRole","name":"r"},"subjects":[{"kind":"ServiceAccount","name":"s"}])"),
      ElementsAre("subjects[0].namespace: Required value"));
  EXPECT_THAT(binding("RoleBinding",
                      R"("roleRef":{"kind":"Role","name":"r"},"subjects":[{"kind":"Robot","name":"s"}])"),
              testing::SizeIs(1));
  EXPECT_THAT(binding("RoleBinding", R"("roleRef":{"kind":"Role","name":"x"})",
                      R"({"metadata":{"name":"b"},"roleRef":{"kind":"Role","name":"r"}})"),
              ElementsAre(HasSubstr("cannot change roleRef")));
}

TEST_F(ValidateTest, SmallKinds) {
  EXPECT_THAT(
      wrong("coordination.k8s.io", "Lease", R"({"metadata":{"name":"l"},"spec":{"leaseDurationSeconds":0}})"),
      testing::SizeIs(1));
  EXPECT_THAT(wrong("scheduling.k8s.io", "PriorityClass", R"({"metadata":{"name":"p"},"value":1000000001})"),
              testing::SizeIs(1));
  EXPECT_THAT(wrong("scheduling.k8s.io", "PriorityClass", R"({"metadata":{"name":"p"},"value":2})",
                    R"({"metadata":{"name":"p"},"value":1})"),
              ElementsAre("value: Forbidden: may not be changed in an update."));
  EXPECT_THAT(
      wrong(
          "", "Node",
          R"({"metadata":{"name":"n"},"spec":{"taints":[{"key":"a","effect":"NoSchedule"},{"key":"a","effect":"NoSchedule"}]}})"),
      testing::SizeIs(1));
  EXPECT_THAT(
      wrong(
          "", "Event",
          R"({"metadata":{"name":"e","namespace":"x"},"involvedObject":{"kind":"Pod","namespace":"y","name":"p"}})"),
      ElementsAre("involvedObject.namespace: Invalid value: \"y\": does not match event.namespace"));
  EXPECT_THAT(wrong("", "ServiceAccount", R"({"metadata":{"name":"default"}})"), IsEmpty());
  EXPECT_THAT(wrong("resource.k8s.io", "ResourceSlice",
                    R"({"metadata":{"name":"n-gpu.nvidia.com"},"spec":{"driver":"gpu.nvidia.com",
              "nodeName":"n","pool":{"name":"n","generation":1,"resourceSliceCount":1},"devices":[{"name":"gpu-0","attributes":
              {"uuid":{"string":"GPU-1"},"index":{"int":0},"simulated":{"bool":true}},"capacity":{"memory":{"value":"80Gi"}}}]}})"),
              IsEmpty());
  EXPECT_THAT(wrong("authorization.k8s.io", "SelfSubjectAccessReview",
                    R"({"spec":{"resourceAttributes":{"verb":"get","resource":"pods"}}})"),
              IsEmpty());
}

TEST_F(ValidateTest, TheFactorysOwnKinds) {
  auto tenant = [&](const std::string& name, const std::string& spec) {
    return wrong(kFactory, "Tenant", R"({"metadata":{"name":")" + name + R"("},"spec":{)" + spec + "}}");
  };
  EXPECT_THAT(wrong(kFactory, "Tenant", R"({"metadata":{"name":"vision"}})"), IsEmpty());
  EXPECT_THAT(tenant("vision", R"("gpus":{"guarantee":2,"limit":null},"weight":3)"), IsEmpty());
  EXPECT_THAT(
      tenant("vision", R"("gpus":{"guarantee":3,"limit":2})"),
      ElementsAre("spec.gpus.guarantee: Invalid value: 3: must be less than or equal to the limit of 2"));
  EXPECT_THAT(tenant("vision", R"("weight":0,"gpus":{"guarantee":-1})"), testing::SizeIs(2));
  EXPECT_THAT(tenant("root", ""),
              ElementsAre("metadata.name: Invalid value: \"root\": is reserved for the factory itself"));
  EXPECT_THAT(tenant("shared", ""), testing::SizeIs(1));
  EXPECT_THAT(tenant("a.b", ""), testing::SizeIs(1));
  EXPECT_THAT(tenant(std::string(41, 'a'), ""), testing::SizeIs(1));
  EXPECT_THAT(
      wrong(
          kFactory, "PriceList",
          R"({"metadata":{"name":"default"},"spec":{"gpuHour":{"default":"2.00"},"cpuHour":"0.04","memoryGiBHour":"0.005"}})"),
      IsEmpty());
  EXPECT_THAT(wrong(kFactory, "PriceList",
                    R"({"metadata":{"name":"other"},"spec":{"gpuHour":{"H100":"-1"},"currency":"euro"}})"),
              testing::SizeIs(3));
  EXPECT_THAT(wrong(kFactory, "Image",
                    R"({"metadata":{"name":"shared.0"},"spec":{"reference":"a:1","digest":"sha256:xyz"}})"),
              testing::SizeIs(1));
  const std::string open =
      R"({"metadata":{"name":"uid"},"spec":{"tenant":"t","cluster":"c","namespace":"n","pod":"p","node":"m",
      "from":"2026-01-01T00:00:00Z","devices":[{"uuid":"GPU-1","model":"H100"}]},"status":{"phase":")";
  EXPECT_THAT(wrong(kFactory, "Allocation", open + "Released\"}}", open + "Open\"}}"), IsEmpty());
  EXPECT_THAT(wrong(kFactory, "Allocation", open + "Open\"}}", open + "Released\"}}"), testing::SizeIs(1));
}

TEST_F(ValidateTest, ManyFaultsAreBounded) {
  std::string labels;
  for (int i = 0; i < 5000; ++i)
    labels += (i ? ",\"" : "\"") + std::string("bad key ") + std::to_string(i) + "\":\"\"";
  EXPECT_LE(wrong("", "ConfigMap", R"({"metadata":{"name":"a","labels":{)" + labels + "}}}").size(), 100u);
}

}  // namespace
}  // namespace ingot::api
