"""The table of a row in Markdown, from its results."""

import numpy as np
from results import Results
from row import Column, Row


def table(row: Row, results: Results, seeds: range) -> str:
    """Returns the table and the verdict; what was not run is a dash."""
    found = {
        case: [f for f in (results.get(case, seed) for seed in seeds) if f is not None]
        for case in row.cases()
    }
    figures = {
        case: {
            name: np.array([f["figures"][name] for f in found[case] if name in f["figures"]], float)
            for name in row.columns
        }
        for case in found
    }
    columns = {
        name: column
        for name, column in row.columns.items()
        if column.published or any(len(figures[case][name]) for case in figures)
    }
    heads = ["case"]
    for column in columns.values():
        heads += [f"{column.title}: published", "ours"] if column.published else [column.title]
    lines = [_line([*heads, "minutes", "date, commit, backend"]), "|" + "---|" * (len(heads) + 2)]
    for case in found:
        cells = [case]
        for name, column in columns.items():
            if column.published:
                published = column.published.get(case)
                cells.append("–" if published is None else f"{published:.{column.digits}f}")
            cells.append(spread(figures[case][name], column))
        lines.append(_line([*cells, *_origin(found[case])]))
    is_whole = all(len(some) == len(seeds) for some in found.values())
    verdict = row.verdict(figures) if is_whole else ["Not all was run yet: no verdict."]
    return "\n".join([*lines, "", *verdict])


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
