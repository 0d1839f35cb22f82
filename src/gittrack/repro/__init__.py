"""From a run's id back to its inputs, through its command again, to a verdict.

A *plan* says what would be executed; *consent* is the digest of exactly that, and nothing is executed that this
clone's user neither made nor agreed to. A run is repeated by running the *process* that made it; the process's
runs are *paired* with the new ones, by their place in it. A *verdict* compares each pair's metric points and
artifacts with the record. *Suspects* are inputs that are not those of the record.

    identical, equivalent (0)   the results are those of the record, or within the tolerance asked for
    different (7)               it ran, and the results differ
    failed (8)                  the command failed where the record's did not
    impossible (9)              an input cannot be restored exactly
    inconclusive (10)           nothing to compare, or the results differ and the record is not whole
"""
