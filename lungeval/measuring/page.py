"""The template of the page of `lungeval measure`."""

from __future__ import annotations

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<title>{{ title }}: image metrics</title>
<style>
:root { color-scheme: light dark; --ink: #1b2430; --soft: #566273; --paper: #fff; --line: #d9dfe6; --band: #f4f6f8;
  --dot: #2a5fa5; --chance: #e3e8ee; --floor: #8a5a00; --stop: #b3261e; --stop-paper: #fdecea; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6eaef; --soft: #9aa7b5; --paper: #12171d; --line: #2d3640;
  --band: #1a2129; --dot: #7fb0f0; --chance: #27303a; --floor: #e5b35a; --stop: #ff8a80; --stop-paper: #3a1b1a; } }
body { margin: 0 auto; max-width: 66rem; padding: 1.5rem; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; margin: 0 0 .25rem; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 2.2rem 0 .4rem; }
h3 { font-size: 1rem; margin: 1.4rem 0 .3rem; } p { max-width: 60rem; margin: .5rem 0; } .soft { color: var(--soft); }
ul { padding-left: 1.2rem; } li { margin: .3rem 0; max-width: 60rem; overflow-wrap: anywhere; }
.short { background: var(--band); border-radius: .4rem; padding: .6rem 1rem .6rem 1.2rem; margin: 1rem 0; }
.short ul { margin: 0; }
.wide { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-size: .93rem;
  font-variant-numeric: tabular-nums; }
th, td { text-align: left; vertical-align: top; padding: .3rem .55rem; border-bottom: 1px solid var(--line); }
thead th { white-space: nowrap; font-size: .9rem; } tr.group th { background: var(--band); }
tr.group .soft { font-weight: 400; }
td.number, th.number { text-align: right; white-space: nowrap; } td.one { white-space: nowrap; }
td.what { min-width: 11.5rem; } td small { color: var(--soft); display: block; line-height: 1.35; max-width: 38rem; }
tr.behind td { font-size: .9rem; color: var(--soft); border-bottom-style: dotted; }
tr.behind td.what { padding-left: 1.8rem; }
tr.lead td.what b, tr.lead td.value { font-weight: 650; } td.arm { overflow-wrap: anywhere; min-width: 5.5rem; }
svg { display: block; width: 100%; height: auto; max-width: 54rem; } svg text { fill: var(--ink); font-size: 13px; }
svg text.soft { fill: var(--soft); font-size: 12px; } .axis { stroke: var(--line); } .zero { stroke: var(--soft); }
.bar { stroke: var(--dot); stroke-width: 2.5; } .dot { fill: var(--dot); } .chance { fill: var(--chance); }
.floor { stroke: var(--floor); stroke-width: 2.5; }
.key { display: flex; flex-wrap: wrap; gap: .3rem 1.4rem; margin: .3rem 0 .6rem; color: var(--soft); font-size: .9rem; }
.key span::before { content: ""; display: inline-block; vertical-align: middle; margin-right: .45rem; }
.key .k-dot::before { width: 1.3rem; height: 0; border-top: 2.5px solid var(--dot); }
.key .k-chance::before { width: 1.3rem; height: .8rem; background: var(--chance); }
.key .k-floor::before { width: 0; height: .9rem; border-left: 2.5px solid var(--floor); }
.key .k-zero::before { width: 0; height: .9rem; border-left: 1px solid var(--soft); }
.pairs { display: flex; flex-wrap: wrap; gap: 1rem; } figure { margin: 0; width: 17.5rem; }
figure div { display: flex; gap: .25rem; } figure img { width: 8.6rem; height: 8.6rem; image-rendering: auto;
  background: #000; }
figcaption { font-size: .85rem; overflow-wrap: anywhere; color: var(--soft); } figcaption b { color: var(--ink); }
.copy img { outline: 2px solid var(--stop); } .copy b { color: var(--stop); }
sup { color: var(--soft); padding-left: .15rem; line-height: 0; } .notes { color: var(--soft); font-size: .85rem; }
.notes li { margin: .15rem 0; } dl { margin: .5rem 0; } dt { font-weight: 600; margin-top: .5rem; }
summary { cursor: pointer; font-weight: 600; margin: 1rem 0; }
dd { margin: 0; max-width: 60rem; color: var(--soft); overflow-wrap: anywhere; }
</style>
</head>
<body>
<h1>{{ title }}: image metrics</h1>
<p class="soft">{{ compared }}</p>
{% if short %}
<div class="short"><ul>
{% for text in short %}
<li>{{ text }}</li>
{% endfor %}
</ul></div>
{% endif %}
{% if notices %}
<ul>
{% for text in notices %}
<li>{{ text }}</li>
{% endfor %}
</ul>
{% endif %}
{% for d in drawings %}
<h2>Excess over chance: {{ d.title }}</h2>
<p class="soft">{{ d.says }} Unlike the raw distance, it may be compared between sets of different size.</p>
<div class="key"><span class="k-dot">excess with its {{ level }} interval</span>
<span class="k-zero">0: as near as the same images shuffled</span>
<span class="k-chance">where {{ level }} of shuffles lie</span>
{% if d.floor %}<span class="k-floor">reals against reals, at the same number</span>{% endif %}</div>
<svg viewBox="0 0 {{ d.width }} {{ d.height }}" role="img" aria-label="Excess over chance by generator">
{% for tick in d.ticks %}
<line class="axis" x1="{{ tick.x }}" x2="{{ tick.x }}" y1="0" y2="{{ d.bottom }}"/>
<text class="soft" x="{{ tick.x }}" y="{{ d.bottom + 17 }}" text-anchor="middle">{{ tick.text }}</text>
{% endfor %}
{% for i in d.marks %}
{% if i.band %}
<rect class="chance" x="{{ i.band[0] }}" width="{{ i.band[1] }}" y="{{ i.y - 10 }}" height="20"/>
{% endif %}
{% endfor %}
<line class="zero" x1="{{ d.zero }}" x2="{{ d.zero }}" y1="0" y2="{{ d.bottom }}"/>
{% for i in d.marks %}
<text x="{{ d.left - 12 }}" y="{{ i.y + 4 }}" text-anchor="end">{{ i.label }}<title>{{ i.full }}</title></text>
{% if i.floor %}
<line class="floor" x1="{{ i.floor }}" x2="{{ i.floor }}" y1="{{ i.y - 9 }}" y2="{{ i.y + 9 }}"/>
{% endif %}
{% if i.bar %}<line class="bar" x1="{{ i.bar[0] }}" x2="{{ i.bar[1] }}" y1="{{ i.y }}" y2="{{ i.y }}"/>{% endif %}
{% if i.x %}<circle class="dot" cx="{{ i.x }}" cy="{{ i.y }}" r="4.5"/>{% endif %}
<text x="{{ d.after }}" y="{{ i.y - (3 if i.p else -4) }}">{{ i.text }}</text>
{% if i.p %}<text class="soft" x="{{ d.after }}" y="{{ i.y + 11 }}">{{ i.p }}</text>{% endif %}
{% endfor %}
</svg>
{% endfor %}
{% for block in blocks %}
{% set title = block.title|capitalize if block.title else "Features" %}
{% if block.part %}
<details><summary>{{ title }}: {{ block.extractor }}</summary>
{% else %}
<h2>{{ title }}: {{ block.extractor }}</h2>
{% endif %}
{% if block.nothing %}
<p>{{ block.nothing }}</p>
{% else %}
<div class="wide"><table>
<thead><tr><th>Quantity</th>{% if several %}<th>Generator</th>{% endif %}<th class="number">Value</th>
<th>{{ level }} interval</th><th class="number">p</th><th class="number">Real<br>/ fake</th></tr></thead>
<tbody>
{% for name, entries in block.sections %}
<tr class="group"><th colspan="{{ 6 if several else 5 }}">{{ name }}{% if notes[name] %} <span class="soft">
{{ notes[name] }}</span>{% endif %}</th></tr>
{% for e in entries %}
<tr class="{{ 'behind' if e.behind else 'lead' if e.headline else '' }}">
{% if e.first %}
<td class="what"{% if e.span > 1 %} rowspan="{{ e.span }}"{% endif %}><b>{{ e.title }}</b>
{% if e.says %}<small>{{ e.says }}</small>{% endif %}</td>
{% endif %}
{% if several %}<td class="arm">{{ e.arm }}</td>{% endif %}
{% if e.value is none %}
<td colspan="3"><small>{{ e.reason }}</small></td>
{% else %}
<td class="number value">{{ e.value }}</td>
<td class="one">{{ e.limits }}{% if e.mark %}<sup>{{ e.mark }}</sup>{% endif %}</td>
<td class="number">{{ e.p }}</td>
{% endif %}
<td class="number">{{ e.counts }}</td></tr>
{% endfor %}
{% endfor %}
</tbody></table></div>
{% if block.notes %}
<ol class="notes">
{% for note in block.notes %}
<li>{{ note }}</li>
{% endfor %}
</ol>
{% endif %}
{% endif %}
{% if block.part %}</details>{% endif %}
{% endfor %}
{% if pairs %}
<h2>Closest training images</h2>
<p class="soft">Each fake (left) beside its nearest training image (right), as the features see them. Pairs marked as
copies are nearer than images that are certainly no copies ever are. They are places to look at, no proof.</p>
<div class="pairs">
{% for pair in pairs %}
<figure class="{{ 'copy' if pair.near }}"><div>{% if pair.left %}<img src="{{ pair.left }}" alt="{{ pair.fake }}">
<img src="{{ pair.right }}" alt="{{ pair.training }}">{% endif %}</div>
<figcaption>{% if pair.near %}<b>copy</b>, {% endif %}{{ pair.distance }}{{ pair.ratio }}
<br>{{ pair.arm }}: {{ pair.fake }}<br>{{ pair.training }}</figcaption></figure>
{% endfor %}
</div>
{% endif %}
<h2>What stands behind the numbers</h2>
<dl>
{% for name, text in behind %}
<dt>{{ name }}</dt>
<dd>{{ text }}</dd>
{% endfor %}
</dl>
<details>
<summary>How each quantity is computed</summary>
<dl>
{% for name, text in methods %}
<dt>{{ name }}</dt>
<dd>{{ text }}</dd>
{% endfor %}
</dl>
</details>
</body>
</html>
"""
