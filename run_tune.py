"""Search the hyperparameters of a training: `python run_tune.py --help`."""

import sys

from jobs import cli
from tune import search

if __name__ == "__main__":
    cli.run(search.main, sys.argv[1:])
