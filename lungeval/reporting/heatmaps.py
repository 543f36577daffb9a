"""Heat maps with their numbers in the cells: what readers said, and how pairs of readers agree."""

from __future__ import annotations

from lungeval.reporting import words
from lungeval.reporting.figures import Figure, base_layout, finished, plain
from lungeval.reporting.findings import Findings

RAMP = [[0.0, "#f1f6fa"], [1.0, "#5fabdd"]]
"""One hue, light enough that the numbers in the cells are dark everywhere."""
DIVERGING = [[0.0, "#e58f3a"], [0.5, "#f4f5f6"], [1.0, "#5fabdd"]]
"""-1 to 1: agreement worse than chance has a hue of its own."""
INK = "#0d1b28"


def confusion(findings: Findings, kind: str, arm: str, name: str) -> Figure | None:
    """Truth x said, as shares of each truth with the counts, for one arm; None where nothing was answered."""
    import plotly.graph_objects as go

    rows: list[tuple[str, list[int]]] = []
    for truth in ("real", "fake"):
        said = [row.label for row in findings.group(kind, arm) if row.truth == truth]
        if said:
            rows.append((truth, [said.count(label) for label in findings.labels]))
    if not rows:
        return None
    shares = [[n / sum(counts) for n in counts] for _, counts in rows]
    small = findings.small(kind, arm)
    text = [
        [
            f"<b>{n:,}</b>/{sum(counts):,}" if small else f"<b>{words.number(s, 'percent')}</b><br>{n:,}"
            for s, n in zip(line, counts, strict=True)
        ]
        for line, (_, counts) in zip(shares, rows, strict=True)
    ]
    height = 60 + 74 * len(rows)
    figure = go.Figure(layout=base_layout(height))
    figure.add_trace(
        go.Heatmap(
            z=shares,
            x=[f"said {label}" for label in findings.labels],
            y=[f"truth: {truth} " for truth, _ in rows],
            text=text,
            texttemplate="%{text}",
            zmin=0,
            zmax=1,
            colorscale=RAMP,
            showscale=False,
            xgap=3,
            ygap=3,
            hovertemplate="%{y}, %{x}<br>%{text}<extra></extra>",
            textfont={"size": 14, "color": INK},
        )
    )
    figure.update_layout(
        margin={"l": 8, "r": 8, "t": 34, "b": 8},
        xaxis={"side": "top", "showline": False, "showgrid": False, "zeroline": False, "ticks": "", "fixedrange": True},
        yaxis={
            "autorange": "reversed",
            "showline": False,
            "showgrid": False,
            "zeroline": False,
            "ticks": "",
            "automargin": True,
            "fixedrange": True,
        },
    )
    shown = "; ".join(
        f"truth {t}: " + ", ".join(f"said {x} {n}" for x, n in zip(findings.labels, c, strict=True)) for t, c in rows
    )
    alt = f"Answers about {words.arm_name(arm)}. {shown}."
    reals = "all reals of its modality" if findings.unmatched(arm) else "reals of its conditions"
    return finished(
        name,
        alt,
        height,
        figure,
        caption=f"{findings.arm_label(arm)}, and {reals}" if arm else "All fakes and reals",
        width=560,
    )


def named(
    name: str, caption: str, conditions: list[str], found: list[str], counts: list[list[int]], *, shares: bool
) -> Figure:
    """Condition x what it was taken for, as shares of each condition with the counts.

    Args:
        name: id of the figure.
        caption: what it shows.
        conditions: rows.
        found: columns, what was named.
        counts: a row for each condition.
        shares: whether shares are printed; few cases show their counts alone.
    """
    import plotly.graph_objects as go

    totals = [sum(line) or 1 for line in counts]
    values = [[n / total for n in line] for line, total in zip(counts, totals, strict=True)]
    text = [
        [f"<b>{words.number(n / total, 'percent')}</b><br>{n:,}" if shares else f"<b>{n:,}</b>/{total:,}" for n in line]
        for line, total in zip(counts, totals, strict=True)
    ]
    height = 60 + 54 * len(conditions)
    figure = go.Figure(layout=base_layout(height))
    figure.add_trace(
        go.Heatmap(
            z=values,
            x=[plain(words.clipped(word, 18)) for word in found],
            y=[plain(words.clipped(word, 22)) + " " for word in conditions],
            text=text,
            texttemplate="%{text}",
            zmin=0,
            zmax=1,
            colorscale=RAMP,
            showscale=False,
            xgap=3,
            ygap=3,
            hovertemplate="%{y}named %{x}<br>%{text}<extra></extra>",
            textfont={"size": 13, "color": INK},
        )
    )
    quiet = {
        "showline": False, "showgrid": False, "zeroline": False, "ticks": "", "fixedrange": True, "type": "category",
        "automargin": True,
    }  # fmt: skip
    figure.update_layout(
        margin={"l": 8, "r": 8, "t": 34, "b": 8},
        xaxis=quiet | {"side": "top"},
        yaxis=quiet | {"autorange": "reversed"},
    )
    alt = "; ".join(
        f"{condition}: " + ", ".join(f"named {word} {n}" for word, n in zip(found, line, strict=True))
        for condition, line in zip(conditions, counts, strict=True)
    )
    return finished(name, f"{caption}. {alt}.", height, figure, caption=caption, width=560)


def triangle(findings: Findings, kind: str, name: str) -> Figure | None:
    """Pairwise kappa as a triangle; None below three readers."""
    import plotly.graph_objects as go

    pairs = {frozenset(row.scope.readers or ()): row for row in findings.pairs(kind)}
    readers = [row["id"] for row in findings.readers(kind) if any(row["id"] in pair for pair in pairs)]
    if len(readers) < 3:
        return None
    down, across = readers[1:], readers[:-1]
    values: list[list[float | None]] = []
    text: list[list[str]] = []
    for i, low in enumerate(down):
        found = [pairs.get(frozenset((low, other))) if j <= i else None for j, other in enumerate(across)]
        values.append([row.value if row is not None else None for row in found])
        text.append(
            [words.number(row.value, "decimal") if row is not None and row.value is not None else "" for row in found]
        )
    height = 70 + 44 * len(down)
    figure = go.Figure(layout=base_layout(height))
    figure.add_trace(
        go.Heatmap(
            z=values,
            x=[words.clipped(r, 14) for r in across],
            y=[words.clipped(r, 14) for r in down],
            text=text,
            texttemplate="%{text}",
            zmin=-1,
            zmax=1,
            colorscale=DIVERGING,
            showscale=False,
            xgap=3,
            ygap=3,
            hoverongaps=False,
            hovertemplate="%{y} and %{x}: kappa %{text}<extra></extra>",
            textfont={"size": 13, "color": INK},
        )
    )
    quiet = {
        "showline": False,
        "showgrid": False,
        "zeroline": False,
        "ticks": "",
        "type": "category",
        "fixedrange": True,
    }
    figure.update_layout(
        margin={"l": 8, "r": 8, "t": 8, "b": 40},
        xaxis=quiet | {"automargin": True},
        yaxis=quiet | {"autorange": "reversed", "automargin": True},
    )
    return finished(
        name,
        f"Cohen's kappa of each pair of {words.counted(len(readers), 'reader')}.",
        height,
        figure,
        caption="Cohen's kappa of each pair",
        width=160 + 95 * len(across),
    )
