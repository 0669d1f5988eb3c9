"""The comparison as a Markdown table: a row a server, a column a shape of work."""

from measuring import significant
from rounds import WORK

BEGIN, END = "<!-- table: run.py --readme -->", "<!-- end of table -->"


def cell(report, work_name, name):
    for row in report["results"][work_name]:
        if row["server"] == name:
            return f"{significant(row['cpu_us_median'])} ({row['ratio_median']:.2f})"
    return "fails" if name in report["failures"][work_name] else "–"


def first_line(text, limit=200):
    line = " ".join(text.split())
    return line if len(line) <= limit else line[:limit] + "..."


def table(report):
    """Server CPU time of a request in µs, and in brackets its ratio to the floor; medians."""
    works = list(report["results"])
    lines = ["| server | " + " | ".join(WORK[name].title for name in works) + " |",
             "|---|" + "---|" * len(works)]
    for name, title in report["titles"].items():
        cells = [cell(report, work_name, name) for work_name in works]
        if set(cells) != {"–"}:
            lines.append(f"| {title} | " + " | ".join(cells) + " |")
    settings = report["settings"]
    lines += ["", f"CPU µs of the server a request, and its ratio to the floor: medians. "
                  f"{report['machine']['system']} {report['machine']['kernel']}, "
                  f"{report['machine']['cores']} cores; rounds of {settings['seconds']:g} s: "
                  f"{settings['rounds']}.", ""]
    lines += [f"- {report['titles'][name]}: {version}"
              for name, version in report["versions"].items()]
    lines += [f"- fails: {report['titles'][name]} at {work_name}: {first_line(why)}"
              for work_name, failures in report["failures"].items()
              for name, why in failures.items()]
    lines += [f"- absent: {name}: {first_line(why)}" for name, why in report["absent"].items()]
    lines += [f"- incorrect, not measured: {name}: {first_line('; '.join(errors))}"
              for name, errors in report["incorrect"].items()]
    return "\n".join(lines)


def update_readme(path, new_table):
    """Puts the table between the two markers, in place of what was there."""
    text = path.read_text()
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise SystemExit(f"run.py: {path} has no lines {BEGIN} and {END}")
    path.write_text(f"{before}{BEGIN}\n{new_table}\n{END}{after}")
