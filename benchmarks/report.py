"""The tables of the benchmarks and the plot of peers.py, for the documentation."""

from pathlib import Path
from typing import Any, NamedTuple

_BARE = "bare socket"


class Row(NamedTuple):
    """What is done, how often, with messages of which size and kind."""

    title: str
    action: str
    times: int
    size: int
    kind: str


class Figures(NamedTuple):
    """Medians of one row, in microseconds for each message or connection, by the clients' names."""

    row: Row
    is_tls: bool
    wall: dict[str, float]
    cpu: dict[str, float]


def best_peer(figures: Figures) -> str:
    """Return the name of the fastest peer of a row; the bare socket where none was measured."""
    peers = [name for name in figures.wall if not _is_own(name) and name != _BARE]
    return min(peers, key=figures.wall.__getitem__, default=_BARE)


def _is_own(name: str) -> bool:
    return name.startswith("syncws")


def number(value: float) -> str:
    """Return it with a decimal as far as that means something."""
    return f"{value:,.1f}" if value < 100 else f"{value:,.0f}"


def line_of(figures: Figures) -> list[str]:
    """Return a row of the table: what, each client's time and processor time, and the ratios."""
    best = best_peer(figures)
    cells = [figures.row.title + (", TLS" if figures.is_tls else "")]
    cells += [f"{number(figures.wall[name])} ({number(figures.cpu[name])})" for name in figures.wall]
    for name in figures.wall:
        if _is_own(name):
            cells.append(f"{figures.wall[name] / figures.wall[best]:.2f}")
            cells.append(f"{figures.wall[name] / figures.wall[_BARE]:.2f}")
    return [*cells, best]


def heading(clients: list[Any]) -> list[str]:
    """Return the table's heading."""
    own = [client.name.partition(", ")[2] for client in clients if _is_own(client.name)]
    ratios = [f"{name} / {other}" for name in own for other in ("best", "bare")]
    return ["each, in µs (processor)", *(client.name for client in clients), *ratios, "best peer"]


def write(folder: Path, versions: str, heading: list[str], results: list[Figures]) -> None:
    """Write `speed-figures.md` and `speed.svg` into the folder."""
    save(folder / "speed-figures.md", versions, heading, [line_of(figures) for figures in results])
    _plot(folder / "speed.svg", versions, results)


def save(path: Path, said: str, heading: list[str], rows: list[list[str]]) -> None:
    """Write a table with a line about what was measured, and make its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # What the first column has is a name, the others have numbers.
    lines = [f"{said}.", "", _line(heading), _line(["---", *("---:" for _ in heading[1:])])]
    path.write_text("\n".join([*lines, *map(_line, rows)]) + "\n", encoding="utf-8")


def show(cells: list[str], first: int, others: int) -> None:
    """Print a line of a table now, with columns of these widths."""
    print("  ".join([f"{cells[0]:{first}}", *(f"{cell:>{others}}" for cell in cells[1:])]), flush=True)


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _plot(path: Path, versions: str, results: list[Figures]) -> None:
    """Draw each client's time in each row as a multiple of the bare socket's."""
    import matplotlib as mpl

    mpl.use("svg")
    # The same figures give the same file.
    mpl.rcParams["svg.hashsalt"] = "syncws"
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(10, 0.34 * len(results) + 1.6), layout="constrained")
    rows = [figures.row.title + (", TLS" if figures.is_tls else "") for figures in results]
    for name in results[0].wall:
        if name != _BARE:
            ratios = [figures.wall[name] / figures.wall[_BARE] for figures in results]
            axes.plot(ratios, range(len(rows)), **_style(name))
    axes.axvline(1, color="black", linewidth=1)
    axes.set_xscale("log")
    axes.set_yticks(range(len(rows)), rows)
    axes.invert_yaxis()
    axes.grid(axis="both", color="#dddddd", linewidth=0.6)
    axes.set_xlabel("time, as a multiple of the bare socket's (left is faster)")
    axes.set_title(versions, fontsize=7, loc="right")
    axes.legend(ncols=4, fontsize=8, loc="lower center", bbox_to_anchor=(0.5, 1.03))
    figure.savefig(path, metadata={"Date": None})


def _style(name: str) -> dict[str, Any]:
    is_own = _is_own(name)
    return {
        "label": name,
        "linestyle": "",
        "marker": ("D" if "pull" in name else "o") if is_own else "x",
        "markersize": 7 if is_own else 5,
        "color": ("#1f77b4" if "pull" in name else "#d62728") if is_own else None,
    }
