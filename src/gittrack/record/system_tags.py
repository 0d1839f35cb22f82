"""Keys of tags that mean something to those who read them; MLflow's names where it has one, for its scripts."""

RUN_NAME = "mlflow.runName"
PARENT_RUN_ID = "mlflow.parentRunId"
NOTE = "mlflow.note.content"
USER = "mlflow.user"
SOURCE_NAME = "mlflow.source.name"
SOURCE_TYPE = "mlflow.source.type"
COMMIT = "mlflow.source.git.commit"
BRANCH = "mlflow.source.git.branch"
CONTEXT = "mlflow.data.context"  # on the use of a dataset
SOURCE = "gittrack.source"
SOURCE_COMMAND = "command"  # of a run that `gittrack run -- CMD` has made
IN_REPRODUCTION = "gittrack.in_reproduction"  # of a run that a reproduction makes, and that repeats none
SEED = "gittrack.seed"  # of `gittrack.seed_all`
