"""Keeping a store whole and small: put runs back, commit them, verify every digest, free what nothing needs.

`unsaved/` holds second copies of what no commit holds; `recover` puts back from it what a `git clean` or a
`git stash` took away, and drops what a branch or a git tag holds by now. A *finding* of `fsck` names something
damaged, where it is and what can be done; nothing is repaired unasked. `gc` shows a plan before anything goes.
"""
