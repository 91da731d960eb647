// The theme wraps tables into frames that scroll on narrow screens: the keyboard must be able to reach such a frame.
(() => {
  "use strict";
  const mark = () => {
    for (const frame of document.querySelectorAll(".md-typeset__scrollwrap")) {
      frame.tabIndex = 0;
      frame.setAttribute("role", "group");
      frame.setAttribute("aria-label", "Table");
    }
  };
  new MutationObserver(mark).observe(document.querySelector("article"), { childList: true, subtree: true }); // made by a script
  mark();
})();
