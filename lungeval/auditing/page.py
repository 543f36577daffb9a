"""The template of the audit's page."""

from __future__ import annotations

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{{ title }}: leak audit</title>
<style>
:root { color-scheme: light dark; --ink: #1b2430; --soft: #5b6776; --paper: #fff; --line: #d9dfe6; --band: #f4f6f8;
  --dot: #2a5fa5; --stop: #b3261e; --stop-paper: #fdecea; --pass: #1d6b3a; --pass-paper: #e8f4ec; --warn: #8a5a00; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6eaef; --soft: #9aa7b5; --paper: #12171d; --line: #2d3640;
  --band: #1a2129; --dot: #7fb0f0; --stop: #ff8a80; --stop-paper: #3a1b1a; --pass: #7fd19b; --pass-paper: #16301f;
  --warn: #e5b35a; } }
body { margin: 0 auto; max-width: 76rem; padding: 1.5rem; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; margin: 0 0 .25rem; } h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; }
p { max-width: 62rem; margin: .5rem 0; } .soft { color: var(--soft); }
.verdict { padding: .75rem 1rem; border-radius: .4rem; font-weight: 600; background: var(--pass-paper);
  color: var(--pass); overflow-wrap: anywhere; }
.verdict.stop { background: var(--stop-paper); color: var(--stop); }
.wide { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; vertical-align: top; padding: .35rem .6rem; border-bottom: 1px solid var(--line); }
thead th { white-space: nowrap; } tr.group th { background: var(--band); font-size: .9rem; }
td.fact { min-width: 13rem; } td.fact small, td small { color: var(--soft); display: block; line-height: 1.35; }
td.cell { min-width: 13rem; } svg { display: block; } .axis { stroke: var(--line); } .half { stroke: var(--soft);
  stroke-dasharray: 2 2; } .bar { stroke: var(--dot); stroke-width: 2; } .dot { fill: var(--dot); }
.STOPS .bar { stroke: var(--stop); } .STOPS .dot { fill: var(--stop); } .word { font-weight: 600; }
.STOPS .word { color: var(--stop); } .accepted .word, .differs .word { color: var(--warn); }
.one { white-space: nowrap; } li { margin: .3rem 0; max-width: 62rem; overflow-wrap: anywhere; }
</style>
</head>
<body>
<h1>{{ title }}: leak audit</h1>
<p class="verdict{{ ' stop' if stops }}">{{ verdict }}</p>
<p>Whether anything but the picture itself tells fakes from reals. Each line is one fact of an image. The number is the
AUC: the chance that the fact is larger in a fake than in a real. 0.5 (the dashed line) means that it tells nothing; 0
and 1 mean that it gives every image away. For facts without an order it is that of the best ordering. The patient, or
the source of a fake, is the unit; images are compared within one condition where conditions match.</p>
<p class="soft">Facts that stop a study are tested together, so that the chance of any false alarm is at most
{{ alpha }} (Holm, labels permuted); what decides is the set {{ decides }}. A fact can be innocent here and
still be seen by readers: the audit proves leaks, never their absence.</p>
{% if confounds %}
<h2>What goes with the arms</h2>
<ul>
{% for c in confounds %}
<li class="{{ 'STOPS' if c.stops }}">{% if c.stops %}<span class="word">STOPS</span> {% endif %}
<b>{{ c.arm }}, {{ c.modality }}:</b>
{{ c.what }}. <span class="soft">Remedy: {{ c.remedy }}.</span></li>
{% endfor %}
</ul>
{% endif %}
{% for arm in arms %}
<h2>{{ arm.arm }}, {{ arm.modality }}</h2>
<p class="soft">{{ arm.n_fake }} fakes, {{ arm.n_real }} reals, {{ arm.n_clusters }} patients or sources.
{% if arm.level %}Intervals of facts that can stop the study hold all at once (each at {{ arm.level }}%); those of
reported facts hold one by one.{% endif %}</p>
<div class="wide"><table>
<thead><tr><th>Fact</th>
{% for when in arm.whens %}<th>{{ words[when] }}</th><th>Real / fake</th>{% endfor %}</tr></thead>
<tbody>
{% for name, entries in arm.groups %}
<tr class="group"><th colspan="{{ 1 + 2 * arm.whens|length }}">{{ name }}</th></tr>
{% for entry in entries %}
<tr><td class="fact"><b>{{ entry.fact }}</b> <small>{{ entry.what }} {{ gates[entry.gate]|capitalize }}.</small></td>
{% for cell in entry.cells %}
{% if cell is none %}
<td class="soft">random by construction: not tested</td><td></td>
{% elif cell.auc is none %}
<td class="soft">{{ cell.reason }}</td>
<td>{{ cell.real }}{% if cell.fake != cell.real %} / {{ cell.fake }}{% endif %}</td>
{% else %}
<td class="cell {{ cell.mark }}">
<svg width="160" height="16" role="img" aria-label="AUC {{ cell.auc }}, {{ cell.limits }}">
<line class="axis" x1="8" x2="152" y1="8" y2="8"/><line class="half" x1="80" x2="80" y1="0" y2="16"/>
<line class="bar" x1="{{ cell.left }}" x2="{{ cell.right }}" y1="8" y2="8"/>
<circle class="dot" cx="{{ cell.x }}" cy="8" r="4"/></svg>
{{ cell.auc }} <span class="soft">({{ cell.limits }})</span> <span class="one">{{ cell.p }}</span>
<span class="word">{{ cell.mark }}</span>
{% if cell.accepted %}<small>Accepted: {{ cell.accepted }}</small>{% endif %}
{% if cell.mark == "STOPS" %}<small>Remedy: {{ entry.remedy }}</small>{% endif %}</td>
<td>{{ cell.real }} / {{ cell.fake }}</td>
{% endif %}
{% endfor %}
</tr>
{% endfor %}
{% endfor %}
</tbody></table></div>
{% endfor %}
</body>
</html>
"""
