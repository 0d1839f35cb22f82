"""Every git call of the project; plain types of ours come out.

There are two doors to git, hardened by the same function (`command.hardened`). `command.run` and
`command.start` use `subprocess`: the start of a run has 25 ms for everything and importing GitPython alone
takes 150 ms, and streams (`cat-file --batch`, `log -z`) are read while they are written. `command.porcelain`
uses GitPython's command façade, imported when it is first called, for what can wait.

A *capture* is the code of a run as git can keep it: a commit, or a snapshot commit for a tree with changes.
The *code tree* is the id of a root tree without `.gittrack/`. The *keep ref* holds the captures of one clone
from `git gc`. A *worktree* here is one that gittrack made, detached, to run something again.
"""
