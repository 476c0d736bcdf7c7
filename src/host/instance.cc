#include "host/instance.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>

#include <cerrno>
#include <charconv>
#include <cstring>

#include "api/json.h"

namespace ingot::host {
namespace {

constexpr int kStartTimeField = 22;

std::string record_path(const std::string& data) { return data + "/factory.json"; }

Error in_use(const std::string& data) {
  std::string who = "ingot";
  if (const auto record = read_record(data); record && is_running(*record))
    who = fmt::format("ingot (pid {}) on {}", record->pid, record->address);
  return {.reason = Reason::Conflict,
          .message = fmt::format("{} is in use by {}\n  stop it with `ingot down`, or choose another --data",
                                 data, who)};
}

}  // namespace

int64_t process_start_ticks(pid_t pid) {
  const auto stat = read_file(fmt::format("/proc/{}/stat", pid));
  if (!stat) return 0;
  // The second field is a program's name in parentheses and may hold anything, also ") ".
  size_t at = stat->rfind(')');
  // One that has ended and was not waited for is gone to us.
  if (at != stat->npos && at + 2 < stat->size() && ((*stat)[at + 2] == 'Z' || (*stat)[at + 2] == 'X'))
    return 0;
  for (int field = 2; at != stat->npos && field < kStartTimeField; ++field) at = stat->find(' ', at + 1);
  int64_t ticks = 0;
  if (at != stat->npos) std::from_chars(stat->data() + at + 1, stat->data() + stat->size(), ticks);
  return ticks;
}

Result<FactoryRecord> read_record(const std::string& data) {
  const auto text = read_file(record_path(data));
  if (!text) return fail(text.error());
  const auto json = api::parse_json(*text);
  if (!json)
    return fail(Reason::InternalError, fmt::format("{}: {}", record_path(data), json.error().message));
  return FactoryRecord{.id = std::string(api::string_at(*json, {"id"})),
                       .pid = pid_t(api::int_at(*json, {"pid"}).value_or(0)),
                       .start_ticks = api::int_at(*json, {"startTicks"}).value_or(0),
                       .address = std::string(api::string_at(*json, {"address"})),
                       .version = std::string(api::string_at(*json, {"version"})),
                       .gpus = std::string(api::string_at(*json, {"gpus"})),
                       .keep_pods = api::bool_at(*json, {"keepPods"})};
}

bool is_running(const FactoryRecord& record) {
  return record.pid > 0 && record.start_ticks > 0 && process_start_ticks(record.pid) == record.start_ticks;
}

Result<std::unique_ptr<Instance>> Instance::claim(const std::string& data) {
  if (auto made = make_directory(data, 0700); !made) return fail(made.error());
  const std::string path = data + "/lock";
  Fd lock(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!lock) return fail(Reason::InternalError, fmt::format("cannot write {}: {}", path, strerror(errno)));
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) return fail(in_use(data));
  std::unique_ptr<Instance> instance(new Instance(data, std::move(lock)));
  auto record = read_record(data);
  if (record) instance->record_ = std::move(*record);
  if (!record && record.error().reason != Reason::NotFound) return fail(record.error());
  return instance;
}

Result<void> Instance::write(FactoryRecord record) {
  const std::string text = api::to_text(api::JsonObject{{"id", record.id},
                                                        {"pid", record.pid},
                                                        {"startTicks", record.start_ticks},
                                                        {"address", record.address},
                                                        {"version", record.version},
                                                        {"gpus", record.gpus},
                                                        {"keepPods", record.keep_pods}});
  record_ = std::move(record);
  return write_file(record_path(data_), text + "\n", 0600);
}

}  // namespace ingot::host
