#!/bin/sh
# Compile the walk outside of the tree, and walk.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cc -O1 -o "$folder/walk" walk.c -lm
"$folder/walk"
