"""How two contents of one artifact differ, one file for each family of formats.

What is read here was written by a job, maybe in another clone: nothing is unpickled or executed, and every size that
a file claims is bounded before memory is. A file beyond a bound is compared as far as the bound goes, and says so.
"""
