"""What a training would see, before it costs an hour: `python -m jobs.explore --preset lspet --data.root DIR`."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from jobs import cli
from trs.data.datasets import load_datasets
from trs.errors import InputError
from trs.views import labeled_views, summary, unlabeled_views
from trs.visualize import write_jpeg


@dataclass(frozen=True)
class Command(cli.Command):
    """Show the views of a training with their keypoints, and count what there is to learn from."""

    count: int = 6
    """People on the sheet of labeled people; the sheet of unlabeled people shows four times as many."""


def main(arguments: list[str]) -> None:
    """Print the counts, write views.jpg and unlabeled.jpg."""
    command = cli.parse(Command, arguments, "python -m jobs.explore")
    config = command.settings
    if command.count < 1:
        raise InputError(f"--count must be at least 1, got {command.count}")
    cli.make_folder("--out", command.folder)
    datasets = load_datasets(config.data)
    print("\n".join(summary(datasets)))
    cli.tell_notes(datasets.notes)
    sheets = [("views.jpg", "labeled people as annotated, and what the training makes of them",
               labeled_views(datasets, config, command.count))]
    if len(datasets.unlabeled):
        sheets.append(("unlabeled.jpg", "unlabeled people", unlabeled_views(datasets, config, 4 * command.count)))
    for name, title, sheet in sheets:
        write_jpeg(command.folder / name, sheet.image)
        print(f"{title}: {command.folder / name}")
    # An image with several people, or one that both sheets would show, is reported once.
    for sentence in dict.fromkeys(sentence for _, _, sheet in sheets for sentence in sheet.bad_images):
        print(f"WARNING: {sentence}", file=sys.stderr)


if __name__ == "__main__":
    cli.run(main, sys.argv[1:])
