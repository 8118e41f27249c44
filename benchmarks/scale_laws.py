"""Laws of growth, fitted to what `scale.py` measured by least squares, as a table and a plot."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

# What a law may be made of, by what grows. A constant comes first.
TERMS = {
    "rows": {"1": lambda n: 1.0, "rows": lambda n: n},
    "width": {"1": lambda n: 1.0, "width": lambda n: n, "width²": lambda n: n * n},
    "latent": {"1": lambda n: 1.0, "latent": lambda n: n},
    "draws": {"1": lambda n: 1.0, "draws": lambda n: n},
}
# What is predicted, of devices like the one measured, and what is assumed of their network.
ROWS, DEVICES = 1e9, 64
BYTES_PER_SECOND, SECONDS_PER_MESSAGE = 1e10, 2e-5
QUANTITIES = {"seconds": "s", "cpu_seconds": "s of CPU", "memory_mb": "MB"}
LAST = 3  # points from which an exponent is taken, as constants hide it in smaller ones


@dataclass(frozen=True)
class Law:
    """A sum of terms.

    Attributes:
        grows: what it is a function of, one of `TERMS`.
        coefficients: of the terms that the points support, by name.
        errors: the standard error of each.
        residual: the largest residual, as a share of what was measured.
        exponent: the slope of the logarithms of the largest points.
        exponent_error: its standard error.
    """

    grows: str
    coefficients: dict[str, float]
    errors: dict[str, float]
    residual: float
    exponent: float
    exponent_error: float

    def __call__(self, value: float) -> float:
        """Returns the law at a size."""
        terms = TERMS[self.grows]
        return sum(c * terms[name](value) for name, c in self.coefficients.items())

    def __str__(self) -> str:
        parts = []
        for name, c in self.coefficients.items():
            factor = "" if name == "1" else f"·{name}"
            parts.append(f"{c:.3g} (±{self.errors[name]:.1g}){factor}")
        return " + ".join(parts)


def fit_law(grows: str, values, measured) -> Law:
    """Fits a law by least squares of relative residuals, as noise grows with what is measured.

    Terms whose coefficient is not twice its standard error are left out one by one.

    Args:
        grows: what grows.
        values: how far, increasing.
        measured: a positive number for each.
    """
    values, measured = np.asarray(values, float), np.maximum(np.asarray(measured, float), 1e-9)
    names = list(TERMS[grows])
    if len(names) >= len(values):
        names.pop(1)  # so that there are more points than terms
    while True:
        columns = np.array([[TERMS[grows][name](v) for name in names] for v in values])
        relative = columns / measured[:, None]
        coefficients, *_ = np.linalg.lstsq(relative, np.ones(len(values)), rcond=None)
        residuals = 1.0 - relative @ coefficients
        freedom = max(1, len(values) - len(names))
        covariance = np.linalg.pinv(relative.T @ relative) * (residuals @ residuals) / freedom
        errors = np.sqrt(np.diag(covariance))
        support = coefficients / np.maximum(errors, 1e-300)
        if len(names) == 1 or support.min() >= 2.0:
            break
        names.pop(int(support.argmin()))
    exponent, error = slope(np.log(values[-LAST:]), np.log(measured[-LAST:]))
    by_name = (dict(zip(names, map(float, of), strict=True)) for of in (coefficients, errors))
    return Law(grows, *by_name, float(np.abs(residuals).max()), exponent, error)


def slope(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Returns the slope of a regression line and its standard error."""
    x, y = x - x.mean(), y - y.mean()
    found = (x @ y) / (x @ x)
    rest = y - found * x
    return float(found), float(math.sqrt(rest @ rest / max(1, len(x) - 2) / (x @ x)))


def measured_on(axis, results: list[dict]) -> list[dict]:
    """Returns the results of an axis's points, smallest first."""
    by_point = {tuple(result["point"].values()): result for result in results}
    points = (tuple(vars(point).values()) for point in axis.points())
    return [by_point[point] for point in points if point in by_point]


def report(axes: list, results: list[dict], plot: Path | None) -> None:
    """Prints a table of laws, of the axes of which three points or more were measured."""
    print("\n| function | grows | from, to | of | law | largest residual | exponent |")
    print("|---|---|---|---|---|---|---|")
    drawn = []
    for axis in axes:
        found = measured_on(axis, results)
        if len(found) < LAST:
            continue
        values = [result["point"][axis.name] for result in found]
        laws = {}
        for quantity, unit in QUANTITIES.items():
            law = laws[quantity] = fit_law(axis.name, values, [r[quantity] for r in found])
            print(
                f"| `{axis.start.does}`{_processes(axis)} | {axis.name} | {values[0]:,}, "
                f"{values[-1]:,} | {unit} | {law} | {law.residual:.0%} "
                f"| {law.exponent:.2f} ± {law.exponent_error:.2f} |"
            )
        drawn.append((axis, values, found, laws))
    _print_messages(axes, results)
    one_process = [(axis, laws) for axis, _, _, laws in drawn if not axis.start.engine]
    _print_prediction({(axis.start.does, axis.name): laws for axis, laws in one_process}, axes)
    if plot:
        _draw(drawn, plot)


