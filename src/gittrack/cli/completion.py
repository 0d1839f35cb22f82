"""`gittrack completion`."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from gittrack.cli import COMPLETE, output
from gittrack.cli.options import json_option

SHELLS = ("bash", "zsh", "fish")


@click.command(
    "completion",
    epilog="""\b
To install it:
  bash   echo 'eval "$(gittrack completion bash)"' >> ~/.bashrc
  zsh    echo 'eval "$(gittrack completion zsh)"' >> ~/.zshrc
  fish   gittrack completion fish > ~/.config/fish/completions/gittrack.fish
""",
)
@click.argument("shell", type=click.Choice(SHELLS))
@json_option
@click.pass_context
def completion_command(context: click.Context, shell: str, as_json: bool) -> None:
    """Print the script that makes SHELL complete commands, options and runs."""
    kind = get_completion_class(shell)
    assert kind is not None
    script = kind(context.find_root().command, {}, "gittrack", COMPLETE).source()
    if as_json:
        output.say_json({"shell": shell, "script": script})
        return
    output.say(script)
