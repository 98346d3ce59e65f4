"""The whole at a glance, as SVG without a drawing library: the badge of counts, the guide with its verdicts."""

from collections.abc import Mapping, Sequence
from html import escape

from claims.guide import Part
from claims.report import tables, words
from claims.report.drawing import EDGE, INK, MUTED, VERDICTS

FONT = 'font-family="Verdana,DejaVu Sans,sans-serif" font-size="11"'
COLUMNS, WIDTH, LINE, MARK = 4, 236, 20, 9  # columns of sections, their width and line height, a mark's side, in px


def badge(records: Sequence[Mapping[str, object]]) -> str:
    """The counts as a small picture."""
    told = tables.counted(records) or "none yet"
    left, width = 56, 70 + round(6.3 * len(told))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="20" role="img" aria-label="claims: {told}">'
        f'<rect width="{width}" height="20" rx="3" fill="#0b5fa5"/>'
        f'<rect width="{left}" height="20" rx="3" fill="#24292f"/>'
        f'<g fill="#fff" {FONT}>'
        f'<text x="8" y="14">claims</text><text x="{left + 7}" y="14">{told}</text></g></svg>\n'
    )


def of_guide(parts: Sequence[Part]) -> str:
    """A line for each section of the guide, down the columns, with a mark for each verdict on one of its claims."""
    rows = -(-len(parts) // COLUMNS)
    width, height = COLUMNS * WIDTH + 20, (rows + 2) * LINE + 16
    told = escape(tables.picture(parts), quote=True)
    drawn = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" aria-label="{told}">',
        f'<rect width="{width}" height="{height}" fill="#fff" stroke="{EDGE}"/><g {FONT} fill="{INK}">',
    ]
    for place, verdict in enumerate(VERDICTS):
        left = 20 + place * 120
        drawn += [_mark(verdict, left, 14), f'<text x="{left + 15}" y="23">{verdict}</text>']
    for place, part in enumerate(parts):
        column, row = divmod(place, rows)
        left, top = 14 + column * WIDTH, 40 + row * LINE
        colour = INK if part.tested else MUTED
        shown = escape(words.clean(_short(f"{part.section.number} {part.section.name}", len(part.tested))))
        drawn.append(f'<text x="{left}" y="{top + 9}" fill="{colour}">{shown}</text>')
        right = left + WIDTH - 16
        labels = [record["verdict"]["label"] for record in part.tested]
        drawn += [_mark(label, right - (len(labels) - i) * (MARK + 2), top) for i, label in enumerate(labels)]
    return "\n".join([*drawn, "</g></svg>"]) + "\n"


def _short(text: str, marks: int) -> str:
    """As much of the text as stays clear of the marks."""
    room = (WIDTH - 22 - marks * (MARK + 2)) * 10 // 66
    return text if len(text) <= room else text[: room - 1].rstrip() + "…"


def _mark(verdict: str, x: float, y: float) -> str:
    """Each verdict has the shape that it has on the site, beside its colour."""
    half, line = MARK / 2, f'fill="none" stroke="{VERDICTS[verdict]}"'
    disc = f'<circle cx="{x + half}" cy="{y + half}" r="{half - 0.5}"'
    return {
        "supported": f'{disc} fill="{VERDICTS[verdict]}"/>',
        "conditional": f'{disc} {line}/><path d="M{x + half} {y}a{half} {half} 0 0 0 0 {MARK}z" '
        f'fill="{VERDICTS[verdict]}"/>',
        "refuted": f'<path d="M{x + 1} {y + 1}l{MARK - 2} {MARK - 2}m0 {2 - MARK}l{2 - MARK} {MARK - 2}" {line} '
        'stroke-width="2.6"/>',
        "inconclusive": f'<path d="M{x + half} {y + 0.5}l{half - 0.5} {half - 0.5}l{0.5 - half} {half - 0.5}'
        f'l{0.5 - half} {0.5 - half}z" {line} stroke-width="1.5"/>',
    }.get(verdict, f'<rect x="{x}" y="{y}" width="{MARK}" height="{MARK}" fill="{VERDICTS[verdict]}"/>')
