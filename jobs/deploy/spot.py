"""Spot machines: the cloud's notice that this machine is taken back becomes a drain of its Ray node.

Neither Ray nor the clouds do this by themselves; without it the machine vanishes, and the steps since the last
checkpoint with it. `cluster.yaml` copies this file to each spot node and starts it there, beside Ray:

    python3 spot.py aws

It needs nothing but Python and Ray's command line. The notices are documented by the clouds: EC2's comes two minutes
before the end ("Spot Instance interruption notices"), Google Cloud's 30 seconds ("Preemption process").
"""

from __future__ import annotations

import argparse
import http.client
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable

METADATA = {"aws": "http://169.254.169.254", "gcp": "http://metadata.google.internal"}
NOTICE_SECONDS = {"aws": 120, "gcp": 30}
_POLL_SECONDS = 2.0
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # the address is the machine's own


def aws_noticed(metadata: str) -> bool:
    """Whether EC2 has set a time for this machine's end; the page does not exist before."""
    token = _ask(f"{metadata}/latest/api/token", {"X-aws-ec2-metadata-token-ttl-seconds": "60"}, "PUT")
    return _ask(f"{metadata}/latest/meta-data/spot/instance-action", {"X-aws-ec2-metadata-token": token}) != ""


def gcp_noticed(metadata: str) -> bool:
    """Whether Google Cloud has begun to preempt this machine."""
    return _ask(f"{metadata}/computeMetadata/v1/instance/preempted", {"Metadata-Flavor": "Google"}) == "TRUE"


NOTICED: dict[str, Callable[[str], bool]] = {"aws": aws_noticed, "gcp": gcp_noticed}


def _ask(address: str, headers: dict[str, str], verb: str = "GET") -> str:
    """The answer, or nothing where there is none."""
    try:
        with _DIRECT.open(urllib.request.Request(address, headers=headers, method=verb), timeout=5) as answer:
            return str(answer.read().decode())
    except (OSError, http.client.HTTPException):  # also every answer that is an error
        return ""


def drain(seconds: int, node: str | None) -> bool:
    """Ask Ray to drain a node, by default this machine's; whether it has agreed."""
    which = ["--node-id", node] if node else []
    done = subprocess.run(["ray", "drain-node", *which, "--reason", "DRAIN_NODE_REASON_PREEMPTION", "--reason-message",
                           "the cloud takes this machine back", "--deadline-remaining-seconds", str(seconds)],
                          check=False, env={"RAY_ADDRESS": "auto"} | os.environ)  # never a new Ray of its own
    return done.returncode == 0


def main(arguments: list[str]) -> None:
    """Wait for the notice, then drain."""
    parser = argparse.ArgumentParser(prog="spot.py", description="Drain this Ray node when its cloud takes it back.")
    parser.add_argument("cloud", choices=sorted(METADATA))
    parser.add_argument("--metadata", help="address of the machine's metadata; the cloud's own by default")
    parser.add_argument("--node-id", help="of the Ray node to drain; this machine's by default")
    given = parser.parse_args(arguments)
    while not NOTICED[given.cloud](given.metadata or METADATA[given.cloud]):
        time.sleep(_POLL_SECONDS)
    print("the cloud takes this machine back", flush=True)
    while not drain(NOTICE_SECONDS[given.cloud], given.node_id):
        time.sleep(_POLL_SECONDS)


if __name__ == "__main__":
    main(sys.argv[1:])
