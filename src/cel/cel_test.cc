#include <gmock/gmock.h>

#include "cel/parser.h"
#include "cel/program.h"

namespace ingot::cel {
namespace {

Value board() {
  const auto json = api::parse_json(R"({"name":"gpu-0","attributes":{
    "type":{"string":"gpu"},"model":{"string":"H100-80GB"},"productName":{"string":"NVIDIA H100 80GB HBM3"},
    "index":{"int":3},"simulated":{"bool":true},"cudaComputeCapability":{"version":"9.0.0"},
    "other.example/rack":{"string":"r1"},"odd":{"float":1}},
    "capacity":{"memory":{"value":"81559Mi"}}})");
  return device_value("gpu.nvidia.com", *json);
}

// "true", "false", or the error of either stage.
std::string ask(std::string_view text) {
  const auto program = Program::compile(text);
  if (!program) return program.error();
  int64_t steps = 100'000;
  const auto verdict = program->matches(board(), steps);
  return !verdict ? verdict.error() : *verdict ? "true" : "false";
}
std::string of(std::string_view part) { return "device.attributes['gpu.nvidia.com']." + std::string(part); }

TEST(Cel, WhatUsersWriteAboutDevices) {
  for (const std::string& text : {
           std::string(R"(device.driver == "gpu.nvidia.com")"),
           of("type == 'gpu'"),
           of("productName == 'NVIDIA H100 80GB HBM3'"),
           of("productName.lowerAscii().matches('^.*h100.*$')"),
           of("model.startsWith('H100') && ") + of("model.endsWith('GB') && !") +
               of("model.contains('A100')"),
           of("model in ['A100-80GB', \"H100-80GB\"]"),
           of("index + 1 == 4"),
           of("simulated"),
           std::string("device.capacity['gpu.nvidia.com'].memory.compareTo(quantity('40Gi')) >= 0"),
           std::string("device.capacity['gpu.nvidia.com'].memory.isGreaterThan(quantity('79Gi'))"),
           std::string(
               "'gpu.nvidia.com' in device.attributes && !('x' in device.attributes['nobody.example'])"),
           std::string(
               "has(device.attributes['gpu.nvidia.com'].model) && !has(device.attributes['a.b'].model)"),
           std::string("device.attributes['other.example'].rack == 'r1'"),
           of("cudaComputeCapability.compareTo(semver('8.9.0')) > 0"),
           std::string("cel.bind(a, device.attributes['gpu.nvidia.com'], a.type == 'gpu' && a.index < 4)"),
           std::string("['H100', 'H200'].exists(m, device.attributes['gpu.nvidia.com'].model.startsWith(m))"),
           std::string("device.attributes['gpu.nvidia.com'].all(name, name != 'uuid')"),
           std::string("device.allowMultipleAllocations ? false : true"),
       })
    EXPECT_EQ(ask(text), "true") << text;
}

TEST(Cel, NumbersTextsAndLists) {
  for (const std::string_view text : {"1 + 2 * 3 == 7",
                                      "7 / 2 == 3 && 7 % 2 == 1",
                                      "-7 / 2 == -3",
                                      "1.5 + 1.5 == 3",
                                      "2 < 2.5 && 2.5 < 3",
                                      "1 == 1.0",
                                      "1e3 == 1000.0",
                                      "0x10 == 16",
                                      "'a' < 'b'",
                                      "'a' + 'b' == 'ab'",
                                      "r'\\d' == '\\\\d'",
                                      "'\\u00e9'.size() == 1",
                                      "size([1, 2]) == 2",
                                      "[1, 2][1] == 2",
                                      "[1] + [2] == [1, 2]",
                                      "2 in [1, 2]",
                                      "null == null",
                                      "!false",
                                      "!!true",
                                      "--1 == 1",
                                      "'10' != string(11)",
                                      "int('10') == 10",
                                      "double(3) == 3.0",
                                      "true ? true : 1 / 0 == 1",
                                      "quantity('1Gi').sub(1024).isInteger()",
                                      "semver('1.2.3-rc.1').isLessThan(semver('1.2.3'))",
                                      "true // as is said\n&& true"})
    EXPECT_EQ(ask(text), "true") << text;
}

