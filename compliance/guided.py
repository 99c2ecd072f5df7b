"""What runs inside the fuzzer's own process: the target, with the library instrumented, under atheris.

Started by compliance/fuzz.py as `python -m compliance.guided TARGET …`, where the rest are libFuzzer's options. atheris
must see the library's modules before anybody imports them, so nothing of the library stands at the top here.
"""

import sys

import atheris


def main() -> None:
    """Fuzz one target; does not return."""
    with atheris.instrument_imports(include=["syncws"]):
        from compliance.targets import TARGETS
    atheris.Setup([sys.argv[0], *sys.argv[2:]], TARGETS[sys.argv[1]])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
