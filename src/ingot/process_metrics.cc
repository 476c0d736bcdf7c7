#include "ingot/process_metrics.h"

#include <dirent.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>

#include "host/disk_file.h"
#include "host/instance.h"

namespace ingot {
namespace {

// Open descriptors, this one for the counting left out.
double open_files() {
  DIR* directory = ::opendir("/proc/self/fd");
  if (!directory) return 0;
  int count = -3;  // ".", ".." and the directory
  while (::readdir(directory)) ++count;
  ::closedir(directory);
  return count;
}

}  // namespace

void add_process_metrics(metering::Exposition& page) {
  const auto say = [&](std::string_view name, std::string_view kind, std::string_view help, double value) {
    page.family(name, kind, help);
    page.sample(name, {}, value);
  };
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  const auto seconds = [](const timeval& t) { return double(t.tv_sec) + double(t.tv_usec) / 1e6; };
  say("process_cpu_seconds_total", "counter", "Total user and system CPU time spent in seconds.",
      seconds(used.ru_utime) + seconds(used.ru_stime));
  long long pages = 0, resident = 0;
  if (const auto text = host::read_file("/proc/self/statm", 4096))
    std::sscanf(text->c_str(), "%lld %lld", &pages, &resident);
  const auto page_size = double(::sysconf(_SC_PAGESIZE));
  say("process_virtual_memory_bytes", "gauge", "Virtual memory size in bytes.", double(pages) * page_size);
  say("process_resident_memory_bytes", "gauge", "Resident memory size in bytes.",
      double(resident) * page_size);
  say("process_open_fds", "gauge", "Number of open file descriptors.", open_files());
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  say("process_max_fds", "gauge", "Maximum number of open file descriptors.", double(files.rlim_cur));
  long long boot = 0;
  if (const auto text = host::read_file("/proc/stat", 1u << 20))
    if (const size_t at = text->find("btime "); at != text->npos)
      std::sscanf(text->c_str() + at, "btime %lld", &boot);
  const double ticks = double(host::process_start_ticks(::getpid())) / double(::sysconf(_SC_CLK_TCK));
  say("process_start_time_seconds", "gauge", "Start time of the process since unix epoch in seconds.",
      double(boot) + ticks);
  page.family("ingot_build_info", "gauge", "The version that runs.");
  page.sample("ingot_build_info", {{"version", INGOT_VERSION}}, 1);
}

}  // namespace ingot
