// What webhooks are told of models. Facts: mlflow/webhooks/types.py, mlflow/server/handlers.py.
#include <fmt/format.h>

#include <algorithm>

#include "api/deletion.h"
#include "api/model_names.h"
#include "api/webhook.h"
#include "apiserver/model_naming.h"
#include "apiserver/webhooks.h"

namespace ingot::apiserver {
namespace {
using api::Json;
using api::JsonObject;
using api::string_at;

constexpr size_t kMostWaiting = 500, kMostBytes = 4u << 20;  // of one webhook
constexpr size_t kMostEvents = 100;                          // of one request
constexpr std::string_view kIsPrompt = "mlflow.prompt.is_prompt", kPromptText = "mlflow.prompt.text",
                           kPromptType = "_mlflow_prompt_type";

std::string_view key_of(const auto& member) { return {member.key().data(), member.key().size()}; }

// "registered_model" → "prompt", and so on, of a model that is one.
struct Words {
  std::string_view model, version, version_tag, alias;
};
constexpr Words kOfModels{"registered_model", "model_version", "model_version_tag", "model_version_alias"};
constexpr Words kOfPrompts{"prompt", "prompt_version", "prompt_version_tag", "prompt_alias"};

bool is_prompt(const Json& model) {
  std::string said(string_at(model, {"spec", "tags", kIsPrompt}));
  std::ranges::transform(said, said.begin(), [](unsigned char c) { return char(std::tolower(c)); });
  return said == "true";
}

// The events of one request.
class Teller {
 public:
  explicit Teller(Call& call) : call_(call) {
    call.view.range(api::kWebhooks, "", "", [&](const api::ObjectPtr& webhook) {
      Json value = webhook->parse();
      if (!api::bool_at(value, {"spec", "suspend"}) && !api::is_deleting(value))
        targets_.push_back({.name = std::string(webhook->key.name()), .webhook = std::move(value)});
      return targets_.size() < api::kMostWebhooks;
    });
  }
  bool nobody() const { return targets_.empty(); }

  Result<void> tell(std::string_view entity, std::string_view action, const JsonObject& data) {
    const std::string event = fmt::format("{}.{}", entity, action);
    std::string body;
    for (Target& target : targets_) {
      const api::JsonArray& events = api::array_at(target.webhook, {"spec", "events"});
      if (std::ranges::find(events, Json(event)) == events.end()) continue;
      if (body.empty())
        body = api::to_text(JsonObject{{"entity", entity},
                                       {"action", action},
                                       {"timestamp", to_rfc3339_micro(call_.services.env.clock.wall())},
                                       {"data", data}});
      if (target.full || ++target.told > kMostEvents || !fits(target, body.size())) {
        target.full = true;
        ++target.dropped;
      } else if (auto kept = keep(target, event, body); !kept) {
        return kept;
      }
    }
    return {};
  }

  // What was too much is counted where its owner sees it.
  Result<void> end() {
    for (const Target& target : targets_) {
      if (target.dropped == 0) continue;
      Json webhook = target.webhook;
      api::set(webhook, {"status", "dropped"},
               api::int_at(webhook, {"status", "dropped"}).value_or(0) + target.dropped);
      if (const auto put = call_.view.put(api::kWebhooks, "", target.name, std::move(webhook)); !put)
        return fail(put.error());
    }
    return {};
  }

 private:
  struct Target {
    std::string name;
    Json webhook;
    size_t told = 0;
    int64_t dropped = 0;
    bool full = false;
  };

  bool fits(const Target& target, size_t more) {
    size_t waiting = 0, bytes = more;
    call_.view.range(api::kWebhookDeliveries, target.name, "", [&](const api::ObjectPtr& delivery) {
      bytes += delivery->json.size();
      return ++waiting < kMostWaiting && bytes <= kMostBytes;
    });
    return waiting < kMostWaiting && bytes <= kMostBytes;
  }

  // Named in the order of what happened.
  Result<void> keep(const Target& target, const std::string& event, const std::string& body) {
    const std::string id = call_.new_uid(), own = fmt::format("{:016x}-{}", call_.view.revision().value, id);
    const auto put =
        call_.view.put(api::kWebhookDeliveries, target.name, own,
                       JsonObject{{"metadata", JsonObject{{"name", own}, {"namespace", target.name}}},
                                  {"id", id},
                                  {"uid", string_at(target.webhook, {"metadata", "uid"})},
                                  {"event", event},
                                  {"body", body},
                                  {"tries", 0}});
    return put ? Result<void>() : fail(put.error());
  }

