"""Says in a few lines what failed in a run of ./scripts/test, and fails if anything did."""

import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

NOTHING_SELECTED = 5  # pytest's exit status


def read(report: Path) -> tuple[dict[str, int], list[str]]:
    """Returns the numbers of tests by outcome, and the names of those that failed."""
    counts, failed = dict.fromkeys(("failed", "passed", "skipped"), 0), []
    for test in ElementTree.parse(report).iter("testcase"):
        kinds = {child.tag for child in test}
        if kinds & {"failure", "error"}:
            counts["failed"] += 1
            failed.append("::".join(filter(None, (test.get("file"), test.get("name")))))
        else:
            counts["skipped" if "skipped" in kinds else "passed"] += 1
    return counts, failed


def main(folder: str, *results: str) -> int:
    """Prints a line for each `name=exit_status`, and the tests that failed below it."""
    print("== summary")
    is_good, has_run = True, False
    for name, status in (result.split("=") for result in results):
        status, report = int(status), Path(folder, f"{name}.xml")
        if name == "style":
            is_good &= status == 0
            print(f"{name}: {'failed' if status else 'passed'}")
            continue
        if not report.exists():
            is_good &= status == 0  # as that of --help
            has_run |= status == 0
            print(f"{name}: no report; pytest ended with exit status {status}")
            continue
        counts, failed = read(report)
        has_run |= bool(counts["passed"] or counts["failed"])
        line = ", ".join(f"{count} {outcome}" for outcome, count in counts.items() if count)
        if status == NOTHING_SELECTED:
            line = line or "no tests selected"
        elif status:
            is_good = False
            line = f"{line or 'no tests ran'}; pytest ended with exit status {status}"
        print(f"{name}: {line}")
        for test in failed:
            print(f"  {test}")
    if is_good and not has_run:
        print("No test ran on any backend.")
    return 0 if is_good and has_run else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
