#!/bin/bash
# Lineage both ways, of what is there and of what was deleted.
exec python3 "$(dirname "$0")/lineage_e2e.py"
