// Text with tags: {{name}} and {{=expression}}. Immutable; any thread.
//
// Source: argo-workflows, util/template. Argo fills the marshalled JSON of a template; here the strings of a JSON value are
// filled one by one, which gives the same but for tags that begin in one string and end in another.
#pragma once

#include <functional>
#include <span>

#include "expr/program.h"
#include "expr/variables.h"

namespace ingot::expr {

struct FillOptions {
  // Tags whose variable is not there stay as they are written, and so do expressions that fail or give nil.
  bool allow_unresolved = false;
  // Even then variables that are one of these or begin with one and a point must be there. With some given, an expression
  // whose variables are all there must succeed.
  std::span<const std::string_view> required = {};
  Surroundings surroundings = {};
  size_t max_bytes = 1 << 20;  // of everything that is filled
};

struct FillError {
  enum class Kind : uint8_t {
    Missing,  // a variable is not there, at least not yet
    Absent,   // it is null: an optional output that was not made, which a simple tag cannot name
    Failed,   // an expression failed, or a bound was reached
  };
  Kind kind = Kind::Failed;
  std::string name;  // of the variable; of Failed the tag
  std::string message;
};
template <class T>
using Filled = std::expected<T, FillError>;

class Template {
 public:
  // Error: an expression that does not compile; a tag that is not closed, unless that may stay as it is.
  static Maybe<Template> compile(std::string_view text, bool unclosed_may_stay = false);

  // As they are written: "inputs.parameters.x", "=a + 1". A tag in a tag is what follows the last "{{".
  std::vector<std::string> tags() const;
  // The variables that tags and expressions read, each once (Program::names); `required_names`: Program::required.
  std::vector<std::string> names() const;
  std::vector<std::string> required_names() const;

  // One pass: of {{a-{{b}}}} the inner tag is filled, and the next pass fills the outer.
  Filled<std::string> fill(const Variables&, int64_t& steps, const FillOptions& = {}) const;

 private:
  struct Tag {
    std::string before, name;  // text up to the tag; what is between the braces
    std::shared_ptr<const Program> program;
  };
  std::string_view inner(const Tag&) const;
  std::vector<std::string> all_names(std::vector<std::string> (Program::*)() const) const;

  std::vector<Tag> tags_;
  std::string after_;
};

// Every string of a JSON value, keys too. On an error the value is as it was. Tags that are not closed may stay where
// what is unresolved may.
Filled<void> fill_json(Json&, const Variables&, int64_t& steps, const FillOptions& = {});

}  // namespace ingot::expr
