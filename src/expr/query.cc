#include "expr/query.h"

#include <algorithm>
#include <cmath>

#include "expr/operators.h"
#include "expr/pattern.h"
#include "expr/query_path.h"

namespace ingot::expr {
namespace {

using Kind = PathStep::Kind;
using Steps = std::span<const PathStep>;

class Query {
 public:
  Query(const Json& root, int64_t& left) : root_(borrowed(root)), left_(left) {}

  Outcome path(const Path& path, const Value& current) {
    return apply(path.from_root ? root_ : current, path.steps);
  }

 private:
  static std::unexpected<std::string> not_there(std::string_view what) {
    return wrong("jsonpath: " + std::string(what) + " is not there");
  }
  Outcome made(JsonArray list) {
    left_ -= weight(Json(list), left_);
    return left_ < 0 ? Outcome(wrong(std::string(kTooDear))) : make(std::move(list));
  }

  Outcome apply(const Value& current, Steps steps) {
    if (--left_ < 0) return wrong(std::string(kTooDear));
    if (steps.empty()) return current;
    const PathStep& step = steps[0];
    const Steps rest = steps.subspan(1);
    switch (step.kind) {
      case Kind::Key:
        return key(current, step.key, rest);
      case Kind::Length:
        return length(current, rest);
      case Kind::Index:
        return index(current, *step.from, rest);
      case Kind::Wildcard:
        return several(children(current), rest, false);
      case Kind::Recursive: {
        JsonArray found;
        descend(current, rest, found);
        return made(std::move(found));
      }
      case Kind::Union:
        return all_of(current, step, rest);
      case Kind::Range:
        return range(current, step, rest);
      case Kind::Filter:
        return filter(current, *step.condition, rest);
      case Kind::Script:
        return script(current, *step.condition, rest);
    }
    return not_there("that");
  }

  Outcome key(const Value& of, std::string_view name, Steps rest) {
    const JsonObject* map = of->if_object();
    const Json* found = map ? map->if_contains(boost::json::string_view(name.data(), name.size())) : nullptr;
    return found ? apply(part_of(of, *found), rest) : Outcome(not_there("key '" + std::string(name) + "'"));
  }

  Outcome length(const Value& of, Steps rest) {
    if (of->is_object() && of->get_object().contains("length")) return key(of, "length", rest);
    if (!of->is_structured() && !of->is_string()) return not_there("length");
    const size_t size = of->is_object()  ? of->get_object().size()
                        : of->is_array() ? of->get_array().size()
                                         : of->get_string().size();
    return apply(make(Json(int64_t(size))), rest);
  }

  Outcome index(const Value& of, int64_t at, Steps rest) {
    if (!of->is_array()) return not_there("index " + std::to_string(at));
    const JsonArray& list = of->get_array();
    const int64_t size = int64_t(list.size()), place = at < 0 ? at + size : at;
    if (place < 0 || place >= size) return not_there("index " + std::to_string(at));
    return apply(part_of(of, list[size_t(place)]), rest);
  }

  static std::optional<std::vector<Value>> children(const Value& of) {
    std::vector<Value> out;
    if (!of->is_structured()) return std::nullopt;
    if (const auto* list = of->if_array())
      for (const Json& item : *list) out.push_back(part_of(of, item));
    else
      for (const auto* member : sorted(of->get_object())) out.push_back(part_of(of, member->value()));
    return out;
  }

  // `whole`: an index that follows counts in the list, not in each of its items.
  Outcome several(const std::optional<std::vector<Value>>& items, Steps rest, bool whole) {
    if (!items) return not_there("a list or map");
    JsonArray out;
    const bool each = !rest.empty() && !(whole && rest[0].kind == Kind::Index);
    for (const Value& item : *items) {
      const Outcome one = each ? apply(item, rest) : Outcome(item);
      if (left_ < 0) return wrong(std::string(kTooDear));
      if (!one || (each && (*one)->is_null())) continue;
      left_ -= weight(**one, left_);
      if (left_ < 0) return wrong(std::string(kTooDear));
      out.push_back(**one);
    }
    Value list = make(std::move(out));
    return rest.empty() || each ? Outcome(list) : apply(list, rest);
  }

  void descend(const Value& of, Steps rest, JsonArray& found) {
    if (--left_ < 0 || of->is_null()) return;
    if (const Outcome here = apply(of, rest); here && !(rest.empty() ? false : (*here)->is_null())) {
      left_ -= weight(**here, left_);
      if (left_ < 0) return;
      if (!rest.empty() && (*here)->is_array())
        found.insert(found.end(), (*here)->get_array().begin(), (*here)->get_array().end());
      else
        found.push_back(**here);
    }
    if (const auto below = children(of))
      for (const Value& child : *below) descend(child, rest, found);
  }

  Outcome all_of(const Value& of, const PathStep& step, Steps rest) {
    std::vector<Value> items;
    const bool texts = step.keys.front().is_string();
    if (texts ? !of->is_object() : !of->is_array()) return not_there("a list or map");
    for (const Json& key : step.keys)
      if (const Outcome one = texts ? this->key(of, text_of(key), {}) : index(of, key.get_int64(), {}))
        items.push_back(*one);
    return several(items, rest, true);
  }

