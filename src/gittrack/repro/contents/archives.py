"""Zip archives, by what their directories say of the members; nothing is unpacked."""

from __future__ import annotations

import zipfile
from pathlib import Path

from gittrack.repro.contents.finding import LISTED, ArtifactDiff, quote, some
from gittrack.repro.phrases import plural
from gittrack.repro.tolerance import Tolerance


def compare_zip(old: Path, new: Path, tolerance: Tolerance) -> ArtifactDiff:
    """Compare two archives: which members are there, and whose size or checksum differs."""
    before, after = _members(old), _members(new)
    gone, come = [n for n in before if n not in after], [n for n in after if n not in before]
    apart = [
        name for name, member in before.items() if name in after and _content(member) != _content(after[name])
    ]
    words = some([f"{quote(name)} differs" for name in apart], noun="member")
    words += some([f"{quote(name)} is missing now" for name in gone], noun="member")
    words += some([f"{quote(name)} is not in the record" for name in come], noun="member")
    same = not words
    dates = same and any(member.date_time != after[name].date_time for name, member in before.items())
    if same:
        words = ["the same members, " + ("packed at another time" if dates else "packed differently")]
    words.append(plural(len(before), "member"))
    return ArtifactDiff(
        kind="zip",
        words=tuple(words),
        facts={
            "members": [len(before), len(after)],
            "differing": apart[:LISTED],
            "missing": gone[:LISTED],
            "new": come[:LISTED],
        },
        only_times=dates,
    )


def _members(path: Path) -> dict[str, zipfile.ZipInfo]:
    with zipfile.ZipFile(path) as archive:
        return {member.filename: member for member in archive.infolist()}


def _content(member: zipfile.ZipInfo) -> tuple[int, int]:
    return member.file_size, member.CRC
