#include "api/decode.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ingot::api {
namespace {

class DecodeTest : public testing::Test {
 protected:
  const Resource& of(std::string_view group, std::string_view kind) {
    const Resource* found =
        registry->find_kind(group, group == "factory.ingot.dev" ? "v1alpha1" : "v1", kind);
    EXPECT_NE(found, nullptr) << kind;
    return *found;
  }
  Result<Decoded> json(const Resource& r, std::string_view body,
                       FieldValidation mode = FieldValidation::Warn) {
    return decode(*registry, r, "application/json", body, mode);
  }
  Result<Decoded> yaml(const Resource& r, std::string_view body) {
    return decode(*registry, r, "application/yaml", body, FieldValidation::Warn);
  }
  std::string refused(const Resource& r, std::string_view body,
                      FieldValidation mode = FieldValidation::Warn) {
    Result<Decoded> result = json(r, body, mode);
    if (result) return "accepted";
    EXPECT_EQ(result.error().reason, Reason::BadRequest);
    return result.error().message;
  }

  std::shared_ptr<const Registry> registry = Registry::builtin();
  const Resource& pods = of("", "Pod");
  const Resource& maps = of("", "ConfigMap");
};

TEST_F(DecodeTest, TheRegistryKnowsWhatTheFactoryServes) {
  EXPECT_EQ(registry->find("", "v1", "pods"), &pods);
  EXPECT_EQ(registry->find_key("jobs.batch"), registry->find("batch", "v1", "jobs"));
  EXPECT_EQ(registry->find_key("nonsense"), nullptr);
  const Resource& tenant = of("factory.ingot.dev", "Tenant");
  EXPECT_TRUE(tenant.root_only);
  EXPECT_FALSE(tenant.namespaced);
  EXPECT_EQ(pods.api_version(), "v1");
  EXPECT_TRUE(pods.namespaced);
  const Schema* container = registry->schema("io.k8s.api.core.v1.Container");
  ASSERT_NE(container, nullptr);
  const Field* ports = container->find("ports");
  ASSERT_NE(ports, nullptr);
  EXPECT_EQ(ports->patch_merge_key, "containerPort");
  EXPECT_EQ(ports->list_map_keys, (std::vector<std::string>{"containerPort", "protocol"}));
  EXPECT_EQ(ports->tag, 6u);
  for (const Resource& r : registry->resources())
    EXPECT_FALSE(r.columns.empty() && r.verbs.size() > 1) << r.kind;
}

TEST_F(DecodeTest, FillsInTypeAndKeepsKnownFields) {
  Result<Decoded> got = json(maps, R"({"metadata":{"name":"a"},"data":{"k":"v"}})");
  ASSERT_TRUE(got);
  EXPECT_EQ(to_text(got->object),
            R"({"metadata":{"name":"a"},"data":{"k":"v"},"apiVersion":"v1","kind":"ConfigMap"})");
  EXPECT_TRUE(got->warnings.empty());
}

TEST_F(DecodeTest, UnknownFieldsArePrunedWarnedAboutOrRefused) {
  const char* body = R"({"spec":{"containers":[{"name":"c","foo":1}],"Bar":{}}})";
  Result<Decoded> got = json(pods, body);
  ASSERT_TRUE(got);
  EXPECT_EQ(got->warnings, (std::vector<std::string>{R"(unknown field "spec.containers[0].foo")",
                                                     R"(unknown field "spec.Bar")"}));
  EXPECT_EQ(find(got->object, {"spec", "Bar"}), nullptr);
  got = json(pods, body, FieldValidation::Ignore);
  ASSERT_TRUE(got);
  EXPECT_TRUE(got->warnings.empty());
  EXPECT_EQ(refused(pods, body, FieldValidation::Strict),
            R"(Pod in version "v1" cannot be handled as a Pod: strict decoding error: )"
            R"(unknown field "spec.containers[0].foo", unknown field "spec.Bar")");
}

TEST_F(DecodeTest, DuplicateFieldsKeepTheLastAndAreSaid) {
  const char* body = R"({"data":{"a":"1","a":"2"},"data":{"b":"3","b":"4","a":"5"}})";
  Result<Decoded> got = json(maps, body);
  ASSERT_TRUE(got);
  EXPECT_EQ(string_at(got->object, {"data", "b"}), "4");
  EXPECT_EQ(got->warnings,
            (std::vector<std::string>{R"(duplicate field "data.a")", R"(duplicate field "data")",
                                      R"(duplicate field "data.b")"}));
  EXPECT_NE(refused(maps, body, FieldValidation::Strict).find(R"(duplicate field "data")"),
            std::string::npos);
  got = json(pods, R"({"spec":{"containers":[{"name":"a"},{"name":"b","name":"c"}]}})");
  ASSERT_TRUE(got);
  EXPECT_EQ(got->warnings, (std::vector<std::string>{R"(duplicate field "spec.containers[1].name")"}));
}

TEST_F(DecodeTest, WrongTypesNameTheField) {
  const std::string head = R"(Pod in version "v1" cannot be handled as a Pod: )";
  EXPECT_EQ(refused(pods, R"({"spec":{"activeDeadlineSeconds":"x"}})"),
            head +
                "json: cannot unmarshal string into Go struct field PodSpec.spec.activeDeadlineSeconds of "
                "type int64");
  EXPECT_EQ(refused(pods, R"({"spec":{"containers":{}}})"),
            head +
                "json: cannot unmarshal object into Go struct field PodSpec.spec.containers of type "
                "[]v1.Container");
  EXPECT_EQ(
      refused(pods, R"({"spec":{"containers":[{"tty":1}]}})"),
      head +
          "json: cannot unmarshal number 1 into Go struct field Container.spec.containers.tty of type bool");
  EXPECT_NE(refused(pods, R"({"spec":{"priority":3000000000}})").find("of type int32"), std::string::npos);
  EXPECT_NE(refused(pods, R"({"spec":{"priority":1.0}})").find("of type int32"), std::string::npos);
  EXPECT_NE(refused(pods, R"({"spec":{"activeDeadlineSeconds":99999999999999999999}})").find("of type int64"),
            std::string::npos);
  EXPECT_NE(refused(pods, R"({"spec":{"nodeSelector":{"a":1}}})")
                .find("PodSpec.spec.nodeSelector.a of type string"),
            std::string::npos);
  EXPECT_NE(
      refused(pods, R"({"metadata":{"creationTimestamp":"yesterday"}})").find("metadata.creationTimestamp"),
      std::string::npos);
  EXPECT_NE(refused(of("", "Secret"), R"({"data":{"k":"%%"}})").find("data.k: illegal base64"),
            std::string::npos);
  EXPECT_NE(refused(pods, R"({"spec":{"overhead":{"cpu":"lots"}}})").find("quantities must match"),
            std::string::npos);
  EXPECT_EQ(refused(pods, "[]"), head + "json: cannot unmarshal array into Go value of type v1.Pod");
}

TEST_F(DecodeTest, NullIsAbsent) {
  Result<Decoded> got = json(
      pods,
      R"({"metadata":{"creationTimestamp":null},"spec":{"containers":[null],"nodeSelector":{"a":null}}})");
  ASSERT_TRUE(got);
  EXPECT_EQ(find(got->object, {"metadata", "creationTimestamp"}), nullptr);
  EXPECT_EQ(to_text(*find(got->object, {"spec"})), R"({"containers":[{}],"nodeSelector":{"a":""}})");
}

TEST_F(DecodeTest, AnotherTypeIsRefused) {
  EXPECT_EQ(refused(pods, R"({"apiVersion":"v2"})"),
            "the API version in the data (v2) does not match the expected API version (v1)");
  EXPECT_NE(refused(pods, R"({"apiVersion":"v1","kind":"Secret"})").find("cannot be handled as a Pod"),
            std::string::npos);
  EXPECT_NE(refused(pods, R"({"kind":7})"), "accepted");
}

TEST_F(DecodeTest, HostileBytesAreBadRequests) {
  for (const std::string& body :
       {std::string(), std::string("{"), std::string("{}{}"), std::string("{\"a\":NaN}"), std::string("nul"),
        std::string("{\"metadata\":{\"name\":\"\xff\"}}"), "{\"a\":" + std::string(100, '['),
        std::string(1 << 20, '['), std::string("{\"metadata\":{\"name\":\"\\ud800\"}}"),
        std::string("{\"a\":1}\0x", 9)})
    EXPECT_NE(refused(pods, body), "accepted") << body.substr(0, 40);
  EXPECT_NE(refused(maps, R"({"metadata":{"managedFields":[{"fieldsV1":{"a":1e999}}]}})"), "accepted");
}

TEST_F(DecodeTest, ManyUnknownFieldsAreCheapAndFewAreSaid) {
  std::string body = "{";
  for (int i = 0; i < 200'000; ++i) body += "\"u" + std::to_string(i) + "\":0,";
  body += R"("data":{"k":"v"}})";
  Result<Decoded> got = json(maps, body);
  ASSERT_TRUE(got);
  EXPECT_EQ(got->warnings.size(), 100u);
  EXPECT_EQ(to_text(got->object), R"({"data":{"k":"v"},"apiVersion":"v1","kind":"ConfigMap"})");
  got = json(maps, "{\"" + std::string(100'000, 'x') + "\":1}");
  ASSERT_TRUE(got);
  EXPECT_LT(got->warnings.at(0).size(), 600u);
}

TEST_F(DecodeTest, UnsupportedMediaTypes) {
  Result<Decoded> got = decode(*registry, pods, "application/cbor", "", FieldValidation::Warn);
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().reason, Reason::UnsupportedMediaType);
  EXPECT_TRUE(decode(*registry, pods, "application/json; charset=utf-8", "{}", FieldValidation::Warn));
  EXPECT_TRUE(decode(*registry, pods, "", "{}", FieldValidation::Warn));
}

TEST_F(DecodeTest, YamlReadsAsUpstreamsJson) {
  Result<Decoded> got = yaml(maps, R"(
metadata:
  name: a
data:
  quoted: "yes"
  plain: text
  block: |
    two
    lines
  number: '12'
immutable: yes
)");
  ASSERT_TRUE(got) << got.error().message;
  EXPECT_EQ(string_at(got->object, {"data", "quoted"}), "yes");
  EXPECT_EQ(string_at(got->object, {"data", "block"}), "two\nlines\n");
  EXPECT_TRUE(bool_at(got->object, {"immutable"}));
  Result<Decoded> wrong = yaml(maps, "data: {a: 1}");
  ASSERT_FALSE(wrong);
  EXPECT_NE(wrong.error().message.find("cannot unmarshal number 1"), std::string::npos);
  got = yaml(pods,
             "spec: {priority: 0x10, activeDeadlineSeconds: 010, containers: [{name: a}], tolerations: "
             "[{tolerationSeconds: -3}]}");
  ASSERT_TRUE(got);
  EXPECT_EQ(int_at(got->object, {"spec", "priority"}), 16);
  EXPECT_EQ(int_at(got->object, {"spec", "activeDeadlineSeconds"}), 8);
  got = yaml(maps, "data: {a: x, a: y}");
  ASSERT_TRUE(got);
  EXPECT_EQ(got->warnings, (std::vector<std::string>{R"(duplicate field "data.a")"}));
}

TEST_F(DecodeTest, YamlAliasesAreCopiedButNeverWithoutBound) {
  Result<Decoded> got = yaml(maps, "metadata: {labels: &l {a: b}, annotations: *l}");
  ASSERT_TRUE(got);
  EXPECT_EQ(string_at(got->object, {"metadata", "annotations", "a"}), "b");
  std::string laughs = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n";
  for (int i = 1; i < 9; ++i) {
    const std::string below = "*a" + std::to_string(i - 1);
    laughs += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [";
    for (int k = 0; k < 10; ++k) laughs += (k ? "," : "") + below;
    laughs += "]\n";
  }
  EXPECT_FALSE(yaml(maps, laughs));
  EXPECT_FALSE(yaml(maps, "a: &a [*a]"));
  EXPECT_FALSE(yaml(maps, std::string(10'000, '[')));
  std::string deep;
  for (int i = 0; i < 200; ++i) deep += std::string(size_t(i), ' ') + "a:\n";
  EXPECT_FALSE(yaml(maps, deep));
  EXPECT_FALSE(yaml(maps, std::string_view("data: {a: \0b}", 13)));
  EXPECT_FALSE(yaml(maps, "data: {a: \x01}"));
  for (const char* bad :
       {"a: [", "a: .nan", "a: 1e999", "- !custom x", "a: \xff", "{}\n---\n{}", "? [a]\n: b", "*x"})
    EXPECT_FALSE(yaml(maps, bad)) << bad;
}

TEST_F(DecodeTest, PodDefaultsAreUpstreams) {
  Json pod = json(pods, R"({"metadata":{"name":"p"},"spec":{
      "containers":[{"name":"c","image":"a:latest","ports":[{"containerPort":80}],
        "resources":{"limits":{"cpu":"1"}},"livenessProbe":{"httpGet":{"port":80},"timeoutSeconds":0}}],
      "volumes":[{"name":"v"},{"name":"s","secret":{"secretName":"x"}}]}})")
                 ->object;
  apply_defaults(pods, pod);
  const Json& c = array_at(pod, {"spec", "containers"})[0];
  EXPECT_EQ(string_at(c, {"imagePullPolicy"}), "Always");
  EXPECT_EQ(string_at(c, {"terminationMessagePath"}), "/dev/termination-log");
  EXPECT_EQ(string_at(array_at(c, {"ports"})[0], {"protocol"}), "TCP");
  EXPECT_EQ(string_at(c, {"resources", "requests", "cpu"}), "1");
  EXPECT_EQ(int_at(c, {"livenessProbe", "timeoutSeconds"}), 1);
  EXPECT_EQ(int_at(c, {"livenessProbe", "failureThreshold"}), 3);
  EXPECT_EQ(string_at(c, {"livenessProbe", "httpGet", "scheme"}), "HTTP");
  EXPECT_EQ(string_at(pod, {"spec", "restartPolicy"}), "Always");
  EXPECT_EQ(int_at(pod, {"spec", "terminationGracePeriodSeconds"}), 30);
  EXPECT_NE(find(pod, {"spec", "securityContext"}), nullptr);
  EXPECT_TRUE(bool_at(pod, {"spec", "enableServiceLinks"}));
  EXPECT_NE(find(array_at(pod, {"spec", "volumes"})[0], {"emptyDir"}), nullptr);
  EXPECT_EQ(int_at(array_at(pod, {"spec", "volumes"})[1], {"secret", "defaultMode"}), 0644);
}

TEST_F(DecodeTest, PullPolicyFollowsTheTag) {
  for (auto [image, policy] : {std::pair{"a", "Always"},
                               {"a:latest", "Always"},
                               {"a:1", "IfNotPresent"},
                               {"host:5000/a", "Always"},
                               {"host:5000/a:2", "IfNotPresent"},
                               {"a@sha256:0", "IfNotPresent"}}) {
    Json pod = {{"spec", {{"containers", {{{"name", "c"}, {"image", image}}}}}}};
    apply_defaults(pods, pod);
    EXPECT_EQ(string_at(array_at(pod, {"spec", "containers"})[0], {"imagePullPolicy"}), policy) << image;
  }
}

TEST_F(DecodeTest, JobAndOtherDefaults) {
  const Resource& jobs = of("batch", "Job");
  Json job = {
      {"spec",
       {{"template", {{"metadata", {{"labels", {{"a", "b"}}}}}, {"spec", {{"containers", JsonArray()}}}}}}}};
  apply_defaults(jobs, job);
  EXPECT_EQ(int_at(job, {"spec", "completions"}), 1);
  EXPECT_EQ(int_at(job, {"spec", "parallelism"}), 1);
  EXPECT_EQ(int_at(job, {"spec", "backoffLimit"}), 6);
  EXPECT_EQ(string_at(job, {"spec", "completionMode"}), "NonIndexed");
  EXPECT_EQ(string_at(job, {"metadata", "labels", "a"}), "b");
  EXPECT_EQ(string_at(job, {"spec", "podReplacementPolicy"}), "TerminatingOrFailed");
  EXPECT_EQ(find(job, {"spec", "template", "spec", "enableServiceLinks"}), nullptr);
  Json work_queue = {{"spec", {{"parallelism", 3}, {"template", JsonObject()}}}};
  apply_defaults(jobs, work_queue);
  EXPECT_EQ(find(work_queue, {"spec", "completions"}), nullptr);

  Json tenant = {{"metadata", {{"name", "vision"}}}};
  apply_defaults(of("factory.ingot.dev", "Tenant"), tenant);
  EXPECT_EQ(to_text(*find(tenant, {"spec"})), R"({"gpus":{"guarantee":0},"weight":1})");
  Json ns = {{"metadata", {{"name", "x"}}}};
  apply_defaults(of("", "Namespace"), ns);
  EXPECT_EQ(string_at(ns, {"metadata", "labels", "kubernetes.io/metadata.name"}), "x");
  EXPECT_EQ(string_at(ns, {"status", "phase"}), "Active");
  Json binding = {{"roleRef", {{"kind", "Role"}, {"name", "r"}}},
                  {"subjects", {{{"kind", "User"}, {"name", "u"}}}}};
  apply_defaults(of("rbac.authorization.k8s.io", "RoleBinding"), binding);
  EXPECT_EQ(string_at(binding, {"roleRef", "apiGroup"}), "rbac.authorization.k8s.io");
  EXPECT_EQ(string_at(array_at(binding, {"subjects"})[0], {"apiGroup"}), "rbac.authorization.k8s.io");
}

// A message field, and what surrounds a whole one.
std::string part(int tag, std::string_view bytes) {
  return std::string{char(tag << 3 | 2), char(bytes.size())} + std::string(bytes);
}
std::string number(int tag, char value) { return {char(tag << 3), value}; }
std::string protobuf(std::string_view version, std::string_view kind, std::string_view raw) {
  return std::string("k8s\0", 4) + part(1, part(1, version) + part(2, kind)) + part(2, raw);
}

class ProtobufTest : public DecodeTest {
 protected:
  Result<Decoded> decoded(const Resource& r, std::string_view bytes) {
    return decode(*registry, r, "application/vnd.kubernetes.protobuf", bytes, FieldValidation::Strict);
  }
};

TEST_F(ProtobufTest, ReadsWhatGoClientsSend) {
  // kubectl 1.32: create configmap two --from-literal=k=v
  const std::string bytes(
      "k8s\0\n\x0f\n\x02v1\x12\tConfigMap\x12\x1d\n\x13\n\x03two\x12\0\x1a\0\"\0*\0002\0008\0B\0"
      "\x12\x06\n\x01k\x12\x01v\x1a\0\"\0",
      52);
  auto result = decoded(maps, bytes);
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(to_text(result->object),
            R"({"metadata":{"name":"two"},"data":{"k":"v"},"apiVersion":"v1","kind":"ConfigMap"})");
}

TEST_F(ProtobufTest, KnowsEmbeddedStructsPointersAndScalarTypes) {
  const std::string volume =
      part(1, "v") + part(2, part(2, part(1, "")));                 // volumeSource.emptyDir.medium = ""
  const std::string port = part(2, number(2, 80));                  // httpGet.port = 80
  const std::string probe = part(1, part(2, port)) + number(2, 0);  // handler.httpGet; initialDelaySeconds
  const std::string limits = part(1, part(1, "cpu") + part(2, part(1, "2")));
  const std::string container = part(1, "c") + part(2, "i") + part(8, limits) + part(10, probe);
  const std::string spec = part(1, volume) + part(2, container) + number(4, 0) + number(11, 0);
  const std::string meta = part(1, "p") + part(8, number(1, 60)) + number(7, 0);
  auto result = decoded(pods, protobuf("v1", "Pod", part(1, meta) + part(2, spec) + part(3, "")));
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(to_text(result->object),
            R"({"metadata":{"name":"p","creationTimestamp":"1970-01-01T00:01:00Z"},)"
            R"("spec":{"volumes":[{"name":"v","emptyDir":{}}],)"
            R"("containers":[{"name":"c","image":"i","resources":{"limits":{"cpu":"2"}},)"
            R"("livenessProbe":{"httpGet":{"port":80}}}],)"
            R"("terminationGracePeriodSeconds":0},"status":{},"apiVersion":"v1","kind":"Pod"})");
}

TEST_F(ProtobufTest, RefusesWhatIsNoMessage) {
  const std::string good = protobuf("v1", "ConfigMap", part(1, part(1, "a")));
  for (size_t size = 0; size < good.size(); ++size) {
    auto result = decoded(maps, good.substr(0, size));
    if (!result) EXPECT_EQ(result.error().reason, Reason::BadRequest) << size;
  }
  const auto why = [&](std::string_view bytes) {
    auto result = decoded(maps, bytes);
    return result ? "accepted" : result.error().message;
  };
  EXPECT_THAT(why("{}"), testing::HasSubstr("does not begin with the bytes of that format"));
  EXPECT_THAT(why(protobuf("v1", "Nothing", "")),
              testing::HasSubstr("no kind \"Nothing\" of version \"v1\""));
  EXPECT_THAT(why(protobuf("v1", "ConfigMap", part(1, part(1, "\xff")))), testing::HasSubstr("not UTF-8"));
  EXPECT_THAT(why(protobuf("v1", "ConfigMap", number(1, 1))),
              testing::HasSubstr("\"metadata\" is of another type"));
  EXPECT_THAT(why(protobuf("v1", "Pod", "")), testing::HasSubstr("Pod"));
  EXPECT_THAT(why(protobuf("v1", "ConfigMap", part(1, part(8, number(1, 1) + number(2, char(0x80)))))),
              testing::HasSubstr("ends within a number"));
}

TEST_F(ProtobufTest, ReadsOptionsOfAnyGroup) {
  auto options = parse_body(*registry, "application/vnd.kubernetes.protobuf",
                            protobuf("batch/v1", "DeleteOptions", number(1, 0) + part(4, "Orphan")));
  ASSERT_TRUE(options);
  EXPECT_EQ(int_at(*options, {"gracePeriodSeconds"}), 0);
  EXPECT_EQ(string_at(*options, {"propagationPolicy"}), "Orphan");
  auto request = parse_body(*registry, "application/vnd.kubernetes.protobuf",
                            protobuf("authentication.k8s.io/v1", "TokenRequest", part(2, number(4, 99))));
  ASSERT_TRUE(request);
  EXPECT_EQ(int_at(*request, {"spec", "expirationSeconds"}), 99);
}

}  // namespace
}  // namespace ingot::api