  Call& call_;
  std::vector<Target> targets_;
};

JsonObject tags_of(const Json& object, bool prompt, bool version) {
  JsonObject tags = api::object_at(object, {"spec", "tags"});
  if (!prompt) return tags;
  for (const std::string_view own : {kIsPrompt, kPromptType}) tags.erase(own);
  if (version) tags.erase(kPromptText);
  return tags;
}

Json text_or_null(std::string_view text) { return text.empty() ? Json() : Json(std::string(text)); }

std::string number_of(const Json& version) {
  return std::to_string(api::int_at(version, {"spec", "version"}).value_or(0));
}

Json model_of(Call& call, const Json& version) {
  const api::ObjectPtr model = call.view.get(api::kModels, "", string_at(version, {"spec", "model"}));
  return model ? model->parse() : Json();
}

bool is_version(const Json& object) { return string_at(object, {"kind"}) == "ModelVersion"; }

// What differs between two maps of the spec: `more` of those that are new or another, `less` of those that are gone.
template <class More, class Less>
Result<void> differences(const Json& before, const Json& after, std::string_view map, const More& more,
                         const Less& less) {
  const JsonObject& was = api::object_at(before, {"spec", map});
  const JsonObject& is = api::object_at(after, {"spec", map});
  for (const auto& member : was)
    if (!is.contains(member.key()))
      if (auto told = less(key_of(member)); !told) return told;
  for (const auto& member : is)
    if (const Json* old = was.if_contains(member.key()); !old || *old != member.value())
      if (auto told = more(key_of(member), member.value()); !told) return told;
  return {};
}

Result<void> tell_of_version(Call& call, Teller& teller, const Json& before, const Json& after) {
  const Json model = model_of(call, after);
  const bool prompt = is_prompt(model);
  const Words& words = prompt ? kOfPrompts : kOfModels;
  const std::string name(model_name(model)), number = number_of(after);
  return differences(
      before, after, "tags",
      [&](std::string_view key, const Json& value) {
        return teller.tell(words.version_tag, "set",
                           {{"name", name}, {"version", number}, {"key", key}, {"value", value}});
      },
      [&](std::string_view key) {
        return teller.tell(words.version_tag, "deleted", {{"name", name}, {"version", number}, {"key", key}});
      });
}

// And tags, of a prompt alone.
Result<void> tell_of_aliases(Teller& teller, const Json& before, const Json& after) {
  const bool prompt = is_prompt(after);
  const Words& words = prompt ? kOfPrompts : kOfModels;
  const std::string name(model_name(after));
  auto told = differences(
      before, after, "aliases",
      [&](std::string_view alias, const Json& version) {
        return teller.tell(words.alias, "created",
                           {{"name", name}, {"alias", alias}, {"version", api::to_text(version)}});
      },
      [&](std::string_view alias) {
        return teller.tell(words.alias, "deleted", {{"name", name}, {"alias", alias}});
      });
  if (!told || !prompt) return told;
  return differences(
      before, after, "tags",
      [&](std::string_view key, const Json& value) {
        return teller.tell("prompt_tag", "set", {{"name", name}, {"key", key}, {"value", value}});
      },
      [&](std::string_view key) {
        return teller.tell("prompt_tag", "deleted", {{"name", name}, {"key", key}});
      });
}

Result<void> tell_of_new_model(Teller& teller, const Json& created) {
  const bool prompt = is_prompt(created);
  return teller.tell((prompt ? kOfPrompts : kOfModels).model, "created",
                     {{"name", model_name(created)},
                      {"tags", tags_of(created, prompt, false)},
                      {"description", text_or_null(string_at(created, {"spec", "description"}))}});
}

Result<void> tell_of_new_version(Call& call, Teller& teller, const Json& created) {
  const Json model = model_of(call, created);
  const bool prompt = is_prompt(model);
  JsonObject data{{"name", model_name(model)}, {"version", number_of(created)}};
  if (prompt) {
    data["template"] = text_or_null(string_at(created, {"spec", "tags", kPromptText}));
  } else {
    data["source"] = string_at(created, {"spec", "source"});
    data["run_id"] = text_or_null(string_at(created, {"spec", "runId"}));
  }
  data["tags"] = tags_of(created, prompt, true);
  data["description"] = text_or_null(string_at(created, {"spec", "description"}));
  return teller.tell((prompt ? kOfPrompts : kOfModels).version, "created", data);
}

}  // namespace

Result<void> tell_of_model(Call& call, const Json& created) {
  Teller teller(call);
  if (teller.nobody()) return {};
  auto told =
      is_version(created) ? tell_of_new_version(call, teller, created) : tell_of_new_model(teller, created);
  return told ? teller.end() : told;
}

Result<void> tell_of_model(Call& call, const Json& before, const Json& after) {
  Teller teller(call);
  if (teller.nobody()) return {};
  auto told = is_version(after) ? tell_of_version(call, teller, before, after)
                                : tell_of_aliases(teller, before, after);
  return told ? teller.end() : told;
}

}  // namespace ingot::apiserver
