#include "workflow/one_step.h"

#include <algorithm>
#include <cctype>

#include "workflow/values.h"

namespace ingot::workflow {
namespace {

constexpr size_t kLongestName = 40;  // with what is added to it, and to its pods

std::unexpected<std::string> wrong(std::string text) { return std::unexpected(std::move(text)); }

// As the container sees it: Kubernetes takes $(NAME) for a variable.
std::string plain(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text.substr(i).starts_with("$(")) out += '$';
    out += text[i];
  }
  return out;
}

bool tagged(std::string_view text) { return text.contains("{{"); }

Or<Json> environment(const OneStep& step) {
  JsonArray out;
  for (const auto& [name, value] : step.env) {
    if (name.empty() || name.contains('=')) return wrong("--env needs NAME=VALUE, not \"" + name + "\"");
    if (tagged(name) || tagged(value)) return wrong("--env " + name + " holds {{, which a workflow fills in");
    out.push_back(JsonObject{{"name", text_json(name)}, {"value", text_json(plain(value))}});
  }
  return out;
}

Json resources(const OneStep& step) {
  JsonObject limits, requests;
  if (step.gpus > 0) limits["nvidia.com/gpu"] = step.gpus;
  const std::pair<std::string_view, const std::string*> asked[] = {{"cpu", &step.cpu},
                                                                   {"memory", &step.memory}};
  for (const auto& [name, value] : asked)
    if (!value->empty()) {
      limits[name] = text_json(*value);
      requests[name] = text_json(*value);
    }
  return JsonObject{{"limits", std::move(limits)}, {"requests", std::move(requests)}};
}

}  // namespace

std::string called(const std::vector<std::string>& command) {
  std::string_view word = command.empty() ? "" : std::string_view(command.front());
  // The first that is called like a file.
  const auto file =
      std::find_if(command.begin() + (command.empty() ? 0 : 1), command.end(), [](std::string_view w) {
        const std::string_view name = w.substr(w.rfind('/') + 1);
        return !w.starts_with('-') && !w.contains(' ') && name.find('.', 1) != name.npos &&
               std::isalpha(static_cast<unsigned char>(name[0]));
      });
  if (file != command.end()) word = *file;
  word = word.substr(word.rfind('/') + 1);
  word = word.substr(0, word.find('.'));
  std::string out;
  for (char c : word.substr(0, kLongestName)) {
    if (c >= 'A' && c <= 'Z') c = char(c - 'A' + 'a');
    const bool fine = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    if (fine || (!out.empty() && out.back() != '-')) out += fine ? c : '-';
  }
  while (out.ends_with('-')) out.pop_back();
  return out.empty() ? "run" : out;
}

std::string typed(const std::vector<std::string>& command) {
  constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./=:,+@%";
  std::string out;
  for (const std::string& word : command) {
    if (!out.empty()) out += ' ';
    if (!word.empty() && word.find_first_not_of(kPlain) == word.npos) {
      out += word;
      continue;
    }
    out += '\'';
    for (const char c : word) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
    out += '\'';
  }
  return out;
}

Or<Json> one_step(const OneStep& step) {
  if (step.command.empty())
    return wrong("there is no command: write it after --, as in `ingot run -- python train.py`");
  JsonArray command;
  for (const std::string& word : step.command) {
    if (tagged(word))
      return wrong("the command holds {{, which a workflow fills in: keep it in a file, such as a script");
    command.push_back(text_json(plain(word)));
  }
  Or<Json> env = environment(step);
  if (!env) return wrong(env.error());
  const std::string work(kWorkDirectory);
  JsonArray volumes, mounts;
  for (const auto& [name, version] : step.data) {
    const std::string volume = "data-" + std::to_string(volumes.size());
    const bool twice = std::ranges::count(step.data, name, [](const auto& d) { return d.first; }) > 1;
    if (twice) return wrong("--data names " + name + " twice");
    volumes.push_back(JsonObject{
        {"name", text_json(volume)},
        {"csi", JsonObject{{"driver", "datasets.ingot.dev"},
                           {"readOnly", true},
                           {"volumeAttributes",
                            JsonObject{{"dataset", text_json(name)}, {"version", text_json(version)}}}}}});
    mounts.push_back(JsonObject{
        {"name", text_json(volume)}, {"mountPath", text_json("/data/" + name)}, {"readOnly", true}});
  }
  JsonObject container{{"image", text_json(step.image)},
                       {"command", std::move(command)},
                       {"workingDir", text_json(work)},
                       {"env", *std::move(env)},
                       {"resources", resources(step)}};
  if (!mounts.empty()) container["volumeMounts"] = std::move(mounts);
  const Json source = JsonObject{{"name", "source"},
                                 {"path", text_json(work)},
                                 {"s3", JsonObject{{"key", text_json("sha256/" + step.source)}}}};
  const Json outputs = JsonObject{{"name", text_json(kOutputs)},
                                  {"path", text_json(work + "/" + std::string(kOutputs))},
                                  {"optional", true}};
  JsonObject of{{"name", "run"},
                {"inputs", JsonObject{{"artifacts", JsonArray{source}}}},
                {"outputs", JsonObject{{"artifacts", JsonArray{outputs}}}},
                {"container", std::move(container)}};
  JsonObject spec{{"entrypoint", "run"}, {"templates", JsonArray{std::move(of)}}};
  if (!volumes.empty()) spec["volumes"] = std::move(volumes);
  JsonObject metadata{{"annotations", JsonObject{{kCommandAnnotation, text_json(typed(step.command))}}}};
  if (step.name.empty())
    metadata["generateName"] = text_json(called(step.command) + "-");
  else
    metadata["name"] = text_json(step.name);
  if (!step.queue.empty())
    metadata["labels"] = JsonObject{{"kueue.x-k8s.io/queue-name", text_json(step.queue)}};
  return JsonObject{{"apiVersion", "argoproj.io/v1alpha1"},
                    {"kind", "Workflow"},
                    {"metadata", std::move(metadata)},
                    {"spec", std::move(spec)}};
}

}  // namespace ingot::workflow
