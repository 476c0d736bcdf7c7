#!/usr/bin/env bash
exec python3 "$(dirname "$0")/git_e2e.py"
