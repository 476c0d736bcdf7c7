// ingot run: a directory and a command as a run, followed until it is over.
#include "ingot/run.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <thread>
#include <tuple>

#include "base/quantity.h"
#include "host/bring_back.h"
#include "host/images.h"
#include "host/source_pack.h"
#include "host/unpack_worker.h"
#include "ingot/blob_client.h"
#include "ingot/dataset_run.h"
#include "ingot/dataset_versions.h"
#include "ingot/output.h"
#include "ingot/signals.h"
#include "workflow/one_step.h"

namespace ingot {
namespace {

using api::Json;
using api::JsonArray;
using api::JsonObject;
using api::string_at;

constexpr int kInterrupted = 130;
constexpr size_t kDigits = 64;                         // of a digest
constexpr std::string_view kDefaultImage = "trainer";  // what images/build-trainer makes

// Whoever reads it may have gone.
void say(const std::string& line) { std::fputs((line + "\n").c_str(), stderr); }

std::string files_text(size_t files) {
  return fmt::format("{} file{}", count_text(int64_t(files)), files == 1 ? "" : "s");
}

// The image that is meant where none is named.
Result<std::string> default_image(Client& client, const std::string& tenant) {
  if (!client.is_operator()) return std::string(kDefaultImage);  // the operator alone sees what is loaded
  auto images = client.list(fmt::format("{}/images", kFactoryApi));
  if (!images) return fail(images.error());
  const auto wanted = host::normalize_reference(std::string(kDefaultImage));
  std::string names;
  for (const Json& image : *images) {
    const std::string_view of = string_at(image, {"spec", "tenant"}),
                           name = string_at(image, {"spec", "reference"});
    if (!of.empty() && of != tenant) continue;
    if (wanted && name == *wanted) return std::string(kDefaultImage);
    if (names.size() < 200) names += (names.empty() ? "" : ", ") + std::string(name);
  }
  return fail(
      Reason::Invalid,
      names.empty()
          ? fmt::format("tenant {} has no image yet: load one with `ingot image load FILE`, and name it "
                        "with --image",
                        tenant)
          : fmt::format("name the image with --image: {}", names));
}

Result<std::vector<std::pair<std::string, std::string>>> data_of(Client& client, const Place& place,
                                                                 const std::vector<std::string>& names) {
  std::vector<std::pair<std::string, std::string>> out;
  for (const std::string& text : names) {
    const auto wanted = read_wanted(text);
    if (!wanted) return fail(wanted.error());
    auto version = find_version(client, place, *wanted);
    if (!version) return fail(version.error());
    out.emplace_back(wanted->name, std::to_string(number_of(*version)));
  }
  return out;
}

Result<std::vector<std::pair<std::string, std::string>>> env_of(const std::vector<std::string>& given) {
  std::vector<std::pair<std::string, std::string>> out;
  for (const std::string& one : given) {
    const size_t at = one.find('=');
    if (at != one.npos) {
      out.emplace_back(one.substr(0, at), one.substr(at + 1));
      continue;
    }
    const char* own = std::getenv(one.c_str());
    if (!own)
      return fail(Reason::Invalid, fmt::format("--env {}: it is not set here; write {}=VALUE", one, one));
    out.emplace_back(one, own);
  }
  return out;
}

Result<host::Packed> pack(const RunOptions& options) {
  // What is one directory becomes the artifact's path itself.
  host::PackOptions how{.emptied = std::string(workflow::kOutputs), .below = "work"};
  if (!options.max_size.empty()) {
    const auto size = Quantity::parse(options.max_size);
    if (!size || size->units() <= 0)
      return fail(Reason::Invalid, fmt::format("--max-size \"{}\" is no size such as 2Gi", options.max_size));
    how.most_bytes = size->units();
  }
  std::unique_ptr<TransferProgress> progress;
  how.progress = [&](int64_t total, int64_t more) {
    if (!progress) progress = std::make_unique<TransferProgress>("packing", total);
    progress->add(more);
  };
  return host::pack_source(std::filesystem::current_path().string(), how);
}

Result<void> send(Client& client, const std::string& tenant, const host::Packed& packed) {
  BlobClient blobs(client, tenant);
  const auto missing = blobs.missing({packed.digest});
  if (!missing) return fail(missing.error());
  const std::string what = fmt::format("{}, {} packed", files_text(packed.files), size_text(packed.packed));
  if (missing->empty()) {
    say(what + ", already there");
    return {};
  }
  const auto open = [&](int64_t offset) -> Result<host::HttpsClient::Next> {
    auto block = std::make_shared<std::string>();
    return [&packed, block, at = offset]() mutable -> Result<std::string_view> {
      block->resize(256 << 10);
      const ssize_t n = ::pread(packed.archive.get(), block->data(), block->size(), at);
      if (n < 0)
        return fail(Reason::InternalError,
                    fmt::format("cannot read what was packed: {}", std::strerror(errno)));
      at += n;
      return std::string_view(*block).substr(0, size_t(n));
    };
  };
  {
    TransferProgress progress("sending", packed.packed);
    if (auto sent = blobs.upload(packed.digest, packed.packed, open, progress); !sent) return sent;
  }
  say(what + ", sent");
  return {};
}

Result<void> quantities_of(const RunOptions& options) {
  for (const auto& [option, text, example] :
       {std::tuple("--cpu", &options.cpu, "2 or 500m"), std::tuple("--memory", &options.memory, "4Gi")})
    if (const auto q = Quantity::parse(text->empty() ? "1" : *text); !q || q->units() <= 0)
      return fail(Reason::Invalid, fmt::format("{} \"{}\" is no amount such as {}", option, *text, example));
  return {};
}

// The Workflow, once or only as a question whether it could be.
Result<Json> submit(Client& client, const Place& place, const workflow::OneStep& step, bool dry) {
  const auto workflow = workflow::one_step(step);
  if (!workflow) return fail(Reason::Invalid, workflow.error());
  auto made =
      client.call("POST", place.path(kWorkflowApi, "workflows") + (dry ? "?dryRun=All" : ""), &*workflow);
  if (!made && made.error().reason == Reason::Conflict)
    return fail(Reason::Conflict, fmt::format("there is a run {} already: choose another --name", step.name));
  return made;
}

// All but its source.
Result<workflow::OneStep> step_of(Client& client, const Place& place, const RunOptions& options) {
  if (auto fine = quantities_of(options); !fine) return fail(fine.error());
  workflow::OneStep step{.name = options.name,
                         .image = options.image,
                         .command = options.command,
                         .gpus = options.gpus,
                         .cpu = options.cpu,
                         .memory = options.memory,
                         .queue = options.queue};
  auto env = env_of(options.env);
  if (!env) return fail(env.error());
  step.env = std::move(*env);
  auto data = data_of(client, place, options.datasets);
  if (!data) return fail(data.error());
  step.data = std::move(*data);
  if (const auto fine = workflow::one_step(step); !fine) return fail(Reason::Invalid, fine.error());
  if (!step.image.empty()) return step;
  auto image = default_image(client, place.tenant);
  if (!image) return fail(image.error());
  step.image = *image;
  return step;
}

// The first interruption stops the run, the second leaves it.
std::shared_ptr<const std::atomic<int>> stop_when_interrupted(RunFollower follower) {
  catch_signals();
  auto seen = std::make_shared<std::atomic<int>>(0);
  std::thread([seen, follower = std::move(follower)]() mutable {
    while (true) {
      (void)wait_for_signal();
      if ((*seen)++ > 0) {
        say("left: it is being stopped");
        ::_exit(kInterrupted);
      }
      say("stopping; once more to leave without waiting");
      if (auto stopped = follower.stop(); !stopped) (void)failed(stopped.error());
    }
  }).detach();
  return seen;
}

// The exit code of the one container; none: it has none, or never ran.
std::optional<int> code_of(const Json& workflow) {
  for (const auto& [id, node] : api::object_at(workflow, {"status", "nodes"})) {
    const std::string_view text = string_at(node, {"outputs", "exitCode"});
    if (text.empty()) continue;
    const int code = std::atoi(std::string(text).c_str());
    return code >= 0 && code <= 255 ? code : 1;
  }
  return std::nullopt;
}

bool write_out(std::string_view bytes, FILE* to) {
  return std::fwrite(bytes.data(), 1, bytes.size(), to) == bytes.size() && std::fflush(to) == 0;
}

Result<Json> follow(RunFollower& follower, bool log_on_stderr) {
  Json last;
  // A Workflow is not written when one of its pods begins to run: that is the pod's to say.
  auto waited = follower.watch([&](const Json& workflow) {
    last = workflow;
    return !is_over(workflow) && pods_of(workflow).empty();
  });
  if (!waited) return fail(waited.error());
  if (const auto pods = pods_of(last); !pods.empty()) {
    const std::string& pod = pods.front().pod;
    waited = follower.until_it_runs(pod, [](const std::string& why) { say("waits: " + why); });
    if (!waited) return fail(waited.error());
    bool ran = false;
    waited = follower.watch_pod(pod, [&](const Json& seen) {
      // One that was stopped before its container began has a node, and no log.
      ran = !string_at(seen, {"spec", "nodeName"}).empty() && has_begun(seen);
      if (ran) say("runs on " + std::string(string_at(seen, {"spec", "nodeName"})));
      return false;
    });
    if (!waited) return fail(waited.error());
    FILE* to = log_on_stderr ? stderr : stdout;
    if (ran)
      waited = follower.log(pod, "main", true, [&](std::string_view piece) { return write_out(piece, to); });
    if (std::ferror(to) != 0)
      return fail(Reason::InternalError, "nobody reads the output any more; the run goes on");
    if (!waited) (void)failed("its log cannot be read: " + waited.error().message);
  }
  waited = follower.watch([&](const Json& workflow) {
    last = workflow;
    return !is_over(workflow);
  });
  if (!waited) return fail(waited.error());
  return last;
}

int judge(const Json& workflow, bool interrupted) {
  const std::string name(string_at(workflow, {"metadata", "name"})), status = status_text(workflow);
  const auto code = code_of(workflow);
  const std::string after = duration_text(workflow);
  if (status == "Succeeded") {
    say(fmt::format("run {} succeeded in {}", name, after));
    return kOk;
  }
  const auto pods = pods_of(workflow);
  const bool no_start = !pods.empty() && pods.front().message.starts_with("StartError");
  std::string why(pods.empty() || pods.front().message.empty() ? string_at(workflow, {"status", "message"})
                                                               : std::string_view(pods.front().message));
  if (status == "Stopped" && why.starts_with("workflow shutdown")) why.clear();  // that is what was said
  // runc's own words are the last of those of everybody who asked it.
  constexpr std::string_view kRunc = "unable to start container process: ";
  if (const size_t at = why.rfind(kRunc); no_start && at != why.npos)
    why = "its command cannot be started: " +
          why.substr(at + kRunc.size(), why.rfind(": unknown") - at - kRunc.size());
  say(fmt::format("run {} {} after {}{}{}", name, status == "Stopped" ? "was stopped" : "failed", after,
                  why.empty() ? "" : ": ", why));
  if (interrupted) return kInterrupted;
  return code && *code != 0 && !no_start ? *code : kFailed;
}

}  // namespace

Result<JsonObject> bring_outputs(const Common& common, const Place& place, const Json& workflow, bool quiet) {
  const auto artifact = artifact_of_run(workflow, "", workflow::kOutputs);
  if (!artifact)
    return artifact.error().reason == Reason::NotFound ? Result<JsonObject>(JsonObject{})
                                                       : fail(artifact.error());
  const std::string_view key = string_at(*artifact, {"s3", "key"});
  const auto digest = Digest::parse_hex(key.substr(std::min(key.find('/') + 1, key.size())));
  if (!digest) return fail(digest.error());
  std::string name = (std::filesystem::temp_directory_path() / "ingot-outputs-XXXXXX").string();
  const host::Fd archive(::mkostemp(name.data(), O_CLOEXEC));
  if (!archive)
    return fail(Reason::InternalError, fmt::format("cannot write {}: {}", name, std::strerror(errno)));
  ::unlink(name.c_str());
  auto client = Client::open(common);
  if (!client) return fail(client.error());
  {
    TransferProgress progress("fetching outputs", api::int_at(*artifact, {"size"}).value_or(0));
    auto fetched = BlobClient(*client, place.tenant).get_file(*digest, archive.get(), progress);
    if (!fetched) return fail(fetched.error());
  }
  const auto unpacker = [](const host::Fd& from, const host::Fd& to) {
    return host::unpack_apart(from, to, {}, nullptr);
  };
  auto brought = host::bring_back(archive, std::string(workflow::kOutputs), unpacker);
  if (!brought) return fail(brought.error());
  for (const std::string& link : brought->left_out)
    say(fmt::format("left out outputs/{}, a link that leads out of it", link));
  if (!quiet && brought->files > 0)
    say(fmt::format("outputs: {}, {} in ./{}{}", files_text(brought->files), size_text(brought->bytes),
                    workflow::kOutputs,
                    brought->replaced > 0 ? fmt::format(", {} replaced", brought->replaced) : ""));
  return JsonObject{{"files", brought->files}, {"bytes", brought->bytes}, {"replaced", brought->replaced}};
}

int run(const Common& common, const RunOptions& options) {
  auto client = Client::open(common);
  if (!client) return failed(client.error());
  auto place = place_of(*client, options.tenant, options.ns, "run");
  if (!place) return failed(place.error());
  auto step = step_of(*client, *place, options);
  if (!step) return failed(step.error());
  // Whatever is refused is refused before the directory is packed and sent.
  step->source = std::string(kDigits, '0');
  if (auto possible = submit(*client, *place, *step, true); !possible) return failed(possible.error());
  auto packed = pack(options);
  if (!packed) return failed(packed.error());
  for (const std::string& name : packed->left_out) say(fmt::format("left out {}, which is no file", name));
  if (auto sent = send(*client, place->tenant, *packed); !sent) return failed(sent.error());
  step->source = packed->digest.hex();
  auto made = submit(*client, *place, *step, false);
  if (!made) return failed(made.error());
  const std::string name(string_at(*made, {"metadata", "name"}));
  if (options.detach) {
    if (common.json)
      print_json(*made);
    else
      fmt::print("{}\n", name);
    say(fmt::format("follow it with `ingot runs logs -f {} --tenant {}`", name, place->tenant));
    return kOk;
  }
  say(fmt::format("run {} of {}", name, place->tenant));
  RunFollower follower(common, *place, name);
  const auto interrupted = stop_when_interrupted(follower);
  auto last = follow(follower, common.json);
  if (!last) return failed(last.error());
  auto outputs = bring_outputs(common, *place, *last, false);
  const int code = judge(*last, *interrupted > 0);
  if (!outputs) (void)failed(outputs.error());
  if (common.json)
    print_json(JsonObject{{"name", name},
                          {"tenant", place->tenant},
                          {"namespace", place->ns},
                          {"status", status_text(*last)},
                          {"exitCode", code},
                          {"source", packed->digest.text()},
                          {"outputs", outputs ? *outputs : JsonObject{}}});
  return outputs || code != kOk ? code : kFailed;
}

}  // namespace ingot
