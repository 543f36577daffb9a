// Draws figures when they come into view, in the colours of the page; tables as CSV; copy, print, theme. Asks no network.
(function () {
  "use strict";
  var root = document.documentElement;
  var figures = JSON.parse(document.getElementById("figures").textContent);
  var data = JSON.parse(document.getElementById("data").textContent);
  var drawn = {};
  var printing = false;
  var PRINT_WIDTH = 660;

  function dark() {
    if (printing) return false;
    if (root.dataset.theme) return root.dataset.theme === "dark";
    return matchMedia("(prefers-color-scheme: dark)").matches;
  }

  function colours() {
    return dark()
      ? { text: "#dfe6ee", quiet: "#a3b0be", grid: "#27323e", line: "#3a4856" }
      : { text: "#1a2430", quiet: "#55606e", grid: "#e6ebf0", line: "#b9c3cd" };
  }

  function themed() {
    var c = colours();
    return {
      "font.color": c.text,
      "xaxis.gridcolor": c.grid, "yaxis.gridcolor": c.grid,
      "xaxis.linecolor": c.line, "yaxis.linecolor": c.line,
      "hoverlabel.bgcolor": dark() ? "#1d2732" : "#ffffff", "hoverlabel.font.color": c.text, "hoverlabel.bordercolor": c.line,
      "modebar.color": c.quiet, "modebar.activecolor": c.text, "modebar.bgcolor": "rgba(0,0,0,0)"
    };
  }

  function layoutFor(id, width) {
    var layout = JSON.parse(JSON.stringify(figures[id].layout));
    var extra = width < 560 ? figures[id].narrow : {};
    Object.keys(extra).forEach(function (key) { set(layout, key, extra[key]); });
    var theme = themed();
    Object.keys(theme).forEach(function (key) { set(layout, key, theme[key]); });
    if (printing) { layout.width = Math.min(width, PRINT_WIDTH); layout.autosize = false; }
    return layout;
  }

  function set(object, path, value) {
    var keys = path.split(".");
    var last = keys.pop();
    keys.forEach(function (key) { object = object[key] = object[key] || {}; });
    object[last] = value;
  }

  function config(id) {
    return {
      displaylogo: false, responsive: false, displayModeBar: "hover",
      modeBarButtons: [["toImage"]], toImageButtonOptions: { format: "svg", filename: id }
    };
  }

  function draw(id) {
    var element = document.getElementById(id);
    var width = printing ? printWidth(element) : element.clientWidth;
    if (!width) return;
    drawn[id] = element.clientWidth;
    Plotly.react(element, JSON.parse(JSON.stringify(figures[id].data)), layoutFor(id, width), config(id));
  }

  function printWidth(element) {
    var most = parseInt(element.parentNode.style.maxWidth, 10) || PRINT_WIDTH;
    return Math.min(most, element.closest(".pair:not(.single)") ? PRINT_WIDTH / 2 - 10 : PRINT_WIDTH);
  }

  function redraw() { Object.keys(drawn).forEach(draw); }

  function watch() {
    var ids = Object.keys(figures);
    if (typeof Plotly === "undefined") return;
    if (!("IntersectionObserver" in window)) { ids.forEach(draw); return; }
    var seen = new IntersectionObserver(function (entries) {
      entries.forEach(function (entry) {
        if (entry.isIntersecting && !(entry.target.id in drawn)) { seen.unobserve(entry.target); draw(entry.target.id); }
      });
    }, { rootMargin: "300px 0px" });
    ids.forEach(function (id) { seen.observe(document.getElementById(id)); });
  }

  var waiting = 0;
  addEventListener("resize", function () {
    clearTimeout(waiting);
    waiting = setTimeout(function () {
      if (printing) return;
      Object.keys(drawn).forEach(function (id) { if (document.getElementById(id).clientWidth !== drawn[id]) draw(id); });
    }, 120);
  });

  // Print: every figure drawn, at the width of the paper, in light colours, every table open.
  var opened = [];
  addEventListener("beforeprint", function () {
    if (printing) return;
    printing = true;
    kinds("");
    opened = Array.prototype.filter.call(document.querySelectorAll("details:not([open])"), function (d) { d.open = true; return true; });
    if (typeof Plotly !== "undefined") Object.keys(figures).forEach(draw);
  });
  addEventListener("afterprint", function () {
    printing = false;
    kinds(kind);
    opened.forEach(function (d) { d.open = false; });
    redraw();
  });

  // Kinds of readers are never pooled; here one of them can be looked at alone. Paper has all of them.
  var kind = "";
  function kinds(shown) {
    Array.prototype.forEach.call(document.querySelectorAll(".block[data-kind]"), function (block) {
      block.hidden = shown !== "" && block.dataset.kind !== "" && block.dataset.kind !== shown;
    });
    Array.prototype.forEach.call(document.querySelectorAll("[data-show]"), function (b) {
      b.setAttribute("aria-pressed", String(b.dataset.show === shown));
    });
  }

  function toggle() {
    root.dataset.theme = dark() ? "light" : "dark";
    try { localStorage.setItem("lungeval-theme", root.dataset.theme); } catch (error) { /* this page only */ }
    label();
    redraw();
  }

  function label() {
    Array.prototype.forEach.call(document.querySelectorAll("[data-theme-toggle]"), function (b) { b.textContent = dark() ? "Light" : "Dark"; });
  }

  function save(name, type, text) {
    var link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: type + ";charset=utf-8" }));
    link.download = name;
    document.body.appendChild(link);
    link.click();
    link.remove();
    setTimeout(function () { URL.revokeObjectURL(link.href); }, 1000);
  }

  function unpack(packed) {
    return packed.rows.map(function (line) {
      var row = {};
      packed.shapes[line[0]].forEach(function (key, i) {
        var value = line[i + 1];
        set(row, key, packed.worded.indexOf(key) >= 0 ? packed.words[value] : value);
      });
      return row;
    });
  }

  function results() {
    var whole = JSON.parse(JSON.stringify(data.results));
    Object.keys(data.packed).forEach(function (key) { whole[key] = unpack(data.packed[key]); });
    return whole;
  }

  function estimatesCsv() {
    var whole = results();
    var lines = [data.columns.map(function (name) { return name.replace("scope.", ""); })];
    whole.estimates.concat(whole.image_metrics).forEach(function (row) {
      lines.push(data.columns.map(function (name) {
        var value = name.indexOf("scope.") === 0 ? (row.scope || {})[name.slice(6)] : row[name];
        if (value === undefined || value === null) return "";
        if (Array.isArray(value)) value = value.join(" ");
        if (typeof value === "string" && /^[=+\-@\t\r]/.test(value)) value = "'" + value;
        value = String(value);
        return /[",\n\r]/.test(value) ? '"' + value.replace(/"/g, '""') + '"' : value;
      }));
    });
    return lines.map(function (line) { return line.join(","); }).join("\n") + "\n";
  }

  function tableCsv(name) { return name === "estimates.csv" ? estimatesCsv() : data.tables[name]; }

  function copy(button) {
    var element = document.getElementById(button.dataset.copy);
    function done(worked) {
      button.textContent = worked ? "Copied" : "Press Ctrl+C";
      setTimeout(function () { button.textContent = "Copy"; }, 2000);
    }
    function select() {
      var range = document.createRange();
      range.selectNodeContents(element);
      var selection = getSelection();
      selection.removeAllRanges();
      selection.addRange(range);
      var worked = false;
      try { worked = document.execCommand("copy"); } catch (error) { worked = false; }
      done(worked);
    }
    if (navigator.clipboard && navigator.clipboard.writeText) {
      navigator.clipboard.writeText(element.textContent).then(function () { done(true); }, select);
    } else { select(); }
  }

  document.addEventListener("click", function (event) {
    var button = event.target.closest("button");
    if (!button) return;
    if (button.dataset.csv) save(data.name + "-" + button.dataset.csv, "text/csv", tableCsv(button.dataset.csv));
    else if (button.dataset.save === "json") save(data.name + "-results.json", "application/json", JSON.stringify(results(), null, 2) + "\n");
    else if ("print" in button.dataset) print();
    else if ("themeToggle" in button.dataset) toggle();
    else if ("show" in button.dataset) { kind = button.dataset.show; kinds(kind); redraw(); }
    else if (button.dataset.copy) copy(button);
  });

  Array.prototype.forEach.call(document.querySelectorAll("details[open]"), function (d) { d.open = false; });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", function () { label(); redraw(); });
  label();
  watch();
})();
