// MIG: which instances a board can be cut into, and where they may lie. The one place that knows.
//
// A board has compute slices and memory units; an instance of a profile takes a run of memory units from one of the
// profile's legal starts. Source: NVIDIA's MIG user guide, "Supported MIG profiles" (nvidia-smi mig -lgipp). Plain
// values; any thread. Invariant: in a legal layout no memory unit is in two instances, compute slices suffice, and no
// profile is there more often than the board allows.
#pragma once

#include <bit>
#include <cstdint>
#include <expected>
#include <span>
#include <string>
#include <string_view>

namespace ingot::gpu {

using UnitMask = uint8_t;  // memory units of a board, or starts; bit i is unit i

struct Profile {
  std::string_view name;    // "1g.10gb", "1g.10gb+me"
  int id = 0;               // of the GPU instance profile, as nvidia-smi shows it: 19
  int nvml = 0;             // NVML_GPU_INSTANCE_PROFILE_*: what is passed to ask for it
  int slices = 0;           // compute
  int units = 0;            // of memory
  UnitMask starts = 0;      // legal ones
  int most = 0;             // instances a board can have
  int64_t memory_mib = 0;   // what a process in it finds
  bool derived = false;     // memory_mib is not published but estimated; what the driver says wins
  bool extensions = false;  // "+me": has the media engines, which a board has once
  bool media() const { return extensions; }
  UnitMask at(int start) const { return UnitMask(((1u << units) - 1u) << start); }
  bool may_start(int start) const { return start >= 0 && start < 8 && (starts >> start & 1) != 0; }
};

// Boards of one geometry have one number, from 0 up; -1: the board has no MIG.
inline constexpr int kGeometries = 8;
int geometry(std::string_view model);
std::span<const Profile> profiles(int geometry);
int memory_units(int geometry);
// Largest last; empty: the board has no MIG. `model`: a name of gpu/models.h.
std::span<const Profile> profiles(std::string_view model);
const Profile* find_profile(std::string_view model, std::string_view name);  // nullptr: the board has it not
const Profile* find_profile(std::string_view model, int id);
int compute_slices(std::string_view model);  // 7, of an A30 4; 0 without MIG
int memory_units(std::string_view model);    // 8, of an A30 4; 0 without MIG
// "1g.6gb, 2g.12gb, 4g.24gb"; "": none.
std::string profile_names(std::string_view model);

// What the resource nvidia.com/mig-SUFFIX means: the device plugin writes '.' for '+'. "1g.10gb.me" → "1g.10gb+me".
std::string profile_of_resource(std::string_view suffix);
std::string resource_suffix(std::string_view profile);

// What of a board is in instances.
struct Cut {
  UnitMask taken = 0;
  bool media = false;  // so are the media engines
  bool operator==(const Cut&) const = default;
};
// Where one more instance may start. Instances that only ever start where this says are a legal layout.
UnitMask free_starts(const Profile&, Cut);

struct Instance {
  const Profile* profile = nullptr;
  int start = 0;
  bool operator==(const Instance&) const = default;
};
// Whether a board can be cut like this; else why not ("2g.20gb may not start at 1; it may at 0, 2, 4").
std::expected<void, std::string> legal(std::string_view model, std::span<const Instance> layout);

// How much of its board a holding is, in GPU-milli: what queues, limits and bills count. An instance counts by its
// memory units, for they are what runs out: all instances of a board never count more than the board, and two
// 3g.40gb, which leave nothing, count as all of it. `profile` empty: of the whole board. `milli`: its time share.
int32_t board_milli(std::string_view model, std::string_view profile, int32_t milli);

}  // namespace ingot::gpu
