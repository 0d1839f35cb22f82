"""Tags of runs."""

from __future__ import annotations

from tests.differential.twins import same_in_both


def own(run) -> dict[str, str]:
    """Return the tags that the script set."""
    return {key: value for key, value in run.data.tags.items() if not key.startswith("mlflow.")}


@same_in_both
def test_a_tag_is_text_and_can_be_overwritten(ml, see) -> None:
    with ml.start_run() as run:
        see(ml.set_tag("team", "a"))
        see(ml.set_tags({"n": 1, "none": None, "dict": {"a": 1}, "empty": ""}))
        ml.set_tag("team", "b")
    see(own(ml.get_run(run.info.run_id)))


@same_in_both
def test_a_tag_can_be_deleted_and_set_again(ml, see) -> None:
    with ml.start_run() as run:
        ml.set_tag("team", "a")
        see(ml.delete_tag("team"))
        see(own(ml.get_run(run.info.run_id)))
        see.error(ml.delete_tag, "team")
        see.error(ml.delete_tag, "never")
        ml.set_tag("team", "b")
    see(own(ml.get_run(run.info.run_id)))


@same_in_both
def test_tags_of_an_ended_run_can_be_changed(ml, see) -> None:
    client = ml.MlflowClient()
    with ml.start_run(tags={"team": "a", "level": 1}) as run:
        pass
    client.set_tag(run.info.run_id, "team", "b")
    client.set_tag(run.info.run_id, "new", "c")
    client.delete_tag(run.info.run_id, "level")
    see(own(ml.get_run(run.info.run_id)))
    see.error(client.delete_tag, run.info.run_id, "level")
    see.error(client.set_tag, "0" * 32, "team", "b")
    see.error(client.delete_tag, "0" * 32, "team")
    see(ml.get_run(run.info.run_id).info.status)


@same_in_both
def test_a_long_tag_is_kept_whole(ml, see) -> None:
    with ml.start_run() as run:
        ml.set_tag("at the limit", "x" * 8000)
        ml.set_tag("long", "x" * 8001)
    tags = ml.get_run(run.info.run_id).data.tags
    see(len(tags["at the limit"]))
    see.differs("long-values", len(tags["long"]), mlflow=8000, gittrack=8001)


@same_in_both
def test_the_tag_of_the_name_renames_the_run(ml, see) -> None:
    with ml.start_run(run_name="first") as run:
        ml.set_tag("mlflow.runName", "second")
    found = ml.get_run(run.info.run_id)
    see([found.info.run_name, found.data.tags["mlflow.runName"]])
    ml.MlflowClient().set_tag(run.info.run_id, "mlflow.runName", "third")
    found = ml.get_run(run.info.run_id)
    see([found.info.run_name, found.data.tags["mlflow.runName"]])


@same_in_both
def test_the_tag_of_the_user_does_not_change_who_ran_it(ml, see) -> None:
    with ml.start_run() as run:
        ml.set_tag("mlflow.user", "grace")
    found = ml.get_run(run.info.run_id)
    see(found.data.tags["mlflow.user"])
    see(found.info.user_id == "grace")


@same_in_both
def test_a_description_is_a_tag(ml, see) -> None:
    with ml.start_run(description="why") as run:
        pass
    see(ml.get_run(run.info.run_id).data.tags["mlflow.note.content"])
    see.error(ml.start_run, description="why", tags={"mlflow.note.content": "why not"})
    see(ml.active_run())


@same_in_both
def test_a_run_has_the_tags_that_mlflow_sets(ml, see) -> None:
    with ml.start_run(run_name="trial", tags={"mine": 1}) as run:
        pass
    see(ml.get_run(run.info.run_id).data.tags)


@same_in_both
def test_tags_that_are_no_dictionary_are_refused(ml, see) -> None:
    with ml.start_run():
        for tags in (None, 1, ["a"]):
            see.refused(ml.set_tags, tags, mlflow="AttributeError")
        see.error(ml.set_tags, {})
