// Runs before the page is painted: no flash of the wrong theme, no buttons that could not work.
(function () {
  "use strict";
  var root = document.documentElement;
  root.classList.remove("no-js");
  try {
    var kept = localStorage.getItem("lungeval-theme");
    if (kept === "dark" || kept === "light") root.dataset.theme = kept;
  } catch (error) { /* storage may be forbidden: the system's theme holds */ }
})();