def _processes(axis):
    n = axis.start.processes
    return f", {n} process{'es' if n > 1 else ''}" if axis.start.engine else ""


def _print_messages(axes, results):
    """Prints what two processes take longer for a step than one, by the size of the gradients."""
    shared = [axis for axis in axes if axis.start.engine]
    one, two = ({r["point"]["width"]: r for r in measured_on(axis, results)} for axis in shared)
    if not one.keys() & two.keys():
        return
    print("\n| width | MB of gradients | ms a step, one | two | of CPU, one | two |")
    print("|---|---|---|---|---|---|")
    for width in sorted(one.keys() & two.keys()):
        point = one[width]["point"]
        steps = point["rows"] / point["batch"]
        numbers = [
            1e3 * r[width][of] / steps for of in ("seconds", "cpu_seconds") for r in (one, two)
        ]
        cells = " | ".join(f"{number:.2f}" for number in numbers)
        print(f"| {width} | {4e-6 * n_weights(point):.2f} | {cells} |")


def _print_prediction(laws, axes):
    """Prints what an epoch would take where each device has its share of the rows."""
    if not {("fit", "rows"), ("fit", "width"), ("read", "rows")} <= laws.keys():
        return
    start = next(axis.start for axis in axes if (axis.start.does, axis.name) == ("fit", "width"))
    constant = laws["fit", "rows"]["cpu_seconds"].coefficients.get("1", 0.0)
    of_width = laws["fit", "width"]["cpu_seconds"]
    read = start.batch * laws["read", "rows"]["cpu_seconds"].coefficients["rows"]
    steps = ROWS / (DEVICES * start.batch)
    print(
        f"\nAn epoch of {ROWS:.0e} rows on {DEVICES} devices, {start.batch} rows a step on each: "
        f"{steps:,.0f} steps\n\n| width | MB of gradients | ms a step, compute | read | reduce "
        "| seconds an epoch | on one device |\n|---|---|---|---|---|---|---|"
    )
    for width in (64, 256, 1024):
        size = 4.0 * n_weights({**vars(start), "width": width})
        compute = start.batch * (of_width(width) - constant) / start.rows
        # A ring: each device sends its part 2 (n - 1) times.
        messages = 2 * (DEVICES - 1)
        reduce = messages * (size / DEVICES / BYTES_PER_SECOND + SECONDS_PER_MESSAGE)
        epoch = steps * (max(compute, read) + reduce)
        print(
            f"| {width} | {1e-6 * size:.2f} | {1e3 * compute:.2f} | {1e3 * read:.3f} "
            f"| {1e3 * reduce:.2f} | {epoch:,.0f} | {steps * DEVICES * compute:,.0f} |"
        )


def n_weights(point: dict) -> int:
    """Returns how many weights the model of a point has."""
    width, features, latent = point["width"], point["features"], point["latent"]
    encoder = [(features, width), (width, width), (width, 2 * latent)]
    decoder = [(latent, width), (width, width), (width, features)]
    return sum((n + 1) * m for n, m in encoder + decoder)


def _draw(drawn, path):
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt
    from matplotlib.ticker import NullFormatter

    grown = list(TERMS)
    labels = {"cpu_seconds": "CPU seconds of a call", "memory_mb": "peak memory of a call, MB"}
    figure, rows = plt.subplots(2, len(grown), figsize=(13, 6), layout="constrained")
    for row, (quantity, label) in zip(rows, labels.items(), strict=True):
        for panel, grows in zip(row, grown, strict=True):
            panel.set(xscale="log", yscale="log", xlabel=grows)
            panel.xaxis.set_minor_formatter(NullFormatter())
            if quantity == "memory_mb":
                panel.set_ylim(5, 1e4)
            for axis, values, found, laws in drawn:
                if axis.name != grows or axis.start.engine:
                    continue
                function = axis.start.does
                if function == "read" and quantity == "memory_mb":
                    continue
                line = np.geomspace(values[0], values[-1])
                law = [laws[quantity](value) for value in line]
                (curve,) = panel.plot(line, law, lw=1, color=COLOURS[function])
                points = [result[quantity] for result in found]
                panel.plot(values, points, "o", ms=4, color=curve.get_color(), label=function)
        row[0].set_ylabel(label)
    rows[0][0].legend(frameon=False, loc="upper left", fontsize="small")
    figure.savefig(path, dpi=110)


COLOURS = {"fit": "C0", "encode": "C1", "log_likelihood": "C2", "sample": "C3", "read": "0.6"}
