// The catalog: sorts its table by a column, filters it, dims what is filtered out in the chart, and keeps all of that in the
// page's address. Without this script the table is complete and in the catalog's order.
"use strict";

(() => {
  // Filters that are an upper bound: name of the field -> key of the column, and how much one unit of the field is.
  const BOUNDS = { params: ["params", 1e6], gmacs: ["macs", 1e9], kmacs: ["density", 1e3], peak: ["peak", 2 ** 20] };
  const FIELDS = ["q", "family", "ndim", ...Object.keys(BOUNDS), "from", "to", "weights"];
  const collator = new Intl.Collator("en", { numeric: true });

  // Text without case and accents, so that "francois" finds "François".
  const plain = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();

  // The number in a value, or null where there is none; "Infinity" is a number here.
  const number = (text) => (text === "" || Number.isNaN(Number(text)) ? null : Number(text));

  // Whether a row { words, family, ndim, params, ... } passes a state { q, family, ..., sort } of the form; "" filters nothing.
  const matches = (row, state) => {
    const words = plain(row.words);
    if (!plain(state.q ?? "").split(/\s+/).every((word) => words.includes(word))) return false;
    for (const key of ["family", "ndim"]) if (state[key] && row[key] !== state[key]) return false;
    for (const [field, [key, unit]] of Object.entries(BOUNDS)) {
      const most = number(state[field] ?? "");
      if (most !== null && Number(row[key]) > most * unit) return false;
    }
    const [from, to] = [number(state.from ?? ""), number(state.to ?? "")];
    if ((from !== null && Number(row.year) < from) || (to !== null && Number(row.year) > to)) return false;
    return !state.weights || (state.weights === "yes") === Number(row.weights) > 0;
  };

  // Compares two values of a column: numbers by size, texts by their letters and the numbers in them; what is not known is last
  // in either direction.
  const compare = (a, b, descending) => {
    if (a === "" || b === "") return (a === "") - (b === "");
    const [x, y] = [number(a), number(b)];
    const order = x !== null && y !== null ? Math.sign(x - y) || 0 : collator.compare(a, b);
    return descending ? -order : order;
  };

  // The rows in the order that `sort` names: "params", "-params" for descending, "" for the catalog's own. Ties stay as they are.
  const sorted = (rows, sort) => {
    if (!sort) return [...rows];
    const descending = sort.startsWith("-");
    const key = descending ? sort.slice(1) : sort;
    return [...rows].sort((a, b) => compare(a[key], b[key], descending));
  };

  // What the next press on a column's head sorts by: up, down, and back to the catalog's order.
  const next = (sort, key) => (sort === key ? `-${key}` : sort === `-${key}` ? "" : key);

  // A state as an address and back; empty fields are left out.
  const toQuery = (state) => {
    const query = new URLSearchParams();
    for (const field of [...FIELDS, "sort"]) if (state[field]) query.set(field, state[field]);
    const text = query.toString();
    return text && `?${text}`;
  };
  const fromQuery = (text) => {
    const query = new URLSearchParams(text);
    return Object.fromEntries([...FIELDS, "sort"].map((field) => [field, query.get(field) ?? ""]));
  };

  // What the status line says.
  const summary = (shown, all) =>
    shown === all ? `${all} entries` : shown ? `${shown} of ${all} entries` : `None of ${all} entries passes these filters`;

  if (typeof module !== "undefined") {
    module.exports = { matches, compare, sorted, next, toQuery, fromQuery, summary };
    return;
  }

  const table = document.querySelector(".zoo-entries");
  const form = document.querySelector(".zoo-filter");
  if (!table || !form) return;

  const heads = [...table.tHead.rows[0].cells];
  const keys = heads.map((head) => head.dataset.key);
  const points = new Map([...document.querySelectorAll(".zoo-scatter a")].map((link) => [link.dataset.name, link]));
  const rows = [...table.tBodies[0].rows].map((element) => {
    const row = Object.fromEntries(keys.map((key, column) => [key, element.cells[column].dataset.value]));
    return { ...row, element, words: `${element.cells[0].textContent} ${element.dataset.words}` };
  });
  let sort = "";

  const formState = () => ({ ...Object.fromEntries(FIELDS.map((field) => [field, form.elements[field].value.trim()])), sort });

  const showSort = () => {
    heads.forEach((head, column) => {
      const direction = sort === keys[column] ? "ascending" : sort === `-${keys[column]}` ? "descending" : "";
      if (direction) head.setAttribute("aria-sort", direction);
      else head.removeAttribute("aria-sort");
    });
  };

  const show = () => {
    const state = formState();
    let shown = 0;
    for (const row of rows) {
      const passes = matches(row, state);
      shown += passes;
      row.element.hidden = !passes;
      const point = points.get(row.name);
      point?.classList.toggle("off", !passes);
      if (passes) point?.removeAttribute("tabindex");
      else point?.setAttribute("tabindex", "-1");
    }
    table.tBodies[0].append(...sorted(rows, sort).map((row) => row.element));
    showSort();
    document.querySelector(".zoo-count").textContent = summary(shown, rows.length);
    try {
      history.replaceState(null, "", (toQuery(state) || location.pathname) + location.hash);
    } catch {
      // A browser that keeps the address of a file as it is: the page works, its state cannot be shared.
    }
  };

  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      sort = next(sort, keys[column]);
      show();
    });
  });
  form.addEventListener("input", show);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => {
    sort = "";
    setTimeout(show); // the fields are empty only after this event
  });

  const given = fromQuery(location.search);
  for (const field of FIELDS) form.elements[field].value = given[field];
  if (keys.includes(given.sort.replace(/^-/, ""))) sort = given.sort;
  form.hidden = false;
  show();
})();
