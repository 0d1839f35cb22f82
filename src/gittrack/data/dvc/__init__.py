"""DVC's files, caches and remotes, read without DVC; nothing of DVC's is ever written.

DVC names content by MD5: a *file* by that of its bytes, a *folder* by that of its list of files, a `.dir` *object*.
`.dvc` files and `dvc.lock` say which content lies at which path; a *cache* and a *remote* hold objects by name.
DVC 3 hashes the bytes as they are. DVC 2, whose entries have no `hash:`, takes CR LF as LF in what looks like text,
and keeps its objects at another place of the same cache. What is read here came from anywhere: an MD5 has 32 hex
digits before it touches a path, and content counts only once it was hashed.
"""
