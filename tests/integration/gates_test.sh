#!/bin/bash
# Gates: each rule holds, says why, and lets go.
exec python3 "$(dirname "$0")/gates_e2e.py"