  Outcome range(const Value& of, const PathStep& step, Steps rest) {
    if (!of->is_array()) return not_there("a list");
    const JsonArray& list = of->get_array();
    const int64_t size = int64_t(list.size()), by = step.step.value_or(1);
    if (by == 0) return wrong("jsonpath: a step of 0");
    const auto bound = [&](int64_t at) { return std::clamp<int64_t>(at < 0 ? at + size : at, 0, size); };
    const int64_t from = bound(step.from.value_or(0)), to = bound(step.to.value_or(size));
    const int64_t stride = std::clamp<int64_t>(by, -size - 1, size + 1);
    std::vector<Value> items;
    if (stride > 0)
      for (int64_t i = from; i < to; i += stride) items.push_back(part_of(of, list[size_t(i)]));
    else
      for (int64_t i = to - 1; i >= from; i += stride) items.push_back(part_of(of, list[size_t(i)]));
    return several(items, rest, true);
  }

  Outcome filter(const Value& of, const Condition& condition, Steps rest) {
    const auto all = children(of);
    if (!all) return not_there("a list or map");
    std::vector<Value> chosen;
    for (const Value& item : *all) {
      const Outcome verdict = evaluate(condition, item);
      if (left_ < 0) return wrong(std::string(kTooDear));
      if (verdict && counts(**verdict)) chosen.push_back(item);
    }
    return several(chosen, rest, true);
  }
  static bool counts(const Json& json) {
    if (const auto* map = json.if_object()) return !map->empty();
    if (const auto* list = json.if_array()) return !list->empty();
    if (json.is_string()) return !json.get_string().empty();
    if (is_number(json)) return number_of(json) != 0;
    return json.is_bool() && json.get_bool();
  }

  Outcome script(const Value& of, const Condition& condition, Steps rest) {
    const Outcome at = evaluate(condition, of);
    if (!at) return at;
    if ((*at)->is_string()) return key(of, text_of(**at), rest);
    if (!is_number(**at)) return not_there("an index or key");
    return index(of, integer_of(**at), rest);
  }

  // An error, as from a member that is not there, ends the whole condition.
  Outcome evaluate(const Condition& condition, const Value& current) {
    if (--left_ < 0) return wrong(std::string(kTooDear));
    if (condition.kind == Condition::Kind::Literal) return borrowed(condition.literal);
    if (condition.kind == Condition::Kind::Path) return path(condition.path, current);
    const Outcome left = evaluate(condition.parts[0], current);
    if (!left) return left;
    if (condition.kind == Condition::Kind::Not) {
      const auto yes = truth(**left);
      return yes ? make(Json(!*yes)) : Outcome(wrong(yes.error()));
    }
    const Outcome right = evaluate(condition.parts[1], current);
    if (!right) return right;
    left_ -= weight(**left, left_) + weight(**right, left_);
    if (left_ < 0) return wrong(std::string(kTooDear));
    const Made made = operate(condition.sign, **left, **right);
    return made ? make(*made) : Outcome(wrong(made.error()));
  }

  static Maybe<bool> truth(const Json& json) {
    if (json.is_null()) return false;
    if (json.is_bool()) return json.get_bool();
    if (is_number(json)) return number_of(json) != 0;
    if (json.is_string() && (text_of(json) == "true" || text_of(json) == "false"))
      return text_of(json) == "true";
    return wrong("jsonpath: not a bool");
  }

  Made operate(std::string_view sign, const Json& a, const Json& b) {
    if (sign == "&&" || sign == "||") {
      const auto left = truth(a), right = truth(b);
      if (!left || !right) return wrong("jsonpath: not a bool");
      return Json(sign == "&&" ? *left && *right : *left || *right);
    }
    if (sign == "==" || sign == "!=") return Json(equal(a, b) == (sign == "=="));
    if (sign == "=~") {
      if (!a.is_string() || !b.is_string()) return wrong("jsonpath: not a text");
      const auto pattern = Pattern::compile(text_of(b), left_);
      return pattern ? Made(Json(pattern->matches(text_of(a)))) : wrong(pattern.error());
    }
    if (sign.ends_with("in")) {
      const auto items = children(borrowed(b));
      if (!items) return wrong("jsonpath: not a list");
      const bool in = std::ranges::any_of(*items, [&](const Value& item) { return equal(*item, a); });
      return Json(in == (sign == "in"));
    }
    if (!is_number(a) || !is_number(b)) return wrong("jsonpath: not a number");
    if (sign == "%")
      return number_of(b) == 0 ? Made(wrong("jsonpath: division by zero"))
                               : Made(Json(std::fmod(number_of(a), number_of(b))));
    return expr::operate(sign, a, b, {{}, {}, left_});
  }

  const Value root_;
  int64_t& left_;
};

}  // namespace

Made query(std::string_view text, const Json& root, int64_t& steps) {
  const auto path = parse_path(text);
  if (!path) return wrong(path.error());
  steps -= weight(root, steps);
  if (steps < 0) return wrong(std::string(kTooDear));
  Query query(root, steps);
  const Outcome found = query.path(*path, borrowed(root));
  if (steps < 0) return wrong(std::string(kTooDear));
  return found ? Made(**found) : wrong(found.error());
}

}  // namespace ingot::expr
