#!/bin/sh
# Sums of a table that git ignores and that nobody declared.
set -eu
LC_ALL=C
export LC_ALL
awk '{ sum += $1; squares += $1 * $1 } END { printf "%d %.6f %.6f\n", NR, sum, squares }' private/readings.txt
sort -n private/readings.txt | uniq -c
