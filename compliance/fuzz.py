"""Fuzzes the frame decoders, the handshake's reading of the answer, and DataReader.

    python -m compliance.fuzz [--target frames] [--engine guided] [--inputs 1000000] [--seed 1] [--save]
    python -m compliance.fuzz --target frames --input 0081…

The engine `guided` is atheris (extra `fuzz`), which looks for inputs that reach new code; it runs in a process of its
own. The engine `seeded` needs nothing and is repeatable: it changes the saved inputs at random. Each input is fed
whole, byte by byte and in random pieces. Prints a table; a finding is shown as the shortest input that shows it, with
the command that does so again. Exit code 1 when there is one. `--save` puts what the guided engine found to reach new
code into tests/corpus, which the suite replays.
"""

import argparse
import importlib.util
import itertools
import os
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from compliance import corpus
from compliance.mutator import Mutator, shrink
from compliance.targets import TARGETS, Target, release

__all__ = ["Result", "failure", "run_seeded"]

ROOT = Path(__file__).parent.parent
_INPUT_SECONDS = 10
"""An input that takes longer counts as a hang."""


@dataclass
class Result:
    """What a run of one target gave: how many inputs, in how many seconds, and the bad one if there was one."""

    target: str
    engine: str
    inputs: int
    seconds: float
    bad: bytes | None = None
    note: str = ""


def failure(target: Target, data: bytes) -> Exception | None:
    """Return what an input shows of a defect: a Finding, or an error that is not documented; None when it is good."""
    try:
        target(data)
    except Exception as exc:  # noqa: BLE001 - any error is what is looked for
        return exc
    return None


def run_seeded(name: str, inputs: int, seed: int) -> Result:
    """Feed `inputs` changed inputs, or as many as it takes to find a bad one."""
    target = TARGETS[name]
    mutator = Mutator(name, corpus.load(name), seed, corpus.MAX_INPUT_BYTES)
    start = time.perf_counter()
    number = 0
    for data in itertools.islice(mutator, inputs):
        number += 1
        if failure(target, data) is not None:
            return Result(name, "seeded", number, time.perf_counter() - start, data)
    return Result(name, "seeded", number, time.perf_counter() - start)


def run_guided(name: str, inputs: int, seed: int, *, must_save: bool) -> Result:
    """Let atheris look for inputs, in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        found, kept = Path(folder, "found"), Path(folder, "kept")
        for place in (found, kept):
            place.mkdir()
        for number, data in enumerate(corpus.load(name)):
            (kept / str(number)).write_bytes(data)
        start = time.perf_counter()
        log = _fuzz(name, f"-runs={inputs}", f"-seed={seed}", f"-artifact_prefix={folder}/bad-", found, kept)
        seconds = time.perf_counter() - start
        done = re.search(r"Done (\d+) runs", log) or re.findall(r"^#(\d+)", log, re.MULTILINE)
        count = int(done[1] if isinstance(done, re.Match) else done[-1]) if done else 0
        coverage = re.findall(r"cov: (\d+)", log)
        result = Result(name, "guided", count, seconds, note=f"{coverage[-1] if coverage else 0} edges reached")
        for artifact in Path(folder).glob("bad-*"):
            result.bad = artifact.read_bytes()
        if not count and result.bad is None:
            raise RuntimeError(f"the fuzzer did not run:\n{log[-2000:]}")
        if must_save:
            new = [path.read_bytes() for path in found.iterdir()]
            saved = corpus.save(name, corpus.choose(TARGETS[name], corpus.load(name), new))
            result.note += f", {saved} inputs saved"
    return result


def _fuzz(name: str, *arguments: str | Path) -> str:
    """Run the fuzzer; return what it wrote."""
    command = [sys.executable, "-m", "compliance.guided", name, f"-timeout={_INPUT_SECONDS}"]
    command += [f"-max_len={corpus.MAX_INPUT_BYTES}", *map(str, arguments)]
    environment = os.environ | {"PYTHONHASHSEED": "0"}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    return done.stdout.decode(errors="replace")


def _show_bad(name: str, data: bytes, engine: str, seed: int) -> None:
    target = TARGETS[name]
    # A saved input that is bad too may be shorter than what the found one can be shrunk to.
    bad = [one for one in (data, *corpus.load(name)) if failure(target, one) is not None]
    shortest = shrink(min(bad, key=len), lambda shorter: failure(target, shorter) is not None)
    print(f"FOUND by the engine {engine} with seed {seed}: {failure(target, shortest)!r}")
    print(f"  again: python -m compliance.fuzz --target {name} --input {shortest.hex()}", flush=True)


def main() -> int:
    """Fuzz the targets that were asked for, and print a table."""
    is_guided = importlib.util.find_spec("atheris") is not None
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--target", choices=TARGETS, help="one target only")
    parser.add_argument("--engine", choices=("guided", "seeded"), default="guided" if is_guided else "seeded")
    parser.add_argument("--inputs", type=int, default=1_000_000, help="for each target (default 1000000)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--save", action="store_true", help="save what the guided engine found for the suite")
    parser.add_argument("--input", type=bytes.fromhex, help="feed this one input, in hexadecimal, to the target")
    options = parser.parse_args()
    if options.input is not None:
        if options.target is None:
            parser.error("--input needs --target")
        error = failure(TARGETS[options.target], options.input)
        print("good" if error is None else f"{type(error).__name__}: {error}")
        return 0 if error is None else 1
    print(f"{'target':<12}{'engine':<10}{'inputs':>12}{'seconds':>10}{'a second':>10}{'found':>7}", flush=True)
    is_good = True
    for name in [options.target] if options.target else TARGETS:
        if options.engine == "guided":
            result = run_guided(name, options.inputs, options.seed, must_save=options.save)
        else:
            result = run_seeded(name, options.inputs, options.seed)
        rate = result.inputs / max(result.seconds, 1e-9)
        found = 0 if result.bad is None else 1
        print(
            f"{name:<12}{result.engine:<10}{result.inputs:>12,}{result.seconds:>10.0f}{rate:>10.0f}{found:>7}"
            f"  {result.note}",
            flush=True,
        )
        if result.bad is not None:
            is_good = False
            _show_bad(name, result.bad, result.engine, options.seed)
    release()
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
