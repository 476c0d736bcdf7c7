#!/usr/bin/env bash
exec python3 "$(dirname "$0")/devices_e2e.py"
