"""Every command of Ray's in the documentation is one that this Ray has, with options that it takes."""

from __future__ import annotations

import contextlib
import shlex

import click
import pytest
from ray.scripts.scripts import cli

from tests.documentation.commands import ray_commands


def parse(words: list[str]) -> click.Command:
    """Read a command as Ray would, without running it; the command that it names."""
    command: click.Command = cli
    context = click.Context(cli, info_name="ray")
    while isinstance(command, click.Group):
        found = command.get_command(context, words[0])
        if found is None:
            raise click.UsageError(f"no such command: {words[0]}")
        command, words = found, words[1:]
        context = click.Context(command, parent=context, info_name=command.name)
    command.make_context(command.name, list(words), parent=context.parent)
    return command


@pytest.mark.parametrize("words", [words for words in ray_commands() if len(words) > 1], ids=shlex.join)
def test_ray_takes_the_command(words: list[str]) -> None:
    with contextlib.suppress(click.MissingParameter):  # named in a sentence, without what it works on
        parse(words[1:])


def test_an_option_that_is_not_rays_is_refused() -> None:
    with pytest.raises(click.NoSuchOption):
        parse(["start", "--head", "--dashboard-hosts", "127.0.0.1"])


def test_the_pages_tell_how_a_cluster_starts_and_how_a_job_is_submitted() -> None:
    told = [words[1:3] for words in ray_commands()]
    assert ["up", "cluster.yaml"] in told and ["job", "submit"] in told and ["get-auth-token", "--generate"] in told
