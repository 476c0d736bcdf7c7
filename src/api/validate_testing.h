// Objects as the API server hands them to validate(), and what it says of them. For tests.
#pragma once

#include <gmock/gmock.h>

#include "api/decode.h"

namespace ingot::api {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

inline constexpr const char *kRbac = "rbac.authorization.k8s.io", *kFactory = "factory.ingot.dev",
                            *kGroups = "scheduling.x-k8s.io";

class ValidateTest : public testing::Test {
 protected:
  const Resource& of(std::string_view group, std::string_view kind) {
    const bool alpha = group == kFactory || group == kGroups;
    const Resource* found = registry->find_kind(group, alpha ? "v1alpha1" : "v1", kind);
    EXPECT_NE(found, nullptr) << kind;
    return *found;
  }
  // As the API server would: decoded and defaulted.
  Json made(const Resource& resource, std::string_view body) {
    Result<Decoded> decoded = decode(*registry, resource, "", body, FieldValidation::Strict);
    EXPECT_TRUE(decoded) << decoded.error().message << "\n" << body;
    if (!decoded) return Json();
    apply_defaults(resource, decoded->object);
    return decoded->object;
  }
  // "field: message" of every cause.
  std::vector<std::string> wrong(std::string_view group, std::string_view kind, std::string_view body,
                                 std::string_view before = {}) {
    const Resource& resource = of(group, kind);
    const Json object = made(resource, body), old = before.empty() ? Json() : made(resource, before);
    Result<void> result = validate(resource, object, before.empty() ? nullptr : &old);
    std::vector<std::string> out;
    if (result) return out;
    EXPECT_EQ(result.error().reason, Reason::Invalid);
    for (const Cause& cause : result.error().causes) out.push_back(cause.field + ": " + cause.message);
    return out;
  }
  static std::string pod(std::string_view spec) {
    return R"({"metadata":{"name":"p"},"spec":{)" + std::string(spec) + "}}";
  }
  static std::string with(std::string_view container) {
    return pod(R"("containers":[{"name":"c","image":"i:1",)" + std::string(container) + "}]");
  }
  static std::string job(std::string_view spec, std::string_view restart = "Never") {
    return R"({"metadata":{"name":"j"},"spec":{)" + std::string(spec) + (spec.empty() ? "" : ",") +
           R"("template":{"spec":{"restartPolicy":")" + std::string(restart) +
           R"(","containers":[{"name":"c","image":"i:1"}]}}}})";
  }
  std::shared_ptr<const Registry> registry = Registry::builtin();
};

}  // namespace ingot::api