TEST(Cel, WhatDecidesWinsOverWhatFails) {
  EXPECT_EQ(ask(of("nothing == 'x'")), "no such key: nothing");
  EXPECT_EQ(ask(of("nothing == 'x' && false")), "false");
  EXPECT_EQ(ask("false && " + of("nothing == 'x'")), "false");
  EXPECT_EQ(ask(of("nothing == 'x' || true")), "true");
  EXPECT_EQ(ask(of("nothing == 'x' && true")), "no such key: nothing");
  EXPECT_EQ(ask(of("odd == 1")), "no such key: odd") << "an attribute of no type there is";
  EXPECT_EQ(ask("1 / 0 == 1"), "division by zero");
  EXPECT_EQ(ask("9223372036854775807 + 1 == 0"), "integer overflow");
  EXPECT_EQ(ask(of("model.startsWith(1 == 1 ? device.attributes['gpu.nvidia.com'].index : 'H')")),
            "no such overload");
  EXPECT_EQ(ask(of("model")), "must evaluate to bool");
}

TEST(Cel, RefusesWhatCannotMeanAnything) {
  const std::pair<std::string_view, std::string_view> kCases[] = {
      {"foo == 1", "compilation failed: ERROR: <input>:1:1: undeclared reference to 'foo' (in container '')"},
      {"device.driver.shout()",
       "compilation failed: ERROR: <input>:1:14: undeclared reference to 'shout' (in container '')"},
      {"device.drivr == ''", "compilation failed: ERROR: <input>:1:7: undefined field 'drivr'"},
      {"device.driver == 1",
       "compilation failed: ERROR: <input>:1:15: found no matching overload for '_==_' applied to '(string, "
       "int)'"},
      {"true &&\n  device.driver",
       "compilation failed: ERROR: <input>:2:9: expected type 'bool' but found 'string' in '_&&_'"},
      {"device.driver.startsWith(1)",
       "compilation failed: ERROR: <input>:1:14: found no matching overload for 'startsWith' applied to "
       "'string.(int)'"},
      {"device.driver.matches('(')",
       "compilation failed: ERROR: <input>:1:23: invalid matches argument: missing ): ("},
      {"", "compilation failed: ERROR: <input>:1:1: Syntax error: the expression ends too early"},
      {"(true", "compilation failed: ERROR: <input>:1:6: Syntax error: the expression ends too early"},
      {"true true", "compilation failed: ERROR: <input>:1:6: Syntax error: unexpected 'true'"},
      {"'open", "compilation failed: ERROR: <input>:1:1: Syntax error: the text is not closed"},
      {"true # x", "compilation failed: ERROR: <input>:1:6: Syntax error: token recognition error"},
      {"99999999999999999999 > 1",
       "compilation failed: ERROR: <input>:1:1: Syntax error: number out of range"},
      {"{'a': 1}.a == 1",
       "compilation failed: ERROR: <input>:1:1: maps cannot be written in this factory's CEL"},
      {"[1].map(x, x) == [1]",
       "compilation failed: ERROR: <input>:1:9: undeclared reference to 'x' (in container '')"},
      {"'text'", "must evaluate to bool"},
  };
  for (const auto& [text, error] : kCases) EXPECT_EQ(ask(text), error) << text;
}

TEST(Cel, IsBounded) {
  EXPECT_EQ(ask(std::string(20'000, ' ')),
            "compilation failed: ERROR: <input>:1:1: the expression is longer than 10240 bytes");
  EXPECT_THAT(ask(std::string(5'000, '(')), ::testing::HasSubstr("nested too deeply"));
  EXPECT_THAT(ask("1" +
                  [] {
                    std::string sum;
                    for (int i = 0; i < 2'000; ++i) sum += "+1";
                    return sum;
                  }() +
                  " > 0"),
              ::testing::HasSubstr("nested too deeply"));
  std::string chain = "false";
  for (int i = 0; i < 1'000; ++i) chain += "||false";
  EXPECT_EQ(ask(chain), "false") << "a long chain is not deep";
  std::string list = "[0";
  for (int i = 1; i < 100; ++i) list += "," + std::to_string(i);
  list += "]";
  const std::string cubed = list + ".all(a, " + list + ".all(b, " + list + ".all(c, a + b + c >= 0)))";
  EXPECT_EQ(ask(cubed), "the expression takes more steps than are allowed");
  EXPECT_EQ(ask(cubed + " || true"), "the expression takes more steps than are allowed");
}

TEST(Cel, SeveralShareTheirSteps) {
  const auto program = Program::compile(of("model.matches('^H')"));
  ASSERT_TRUE(program);
  int64_t steps = 2'500;
  EXPECT_TRUE(program->matches(board(), steps));
  EXPECT_TRUE(program->matches(board(), steps));
  EXPECT_FALSE(program->matches(board(), steps)) << "a pattern is dear";
  EXPECT_GE(steps, 0);
}

}  // namespace
}  // namespace ingot::cel
