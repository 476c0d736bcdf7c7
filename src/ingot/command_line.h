// From arguments to a command. Main thread.
#pragma once

namespace ingot {

int run_command_line(int argc, char** argv);

}  // namespace ingot
