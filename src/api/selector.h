// Label and field selectors. Pure; any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "api/json.h"

namespace ingot::api {

// "app=web,tier in (a,b),!legacy" (apimachinery: pkg/labels).
class LabelSelector {
 public:
  static Result<LabelSelector> parse(std::string_view text);       // "" selects everything
  static Result<LabelSelector> from_object(const Json& selector);  // metav1.LabelSelector
  bool matches(const JsonObject& labels) const;
  bool everything() const { return terms_.empty(); }

 private:
  enum class Op : uint8_t { In, NotIn, Exists, Absent, Greater, Less };
  struct Term {
    std::string key;
    Op op;
    std::vector<std::string> values;
  };
  std::vector<Term> terms_;
};

// "status.phase=Running,spec.nodeName!=n1": any dotted path of the object; an absent value reads as "".
class FieldSelector {
 public:
  static Result<FieldSelector> parse(std::string_view text);
  bool matches(const Json& object) const;
  bool everything() const { return terms_.empty(); }
  size_t terms() const { return terms_.size(); }
  // The value a term pins `path` to by '=', "" if none: "metadata.name" turns a list into a get.
  std::string_view pinned(std::string_view path) const;

 private:
  struct Term {
    std::string path, value;
    bool equal;
  };
  std::vector<Term> terms_;
};

}  // namespace ingot::api
