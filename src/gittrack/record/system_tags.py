"""Keys of tags that mean something to those who read them; the names are MLflow's, so that scripts find them."""

RUN_NAME = "mlflow.runName"
PARENT_RUN_ID = "mlflow.parentRunId"
NOTE = "mlflow.note.content"
USER = "mlflow.user"
SOURCE_NAME = "mlflow.source.name"
SOURCE_TYPE = "mlflow.source.type"
COMMIT = "mlflow.source.git.commit"
BRANCH = "mlflow.source.git.branch"
CONTEXT = "mlflow.data.context"  # on the use of a dataset
