"""Tables of results, in Markdown, and the checks that contestants do the same."""

import statistics
import sys

PEER = "pythae"


def ratios(own: list[float], reference: list[float]) -> list[float]:
    """Returns own ÷ reference, round by round."""
    return [a / b for a, b in zip(own, reference, strict=True)]


def spread(values: list[float]) -> str:
    """Returns the median with the least and the largest value."""
    return f"{statistics.median(values):.2f} [{min(values):.2f}, {max(values):.2f}]"


def check_losses(losses: dict[str, float | None], when: str, tolerance: float) -> None:
    """Warns of losses that deviate from their median by more than `tolerance`."""
    losses = {name: loss for name, loss in losses.items() if loss is not None}
    if not losses:
        return
    median = statistics.median(losses.values())
    for name, loss in losses.items():
        if not abs(loss / median - 1.0) <= tolerance:
            print(
                f"WARNING: the {when} loss of {name} is {loss:.2f}; the median is {median:.2f}.",
                file=sys.stderr,
            )


def best_hand_written(results: dict, speeds: dict[str, list[float]]) -> str | None:
    """Returns the name of the fastest hand-written contestant by its median."""
    names = [name for name in speeds if results[name]["hand_written"]]
    return max(names, key=lambda name: statistics.median(speeds[name]), default=None)


def training_table(results: dict, reference: str | None) -> str:
    """Returns a row per contestant, the fastest first.

    Ratios of speed are larger the faster; the ratio of CPU time, images per
    second of CPU time, too.
    """
    speeds = {n: [r["images"] / r["seconds"] for r in v["rounds"]] for n, v in results.items()}
    per_cpu = {
        n: [r["images"] / max(r["cpu_seconds"], 1e-9) for r in v["rounds"]]
        for n, v in results.items()
    }
    reference = reference or best_hand_written(results, speeds)
    lines = [
        f"| contestant | speed ÷ {reference or 'none'} [min, max] | images per CPU-second ÷ same "
        f"| speed ÷ {PEER} [min, max] | images/s | first step, s | memory, MB "
        "| loss before | loss after |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name in sorted(results, key=lambda n: -statistics.median(speeds[n])):
        result = results[name]
        cells = [name]
        for values, other in ((speeds, reference), (per_cpu, reference), (speeds, PEER)):
            known = other in results
            cells.append(spread(ratios(values[name], values[other])) if known else "-")
        growth = max(r["peak_rss_mb"] for r in result["rounds"]) - result["rss_mb"]
        cells += [
            f"{statistics.median(speeds[name]):,.0f}",
            f"{result['first_step_seconds']:.1f}",
            f"{growth:.0f}",
            *(
                "-" if loss is None else f"{loss:.2f}"
                for loss in (result["initial_loss"], result["final_loss"])
            ),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def inference_table(results: dict, reference: str | None) -> str:
    """Returns a row per contestant: its time per call for each batch ÷ the fastest hand-written."""
    sizes = list(next(iter(results.values()))["rounds"][0])
    times = {s: {n: [r[s] for r in v["rounds"]] for n, v in results.items()} for s in sizes}
    references = {
        s: reference
        or best_hand_written(results, {n: [1.0 / t for t in v] for n, v in times[s].items()})
        for s in sizes
    }
    head = [f"| batch {s}: time ÷ {references[s]} [min, max] | ms | first call, s " for s in sizes]
    lines = [f"| contestant {''.join(head)}|", "|---" * (1 + 3 * len(sizes)) + "|"]
    for name in sorted(results, key=lambda n: statistics.median(times[sizes[0]][n])):
        cells = [name]
        for s in sizes:
            own, other = times[s][name], times[s].get(references[s])
            cells += [
                spread(ratios(own, other)) if other else "-",
                f"{1e3 * statistics.median(own):.3f}",
                f"{results[name][f'first_call_seconds_{s}']:.2f}",
            ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)
