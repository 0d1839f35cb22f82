#!/bin/sh
# Means by kind, the tallest plants, and a count of words, with the tools of every Unix.
set -eu
LC_ALL=C
export LC_ALL
awk -F, 'NR > 1 { sum[$2] += $6; count[$2]++ }
    END { for (kind in sum) printf "%s %d %.6f\n", kind, count[kind], sum[kind] / count[kind] }' \
    data/measurements.csv | sort
tail -n +2 data/measurements.csv | sort -t, -k5,5nr -k1,1n | head -5
cut -d, -f2 data/measurements.csv | sort | uniq -c | sort -rn
