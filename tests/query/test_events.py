"""Tags and deletions that came later: one state, whatever the order in which events arrive."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from gittrack.entities.record import Digest, Event, RunId
from gittrack.record import events
from gittrack.record.format import dump_event
from gittrack.store.digest import of_bytes
from tests.query.helpers import START, Store, a_run, run_id

RUN = run_id(1)


def add(
    known: dict[Digest, Event], op: str, key: str | None, value: str | None, now: int
) -> dict[Digest, Event]:
    event = events.new_event(RUN, op, key, value, known=known, now_ms=now, user="ada")
    return {**known, of_bytes(dump_event(event)): event}


def test_an_event_comes_after_what_it_has_seen_although_its_clock_is_behind() -> None:
    known = add({}, "set_tag", "a", "old", START + 1_000_000)
    known = add(known, "set_tag", "a", "new", START)
    assert events.fold(known)[RUN].tags == {"a": "new"}
    assert events.fold(known)[RUN].contested == set()
    newest = max(known.values(), key=lambda event: (event.time, event.counter))
    assert (newest.value, newest.time, newest.counter) == ("new", START + 1_000_000, 1)


def test_a_forged_time_does_not_win_against_who_has_seen_it() -> None:
    known = add({}, "set_tag", "a", "forged", 250_000_000_000_000)
    [(digest, forged)] = known.items()
    honest = forged._replace(value="honest", time=START, seen=(digest,))
    known[of_bytes(dump_event(honest))] = honest
    assert events.fold(known)[RUN].tags == {"a": "honest"}


def test_two_who_have_not_seen_each_other_contest() -> None:
    left = add({}, "set_tag", "a", "left", START)
    right = add({}, "set_tag", "a", "right", START + 1)
    state = events.fold(left | right)[RUN]
    assert state.tags == {"a": "right"}
    assert state.contested == {"a"}
    assert state.disagreeing == {*left, *right}
    settled = add(left | right, "set_tag", "a", "both", START)
    assert events.fold(settled)[RUN].contested == set()


def test_two_who_say_the_same_do_not_contest() -> None:
    both = add({}, "set_tag", "a", "x", START) | add({}, "set_tag", "a", "x", START + 1)
    assert events.fold(both)[RUN].contested == set()


def test_a_tag_set_again_after_other_keys_is_not_contested() -> None:
    known = add({}, "set_tag", "a", "1", START)
    known = add(known, "set_tag", "b", "1", START)
    known = add(known, "set_tag", "a", "2", START)
    assert events.fold(known)[RUN].tags == {"a": "2", "b": "1"}
    assert events.fold(known)[RUN].contested == set()


def test_an_event_that_has_seen_what_is_not_here_is_taken() -> None:
    event = Event(RUN, "delete", None, None, START, 0, (Digest("f" * 64),), "ada")
    assert events.fold({of_bytes(dump_event(event)): event})[RUN].deleted


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["left", "right", "sync"]),
        st.sampled_from(["set_tag", "delete_tag", "delete", "restore"]),
        st.sampled_from(["a", "b"]),
        st.sampled_from(["1", "2"]),
        st.integers(START - 5, START + 5),
    ),
    max_size=12,
)


@settings(max_examples=150, deadline=None)
@given(STEPS, st.randoms(use_true_random=False))
def test_the_state_is_the_same_for_any_order_of_arrival(
    steps: list[tuple[str, str, str, str, int]], chance: object
) -> None:
    sides: dict[str, dict[Digest, Event]] = {"left": {}, "right": {}}
    last: dict[str, tuple[str, str | None]] = {}
    for side, op, key, value, now in steps:
        if side == "sync":
            sides["left"] = sides["right"] = sides["left"] | sides["right"]
            last = {}
            continue
        tagging = op.endswith("tag")
        sides[side] = add(sides[side], op, key if tagging else None, value if op == "set_tag" else None, now)
        last[side] = (op, key)
    both = list((sides["left"] | sides["right"]).items())
    state = events.fold(dict(both))
    chance.shuffle(both)  # type: ignore[attr-defined]
    assert events.fold(dict(both)) == state
    if steps and steps[-1][0] != "sync":
        side, op, key, value, _ = steps[-1]
        mine = events.fold(sides[side])[RUN]  # who writes sees what they wrote
        if op == "set_tag":
            assert mine.tags[key] == value
        elif op == "delete_tag":
            assert mine.tags[key] is None
        else:
            assert mine.deleted == (op == "delete")


def test_events_change_tags_and_hide_runs(store: Store) -> None:
    store.put(a_run(1, tags={"team": "red", "old": "x"}))
    store.put(a_run(2, tags={"team": "blue"}))
    store.tell(RUN, "set_tag", "team", "green")
    store.tell(RUN, "set_tag", "new", "it's")
    store.tell(RUN, "delete_tag", "old")
    store.tell(run_id(2), "delete")
    store.tell(RunId("f" * 32), "set_tag", "nobody", "x")
    session = store.session()
    assert session.rows("select name, deleted, tags from runs order by name") == [
        ("trial-1", False, {"team": "green", "new": "it's"}),
        ("trial-2", True, {"team": "blue"}),
    ]
    assert session.rows("select run_id, key, value from tags order by all") == [
        (RUN, "new", "it's"),
        (RUN, "team", "green"),
        (run_id(2), "team", "blue"),
    ]
    assert session.run(RUN).tags == {"team": "green", "new": "it's"}
    store.tell(run_id(2), "restore")
    assert store.session().rows("select deleted from runs order by name") == [(False,), (False,)]
    assert store.session().rows("select count(*), count(distinct digest) from events") == [(6, 6)]


def test_contested_tags_and_future_events_are_marked(store: Store) -> None:
    store.put(a_run(1, tags={"team": "red"}))
    left = events.new_event(RUN, "set_tag", "a", "1", known={}, now_ms=START, user="ada")
    right = events.new_event(RUN, "set_tag", "a", "2", known={}, now_ms=200_000_000_000_000, user="eve")
    events.write_event(store.layout, left)
    events.write_event(store.layout, right)
    session = store.session()
    assert session.rows("select key, value, contested from tags order by key") == [
        ("a", "2", True),
        ("team", "red", False),
    ]
    assert session.rows('select value, "user", contested, future from events order by value') == [
        ("1", "ada", True, False),
        ("2", "eve", True, True),
    ]


def test_an_event_is_written_twice_over_and_read_once(store: Store) -> None:
    store.put(a_run(1))
    event = store.tell(RUN, "set_tag", "a", "b")
    digest = of_bytes(dump_event(event))
    assert store.layout.event(digest).read_bytes() == store.layout.unsaved.event(digest).read_bytes()
    assert store.session().events(RUN) == {digest: event}
