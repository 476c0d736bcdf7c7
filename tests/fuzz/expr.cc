// The languages of workflow templates: any text as an expression, a template, a `when`, a JSONPath, and as both a path and
// the JSON it is asked of.
#include "expr/jsonpath.h"
#include "expr/program.h"
#include "expr/template.h"
#include "expr/when.h"

using namespace ingot;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const api::Json named = *api::parse_json(
      R"({"inputs.parameters.x":"3","tasks.a.outputs.result":"[1,{\"b\":\"c\"}]","item":{"k":[1,2.5,null,"é"]},"late":null})");
  static const expr::Variables variables(named.get_object());
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  int64_t steps = 20'000;
  switch (data[0] % 5) {
    case 0:
      if (const auto program = expr::Program::compile(text)) {
        (void)program->names();
        (void)program->required();
        (void)program->run(variables.nested(), steps);
      }
      break;
    case 1:
      if (const auto filled = expr::Template::compile(text)) (void)filled->fill(variables, steps);
      break;
    case 2:
      (void)expr::when(text);
      break;
    case 3:
      if (const auto path = expr::JsonPath::compile(text)) (void)path->text(named, steps);
      break;
    case 4: {
      static const auto query = expr::Program::compile("jsonpath(toJson($env), path)");
      api::Json asked = variables.nested();
      api::set(asked, {"path"}, text);
      (void)query->run(asked, steps);
    }
  }
  return 0;
}
