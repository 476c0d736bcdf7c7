#include "gpu/mig.h"

#include <algorithm>
#include <array>
#include <cstddef>

namespace ingot::gpu {
namespace {

using std::size_t;

constexpr int kMost = 7;  // profiles of a board

struct Geometry {
  std::string_view model;
  int slices = 0, units = 0;
  size_t count = 0;
  std::array<Profile, kMost> profiles{};
};

// Boards of 7 compute slices and 8 memory units, smallest first. Name and memory are the board's.
constexpr std::array<Profile, kMost> kSevenths{{
    {.id = 19, .nvml = 0, .slices = 1, .units = 1, .starts = 0b111'1111, .most = 7},
    {.id = 20, .nvml = 7, .slices = 1, .units = 1, .starts = 0b111'1111, .most = 1, .extensions = true},
    {.id = 15, .nvml = 9, .slices = 1, .units = 2, .starts = 0b101'0101, .most = 4},
    {.id = 14, .nvml = 1, .slices = 2, .units = 2, .starts = 0b001'0101, .most = 3},
    {.id = 9, .nvml = 2, .slices = 3, .units = 4, .starts = 0b001'0001, .most = 2},
    {.id = 5, .nvml = 3, .slices = 4, .units = 4, .starts = 0b000'0001, .most = 1},
    {.id = 0, .nvml = 4, .slices = 7, .units = 8, .starts = 0b000'0001, .most = 1},
}};
constexpr std::array<Profile, 3> kQuarters{{
    {.id = 14, .nvml = 0, .slices = 1, .units = 1, .starts = 0b1111, .most = 4},
    {.id = 5, .nvml = 1, .slices = 2, .units = 2, .starts = 0b0101, .most = 2},
    {.id = 0, .nvml = 3, .slices = 4, .units = 4, .starts = 0b0001, .most = 1},
}};

// Memory in MiB; negative: derived.
template <size_t N>
constexpr Geometry cut(std::string_view model, int slices, int units, const std::array<Profile, N>& kinds,
                       const std::array<std::string_view, N>& names, const std::array<int64_t, N>& mib) {
  Geometry out{.model = model, .slices = slices, .units = units, .count = N};
  for (size_t i = 0; i < N; ++i) {
    out.profiles[i] = kinds[i];
    out.profiles[i].name = names[i];
    out.profiles[i].memory_mib = mib[i] < 0 ? -mib[i] : mib[i];
    out.profiles[i].derived = mib[i] < 0;
  }
  return out;
}
constexpr Geometry sevenths(std::string_view model, const std::array<std::string_view, kMost>& names,
                            const std::array<int64_t, kMost>& mib) {
  return cut(model, 7, 8, kSevenths, names, mib);
}

// Derived memory. H200: 1g with double memory as 2g, 3g and 4g half of 7g. H100 NVL and GH200: the H200's part of
// the board's memory, rounded down to 512 MiB.
constexpr Geometry kBoards[] = {
    cut<3>("A30", 4, 4, kQuarters, {"1g.6gb", "2g.12gb", "4g.24gb"}, {5836, 11672, 23344}),
    sevenths("A100-40GB", {"1g.5gb", "1g.5gb+me", "1g.10gb", "2g.10gb", "3g.20gb", "4g.20gb", "7g.40gb"},
             {4864, 4864, 9856, 9856, 19968, 19968, 40192}),
    sevenths("A100-80GB", {"1g.10gb", "1g.10gb+me", "1g.20gb", "2g.20gb", "3g.40gb", "4g.40gb", "7g.80gb"},
             {9856, 9856, 19968, 19968, 40192, 40192, 80384}),
    sevenths("H100-80GB", {"1g.10gb", "1g.10gb+me", "1g.20gb", "2g.20gb", "3g.40gb", "4g.40gb", "7g.80gb"},
             {9984, 9984, 20091, 20091, 40448, 40448, 81152}),
    sevenths("H100-94GB", {"1g.12gb", "1g.12gb+me", "1g.24gb", "2g.24gb", "3g.47gb", "4g.47gb", "7g.94gb"},
             {-10752, -10752, -22016, -22016, -47616, -47616, -95232}),
    sevenths("GH200-96GB", {"1g.12gb", "1g.12gb+me", "1g.24gb", "2g.24gb", "3g.48gb", "4g.48gb", "7g.96gb"},
             {-10752, -10752, -22528, -22528, -48640, -48640, -97280}),
    sevenths("H200-141GB", {"1g.18gb", "1g.18gb+me", "1g.35gb", "2g.35gb", "3g.71gb", "4g.71gb", "7g.141gb"},
             {16384, 16384, -33280, 33280, -71680, -71680, 143360}),
    sevenths("B200-180GB", {"1g.23gb", "1g.23gb+me", "1g.45gb", "2g.45gb", "3g.90gb", "4g.90gb", "7g.180gb"},
             {23040, 23040, 46080, 46080, 92160, 92160, 184320}),
};

static_assert(std::size(kBoards) == kGeometries);

const Geometry* board(std::string_view model) {
  const int g = geometry(model);
  return g < 0 ? nullptr : &kBoards[g];
}

std::string starts_text(const Profile& p) {
  std::string out;
  for (int s = 0; s < 8; ++s)
    if (p.may_start(s)) out += (out.empty() ? "" : ", ") + std::to_string(s);
  return out;
}

}  // namespace

int geometry(std::string_view model) {
  const auto found = std::ranges::find(kBoards, model, &Geometry::model);
  return found == std::ranges::end(kBoards) ? -1 : int(found - std::ranges::begin(kBoards));
}

std::span<const Profile> profiles(int geometry) {
  if (geometry < 0 || geometry >= kGeometries) return {};
  return {kBoards[geometry].profiles.data(), kBoards[geometry].count};
}

int memory_units(int geometry) {
  return geometry < 0 || geometry >= kGeometries ? 0 : kBoards[geometry].units;
}

std::span<const Profile> profiles(std::string_view model) { return profiles(geometry(model)); }

const Profile* find_profile(std::string_view model, std::string_view name) {
  for (const Profile& p : profiles(model))
    if (p.name == name) return &p;
  return nullptr;
}

const Profile* find_profile(std::string_view model, int id) {
  for (const Profile& p : profiles(model))
    if (p.id == id) return &p;
  return nullptr;
}

int compute_slices(std::string_view model) {
  const Geometry* g = board(model);
  return g ? g->slices : 0;
}

int memory_units(std::string_view model) { return memory_units(geometry(model)); }

std::string profile_names(std::string_view model) {
  std::string out;
  for (const Profile& p : profiles(model)) (out += out.empty() ? "" : ", ") += p.name;
  return out;
}

std::string profile_of_resource(std::string_view suffix) {
  std::string out(suffix);
  if (out.ends_with(".me")) out[out.size() - 3] = '+';
  return out;
}

std::string resource_suffix(std::string_view profile) {
  std::string out(profile);
  std::ranges::replace(out, '+', '.');
  return out;
}

UnitMask free_starts(const Profile& profile, Cut cut) {
  if (profile.media() && cut.media) return 0;
  unsigned blocked = cut.taken;
  for (int u = 1; u < profile.units; ++u) blocked |= unsigned(cut.taken) >> u;
  return UnitMask(profile.starts & ~blocked);
}

std::expected<void, std::string> legal(std::string_view model, std::span<const Instance> layout) {
  const Geometry* g = board(model);
  if (!g) return std::unexpected(std::string(model) + " cannot be cut into MIG instances");
  UnitMask taken = 0;
  int slices = 0;
  for (const Instance& i : layout) {
    if (!i.profile || find_profile(model, i.profile->name) != i.profile)
      return std::unexpected(std::string(model) + " has no profile " +
                             std::string(i.profile ? i.profile->name : "of no name") + "; it has " +
                             profile_names(model));
    const std::string name(i.profile->name);
    if (!i.profile->may_start(i.start))
      return std::unexpected(name + " may not start at " + std::to_string(i.start) + "; it may at " +
                             starts_text(*i.profile));
    if (const UnitMask units = i.profile->at(i.start); taken & units)
      return std::unexpected("memory unit " + std::to_string(std::countr_zero(UnitMask(taken & units))) +
                             " is in two instances");
    taken |= i.profile->at(i.start);
    if ((slices += i.profile->slices) > g->slices)
      return std::unexpected("its instances have more than " + std::to_string(g->slices) + " compute slices");
    if (std::ranges::count(layout, i.profile, &Instance::profile) > i.profile->most)
      return std::unexpected("at most " + std::to_string(i.profile->most) + " of " + name);
  }
  return {};
}

int32_t board_milli(std::string_view model, std::string_view profile, int32_t milli) {
  const Profile* p = find_profile(model, profile);
  return p ? int32_t(int64_t(milli) * p->units / memory_units(model)) : milli;
}

}  // namespace ingot::gpu
