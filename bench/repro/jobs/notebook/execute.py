"""Execute a notebook and keep it with its output; its cells log to the same run."""

from __future__ import annotations

import nbformat
from nbclient import NotebookClient

import gittrack

with gittrack.start_run():
    notebook = nbformat.read("analysis.ipynb", as_version=4)
    NotebookClient(notebook, timeout=120).execute()
    nbformat.write(notebook, "executed.ipynb")
    gittrack.log_artifact("executed.ipynb")
