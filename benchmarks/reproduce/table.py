"""The table of a row in Markdown, from its results."""

import numpy as np
from results import Results
from row import Column, Row


def table(row: Row, results: Results, seeds: range) -> str:
    """Returns the table and the verdict; what was not run is a dash."""
    heads = ["case"]
    for column in row.columns.values():
        heads += [f"{column.title}: published", "ours"] if column.published else [column.title]
    lines = [_line([*heads, "minutes", "date, commit, backend"]), "|" + "---|" * (len(heads) + 2)]
    figures = {}
    for case in row.cases():
        found = [f for f in (results.get(case, seed) for seed in seeds) if f is not None]
        cells = [case]
        figures[case] = {}
        for name, column in row.columns.items():
            values = np.array([f["figures"][name] for f in found if name in f["figures"]], float)
            figures[case][name] = values
            published = column.published.get(case)
            said = "–" if published is None else f"{published:.{column.digits}f}"
            cells += [said] if column.published else []
            cells.append(spread(values, column))
        lines.append(_line([*cells, *_origin(found)]))
    if all(results.get(case, seed) for case in row.cases() for seed in seeds):
        lines += ["", *row.verdict(figures)]
    else:
        lines += ["", "Not all was run yet: no verdict."]
    return "\n".join(lines)


def spread(values: np.ndarray, column: Column) -> str:
    """Returns "mean ± deviation (each)"."""
    if not len(values):
        return "–"
    if len(values) == 1:
        return f"{values[0]:.{column.digits}f}"
    each = ", ".join(f"{value:.{column.digits}f}" for value in values)
    return f"{values.mean():.{column.digits}f} ± {values.std():.{column.digits}f} ({each})"


def _origin(found: list[dict]) -> list[str]:
    """Returns minutes of a seed, and where the figures come from."""
    if not found:
        return ["–", "–"]
    minutes = np.mean([f["minutes"] for f in found])
    told = [" ".join(sorted({f[key] for f in found})) for key in ("date", "commit", "backend")]
    return [f"{minutes:.1f}", ", ".join(told)]


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
