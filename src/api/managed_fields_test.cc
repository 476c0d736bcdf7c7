#include "api/managed_fields.h"

#include <gtest/gtest.h>

namespace ingot::api {
namespace {

class ManagedFields : public testing::Test {
 protected:
  const Schema& of(std::string_view plural) { return *registry->find("", "v1", plural)->schema; }
  // The state after a write, and the FieldsV1 of each manager in it.
  Json write(std::string_view plural, const Json* before, std::string_view text, std::string_view manager,
             int second = 0) {
    Json object = *parse_json(text);
    object.get_object()["apiVersion"] = "v1";
    record_fields(of(plural), before, object,
                  {.manager = manager, .at = WallTime(std::chrono::seconds(1'700'000'000 + second))});
    return object;
  }
  std::string owned(const Json& object, std::string_view manager) {
    for (const Json& entry : array_at(object, {"metadata", "managedFields"}))
      if (string_at(entry, {"manager"}) == manager) return to_text(*find(entry, {"fieldsV1"}));
    return "nothing";
  }
  std::shared_ptr<const Registry> registry = Registry::builtin();
};

TEST_F(ManagedFields, ACreateOwnsWhatItWrote) {
  const Json map = write("configmaps", nullptr,
                         R"({"metadata":{"name":"a","labels":{"l":"1"}},"data":{"k":"v"}})", "kubectl");
  EXPECT_EQ(
      to_text(array_at(map, {"metadata", "managedFields"})[0]),
      R"({"manager":"kubectl","operation":"Update","apiVersion":"v1","time":"2023-11-14T22:13:20Z","fieldsType":"FieldsV1",)"
      R"("fieldsV1":{"f:metadata":{"f:labels":{".":{},"f:l":{}}},"f:data":{".":{},"f:k":{}}}})");
}

TEST_F(ManagedFields, KeyedListsSetsAtomsAndEmptyStructs) {
  const Json pod =
      write("pods", nullptr, R"({"metadata":{"name":"p","finalizers":["x"]},"spec":{"nodeSelector":{"a":"b"},
      "containers":[{"name":"c","image":"i","resources":{},"ports":[{"containerPort":80,"protocol":"TCP"}],"args":["1"]}]}})",
            "m");
  EXPECT_EQ(
      owned(pod, "m"),
      R"({"f:metadata":{"f:finalizers":{"v:\"x\"":{}}},"f:spec":{"f:nodeSelector":{},"f:containers":{"k:{\"name\":\"c\"}":{".":{},)"
      R"("f:name":{},"f:image":{},"f:resources":{},"f:ports":{"k:{\"containerPort\":80,\"protocol\":\"TCP\"}":)"
      R"({".":{},"f:containerPort":{},"f:protocol":{}}},"f:args":{}}}}})");
}

TEST_F(ManagedFields, AnUpdateTakesChangedFieldsFromOthers) {
  const Json first =
      write("configmaps", nullptr, R"({"metadata":{"name":"a"},"data":{"k":"v","l":"w"}})", "one");
  const Json second =
      write("configmaps", &first, R"({"metadata":{"name":"a"},"data":{"k":"x","l":"w","m":"n"}})", "two", 1);
  EXPECT_EQ(owned(second, "one"), R"({"f:data":{".":{},"f:l":{}}})");
  EXPECT_EQ(owned(second, "two"), R"({"f:data":{"f:k":{},"f:m":{}}})");
  const Json third = write("configmaps", &second, R"({"metadata":{"name":"a"},"data":{"k":"x"}})", "one", 2);
  EXPECT_EQ(owned(third, "one"), R"({"f:data":{".":{}}})");
  EXPECT_EQ(owned(third, "two"), R"({"f:data":{"f:k":{}}})");
  const Json fourth = write("configmaps", &third, R"({"metadata":{"name":"a"}})", "two", 3);
  EXPECT_EQ(find(fourth, {"metadata", "managedFields"}), nullptr);
}

TEST_F(ManagedFields, NothingChangedNothingRecorded) {
  const Json first = write("configmaps", nullptr, R"({"metadata":{"name":"a"},"data":{"k":"v"}})", "one");
  const Json again = write("configmaps", &first,
                           R"({"metadata":{"name":"a","managedFields":[]},"data":{"k":"v"}})", "two", 9);
  EXPECT_EQ(array_at(again, {"metadata", "managedFields"}), array_at(first, {"metadata", "managedFields"}));
}

TEST_F(ManagedFields, ManyManagersBecomeAncient) {
  Json now = write("configmaps", nullptr, R"({"metadata":{"name":"a"},"data":{}})", "m0");
  std::string data;
  for (int i = 1; i <= 15; ++i) {
    data += (data.empty() ? "\"k" : ",\"k") + std::to_string(i) + "\":\"v\"";
    now = write("configmaps", &now, R"({"metadata":{"name":"a"},"data":{)" + data + "}}",
                "m" + std::to_string(i), i);
  }
  EXPECT_EQ(array_at(now, {"metadata", "managedFields"}).size(), 10u);
  EXPECT_NE(owned(now, "ancient-changes").find("f:k3"), std::string::npos);
  EXPECT_EQ(owned(now, "m15"), R"({"f:data":{"f:k15":{}}})");
}

TEST_F(ManagedFields, ManagersComeFromTheUserAgent) {
  EXPECT_EQ(field_manager_of("kubectl/v1.32.4 (linux/amd64)"), "kubectl");
  EXPECT_EQ(field_manager_of(""), "unknown");
}

}  // namespace
}  // namespace ingot::api
