# Fit a line to two columns by least squares.
use strict;
use warnings;

my ($n, $sx, $sy, $sxx, $sxy) = (0, 0, 0, 0, 0);
open(my $file, '<', 'data/measurements.csv') or die "no data: $!";
my $head = <$file>;
while (my $line = <$file>) {
    chomp $line;
    my (undef, undef, $x, undef, undef, $y) = split /,/, $line;
    $n++;
    $sx += $x;
    $sy += $y;
    $sxx += $x * $x;
    $sxy += $x * $y;
}
my $slope = ($n * $sxy - $sx * $sy) / ($n * $sxx - $sx * $sx);
printf "rows %d\nslope %.12f\nintercept %.12f\n", $n, $slope, ($sy - $slope * $sx) / $n;
