// When an exited container starts again. Pure; any thread.
#pragma once

#include "base/time.h"
#include "node/pod.h"
#include "node/runtime.h"

namespace ingot::node {

// Whether a container of this kind starts again after it exited with `exit_code` (restartPolicy; init containers
// that are not sidecars never repeat a success).
bool restarts(const ContainerDef&, RestartPolicy, int32_t exit_code);

// Whether this one, which has ended, starts again: as above, or because its pod retries what failed.
bool restarts(const Pod&, const ContainerDef&, const ContainerStatus& ended);

// Restarts in a row as they count at an exit: a run of ten minutes or more starts anew.
int streak_at_exit(int restarts_in_row, Duration ran_for);

// How long after its exit a container waits, having been restarted `streak` times in a row: not at all the first
// time, then 10 s doubling up to 5 min (the kubelet's back-off).
Duration restart_delay(int streak);

}  // namespace ingot::node
