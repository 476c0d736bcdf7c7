#include <algorithm>

#include "expr/go_text.h"
#include "expr/rows.h"

namespace ingot::expr {
namespace {

// The shortest path that means the same. Source: Go's path.Clean.
std::string cleaned(std::string_view path) {
  const bool rooted = path.starts_with('/');
  std::vector<std::string_view> steps;
  for (const std::string_view step : split(path, "/")) {
    if (step.empty() || step == ".") continue;
    if (step != "..")
      steps.push_back(step);
    else if (!steps.empty() && steps.back() != "..")
      steps.pop_back();
    else if (!rooted)
      steps.push_back(step);
  }
  std::string out(rooted ? "/" : "");
  for (size_t i = 0; i < steps.size(); ++i) (out += i == 0 ? "" : "/") += steps[i];
  return out.empty() ? "." : out;
}

Made clean(const Call& c) { return text(cleaned(c.text(0))); }
Made dir(const Call& c) {
  const size_t slash = c.text(0).rfind('/');
  return text(cleaned(slash == std::string_view::npos ? "" : c.text(0).substr(0, slash + 1)));
}
Made base(const Call& c) {
  std::string_view path = c.text(0);
  if (path.empty()) return text(".");
  while (path.ends_with('/')) path.remove_suffix(1);
  if (path.empty()) return text("/");
  const size_t slash = path.rfind('/');
  return text(slash == path.npos ? path : path.substr(slash + 1));
}
Made ext(const Call& c) {
  const size_t at = c.text(0).find_last_of("./");
  return text(at == std::string_view::npos || c.text(0)[at] == '/' ? "" : c.text(0).substr(at));
}
Made is_absolute(const Call& c) { return Json(c.text(0).starts_with('/')); }

constexpr Function kRows[] = {
    {"clean", "s", clean, true},       {"dir", "s", dir, true},
    {"base", "s", base, true},         {"ext", "s", ext, true},
    {"isAbs", "s", is_absolute, true}, {"osClean", "s", clean, true},
    {"osDir", "s", dir, true},         {"osBase", "s", base, true},
    {"osExt", "s", ext, true},         {"osIsAbs", "s", is_absolute, true},
};

}  // namespace

std::span<const Function> sprig_path_rows() { return kRows; }

}  // namespace ingot::expr
