"""The results file: JSON lines, the machine first, then a figure a line as it is measured."""

from pathlib import Path

import msgspec

from bench.figures import Figure, Machine, Results


def read(path: Path) -> tuple[Machine, Results]:
    """Raises ``ValueError`` for a file that is not a results file."""
    lines = path.read_bytes().splitlines()
    if not lines:
        raise ValueError(f"{path} is empty: name a file that --out wrote")
    try:
        machine = msgspec.json.decode(lines[0], type=Machine)
        figures = [msgspec.json.decode(line, type=Figure) for line in lines[1:]]
    except msgspec.MsgspecError as error:
        raise ValueError(f"{path} is not a results file of this benchmark: {error}") from None
    return machine, Results(figures)


def soaked(path: Path) -> list[Figure]:
    """Figures of the last soak on each store, which are runs of their own, from the files in a folder."""
    return [figure for file in sorted(path.glob("soak-*.jsonl")) for figure in read(file)[1].figures]


class Writer:
    """Appends figures as they come, so that a run that is cut short keeps what it measured."""

    def __init__(self, path: Path, machine: Machine) -> None:
        self.path, self.machine, self.figures = path, machine, list[Figure]()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(msgspec.json.encode(machine) + b"\n")

    def add(self, figure: Figure) -> None:
        """One line."""
        self.figures.append(figure)
        with self.path.open("ab") as out:
            out.write(msgspec.json.encode(figure) + b"\n")

    def finish(self, seconds: float) -> None:
        """Writes the file again with the length of the run in its first line."""
        self.machine.seconds = seconds
        lines = [msgspec.json.encode(self.machine), *(msgspec.json.encode(f) for f in self.figures)]
        self.path.write_bytes(b"\n".join(lines) + b"\n")
