#include "workflow/depends.h"

#include <algorithm>
#include <optional>

namespace ingot::workflow {
namespace {

constexpr std::pair<std::string_view, TaskResult> kResults[] = {
    {"Succeeded", TaskResult::Succeeded},       {"Failed", TaskResult::Failed},
    {"Errored", TaskResult::Errored},           {"Skipped", TaskResult::Skipped},
    {"Omitted", TaskResult::Omitted},           {"Daemoned", TaskResult::Daemoned},
    {"AnySucceeded", TaskResult::AnySucceeded}, {"AllFailed", TaskResult::AllFailed},
};
constexpr int kMaxDepth = 64;

bool in_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

}  // namespace

// or := and ('||' and)*; and := not ('&&' not)*; not := '!' not | '(' or ')' | NAME ['.' RESULT]
struct Depends::Parser {
  std::string_view text;
  Depends& out;
  size_t at = 0;
  int depth = 0;
  std::string error;

  void blanks() {
    while (at < text.size() && (text[at] == ' ' || text[at] == '\n' || text[at] == '\t' || text[at] == '\r'))
      ++at;
  }
  bool take(std::string_view sign) {
    blanks();
    if (!text.substr(at).starts_with(sign)) return false;
    at += sign.size();
    return true;
  }
  bool wrong(std::string why) {
    if (error.empty()) error = std::move(why);
    return false;
  }
  std::string_view word() {
    const size_t from = at;
    while (at < text.size() && in_name(text[at])) ++at;
    return text.substr(from, at - from);
  }

  bool either() {
    if (++depth > kMaxDepth) return wrong("is nested too deeply");
    if (!both()) return false;
    while (take("||")) {
      if (!both()) return false;
      out.code_.push_back({Op::Or});
    }
    --depth;
    return true;
  }
  bool both() {
    if (!one()) return false;
    while (take("&&")) {
      if (!one()) return false;
      out.code_.push_back({Op::And});
    }
    return true;
  }
  bool one() {
    if (take("!")) {
      if (++depth > kMaxDepth) return wrong("is nested too deeply");
      if (!one()) return false;
      --depth;
      out.code_.push_back({Op::Not});
      return true;
    }
    if (take("(")) return either() && (take(")") || wrong("has a parenthesis that is not closed"));
    blanks();
    const std::string_view name = word();
    if (name.empty())
      return wrong(at < text.size() ? "has an unexpected \"" + std::string(text.substr(at, 1)) + "\""
                                    : "ends where a task's name is expected");
    const uint32_t index = out.add(name);
    if (at >= text.size() || text[at] != '.') {
      out.code_.push_back({Op::Fine, index});
      return true;
    }
    ++at;
    const std::string_view result = word();
    const auto known = std::ranges::find(kResults, result, &std::pair<std::string_view, TaskResult>::first);
    if (known == std::end(kResults))
      return wrong("task result '" + std::string(result) + "' for task '" + std::string(name) +
                   "' is invalid");
    out.code_.push_back({Op::Is, index, known->second});
    return true;
  }
};

std::expected<Depends, std::string> Depends::parse(std::string_view text) {
  Depends out;
  Parser parser{text, out};
  bool good = parser.either();
  parser.blanks();
  if (good && parser.at < text.size())
    good = parser.wrong("has an unexpected \"" + std::string(text.substr(parser.at, 1)) + "\"");
  if (!good) return std::unexpected(parser.error);
  return out;
}

Depends Depends::all_of(const std::vector<std::string>& names) {
  Depends out;
  for (const std::string& name : names) {
    const bool first = out.code_.empty();
    out.code_.push_back({Op::Fine, out.add(name)});
    if (!first) out.code_.push_back({Op::And});
  }
  return out;
}

uint32_t Depends::add(std::string_view name) {
  // A fan-in of tens of thousands names each once: they are only searched where there are few.
  constexpr size_t kFew = 64;
  const size_t from = names_.size() > kFew ? names_.size() - kFew : 0;
  for (size_t i = from; i < names_.size(); ++i)
    if (names_[i] == name) return uint32_t(i);
  names_.emplace_back(name);
  return uint32_t(names_.size() - 1);
}

bool Depends::holds(const std::function<bool(size_t, TaskResult)>& is,
                    const std::function<bool(size_t)>& fine) const {
  std::vector<bool> stack;
  const auto pop = [&] {
    const bool top = stack.back();
    stack.pop_back();
    return top;
  };
  for (const Step& step : code_) switch (step.op) {
      case Op::Is:
        stack.push_back(is(step.name, step.result));
        break;
      case Op::Fine:
        stack.push_back(fine(step.name));
        break;
      case Op::Not:
        stack.back() = !stack.back();
        break;
      case Op::And: {
        const bool right = pop();
        stack.back() = stack.back() && right;
        break;
      }
      case Op::Or: {
        const bool right = pop();
        stack.back() = stack.back() || right;
        break;
      }
    }
  return stack.empty() || stack.back();
}

}  // namespace ingot::workflow
