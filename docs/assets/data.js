// The numbers of entries at any input size. A data file, docs/models/data/NAME.js, calls `zooData(name, data)`; what it holds
// is described in scripts/pages/data.py. `zooData.load(name)` fetches one, `zooData.at(data, shape)` evaluates it, and
// `zooData.format` writes numbers as zoo/render/units.py does.
(() => {
  "use strict";
  if (window.zooData) return; // a page that names this file twice keeps what it has

  const zooData = (name, data) => {
    zooData.entries[name] = data;
  };
  zooData.entries = Object.create(null);

  // Loading -----------------------------------------------------------------------------------------------------------

  const folder = new URL("../models/data/", document.currentScript.src); // beside this file, wherever the site lies
  const pending = new Map();

  const request = (name) =>
    new Promise((resolve, reject) => {
      const script = document.createElement("script");
      const url = new URL(`${encodeURIComponent(name)}.js`, folder).href;
      const fail = (reason) => {
        script.remove();
        pending.delete(name); // the next call tries again
        reject(new Error(reason));
      };
      script.src = url;
      script.addEventListener("error", () => fail(`There are no numbers of "${name}": ${url} could not be loaded.`));
      script.addEventListener("load", () =>
        name in zooData.entries ? resolve(zooData.entries[name]) : fail(`${url} does not hold the numbers of "${name}".`)
      );
      document.head.append(script);
    });

  zooData.load = (name) => {
    if (name in zooData.entries) return Promise.resolve(zooData.entries[name]);
    if (!pending.has(name)) pending.set(name, request(name));
    return pending.get(name);
  };

  // Evaluating --------------------------------------------------------------------------------------------------------

  const whole = (number) => {
    if (Number.isSafeInteger(number)) return number;
    throw new RangeError("The input is too large: its numbers have more digits than can be shown exactly.");
  };

  const polynomial = (terms, coefficients, counts) =>
    coefficients.reduce(
      (sum, factor, k) => whole(sum + whole(terms[k].reduce((product, power, axis) => product * counts[axis] ** power, factor))),
      0
    );

  const sizeAt = (size, count) => (Array.isArray(size) ? size[0] + size[1] * count : size);

  const same = (a, b) => a.length === b.length && a.every((size, axis) => size === b[axis]);

  const listed = (data, table) => ({
    input: table.input,
    macs: table.macs,
    activations: table.activations,
    training: table.training,
    peak: { bytes: table.peak[0], layer: table.peak[1] },
    blocks: table.blocks.map((block, k) => ({ name: data.blocks[k].name, ...block })),
  });

  const counted = (data, shape, counts) => {
    const value = (coefficients) => polynomial(data.terms, coefficients, counts);
    const alive = data.peak.map((row) => ({ bytes: value(row.slice(0, -1)), layer: row[row.length - 1] }));
    return {
      input: [...shape],
      macs: value(data.macs),
      activations: value(data.activations),
      training: value(data.training),
      peak: alive.reduce((most, step) => (step.bytes > most.bytes ? step : most)),
      blocks: data.blocks.map((block) => ({
        name: block.name,
        shape: block.shape.map((size, axis) => sizeAt(size, counts[axis])),
        macs: value(block.macs),
        bytes: value(block.bytes),
      })),
    };
  };

  const AXES = { 2: ["height", "width"], 3: ["depth axis", "height", "width"] };

  const isShape = (data, shape) =>
    Array.isArray(shape) && shape.length === data.ndim + 1 && shape.every((size) => Number.isInteger(size) && size > 0);

  // Says what is wrong with a shape that `at` does not take.
  const fault = (data, shape) => {
    const given = `Received: ${Array.isArray(shape) ? shape.join(" x ") : shape}`;
    const listed = data.tables.map((table) => table.input.join(" x ")).join(", ");
    if (data.fixed) return `${data.name} has numbers for inputs of ${listed} only. ${given}`;
    if (!isShape(data, shape) || shape[data.ndim] !== data.channels) {
      const sizes = data.multiples.map((step, axis) => `${AXES[data.ndim][axis]} (a multiple of ${step})`);
      return `${data.name} takes ${sizes.join(", ")} and ${data.channels} channels. ${given}`;
    }
    const wrong = data.multiples.flatMap((step, axis) => {
      const below = shape[axis] - (shape[axis] % step);
      const nearest = below ? `use ${below} or ${below + step}` : `use ${step} or more`;
      return below === shape[axis] ? [] : [`${AXES[data.ndim][axis]} ${shape[axis]} is not a multiple of ${step}: ${nearest}`];
    });
    return `${wrong.join("; ")}.${listed && ` Also allowed: ${listed}.`} ${given}`;
  };

  zooData.at = (data, shape) => {
    if (isShape(data, shape)) {
      const table = data.tables.find((row) => same(row.input, shape));
      if (table) return listed(data, table);
      const counts = data.multiples.map((step, axis) => shape[axis] / step);
      if (!data.fixed && shape[data.ndim] === data.channels && counts.every(Number.isInteger)) return counted(data, shape, counts);
    }
    throw new RangeError(fault(data, shape));
  };

  // Formatting --------------------------------------------------------------------------------------------------------

  // Python rounds a number that lies exactly between two to the even one, toFixed away from zero.
  const fixed = (value, digits) => {
    const halves = value * 2 ** (digits + 1); // exact, and odd only where the value ends in ...5 in binary too
    if (Number.isInteger(halves) && halves % 2 === 1) {
      const below = Math.floor(value * 10 ** digits);
      return ((below + (below % 2)) / 10 ** digits).toFixed(digits);
    }
    return value.toFixed(digits);
  };

  const scaled = (number, step, units) => {
    let value = number;
    let unit = 0;
    while (value >= step - 0.5 && unit < units.length - 1) {
      value /= step;
      unit += 1;
    }
    const digits = unit === 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
    return `${fixed(value, digits)} ${units[unit]}`;
  };

  zooData.format = {
    shortCount: (number) => scaled(number, 1000, ["", "k", "M", "G", "T", "P"]).trim(),
    shortBytes: (number) => scaled(number, 1024, ["B", "KiB", "MiB", "GiB", "TiB"]),
    exact: (number) => String(number).replace(/\B(?=(\d{3})+$)/g, ","),
    percent: (part, all) => (all ? `${fixed((100 * part) / all, 1)} %` : "0.0 %"),
    shapeText: (shape) => shape.map((size) => size ?? "?").join("\u00d7") || "scalar",
  };

  window.zooData = zooData;
})();
