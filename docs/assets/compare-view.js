// The tables and pictures of the page on which two entries are compared: from a comparison (diff.js) to elements.
(() => {
  "use strict";

  if (!window.zooData) return;
  const { exact, shortBytes, shapeText } = window.zooData.format;

  // Elements ----------------------------------------------------------------------------------------------------------

  // element("td", { class: "n" }, "text", child, ...): what is null or false is left out.
  const element = (tag, attributes = {}, ...children) => {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (value !== null && value !== false) made.setAttribute(name, value === true ? "" : value);
    }
    made.append(...children.filter((child) => child !== null && child !== false));
    return made;
  };

  const table = (label, heads, rows, name = "") =>
    element(
      "div",
      { class: "zoo-scroll", tabindex: "0", role: "region", "aria-label": label },
      element(
        "table",
        { class: name },
        element("thead", {}, element("tr", {}, ...heads.map((head) => element("th", { scope: "col" }, head)))),
        element("tbody", {}, ...rows)
      )
    );

  // Numbers -----------------------------------------------------------------------------------------------------------

  const sign = (delta) => (delta > 0 ? "+" : delta < 0 ? "−" : "");
  const kind = (delta) => `n ${delta > 0 ? "zoo-more" : delta < 0 ? "zoo-less" : "zoo-equal"}`;

  const difference = (delta, write = exact, unit = "") =>
    delta === null
      ? element("td", { class: "n" })
      : element("td", { class: kind(delta) }, delta === 0 ? "same" : `${sign(delta)}${write(Math.abs(delta))}${unit}`);

  const ratioText = (ratio) => {
    if (ratio === null) return "";
    const digits = ratio >= 100 ? 0 : ratio >= 10 ? 1 : ratio >= 1 ? 2 : ratio >= 0.1 || ratio === 0 ? 3 : 4;
    return `×${ratio.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits })}`;
  };

  const TOTALS = [
    ["params", "parameters", exact],
    ["trainable_params", "trainable parameters", exact],
    ["macs", "MACs", exact],
    ["flops", "FLOPs (2 × MACs)", exact],
    ["weight_bytes", "weights", shortBytes],
    ["peak_bytes", "inference peak", shortBytes],
    ["training_activation_bytes", "kept for training, per image", shortBytes],
    ["activation_bytes", "all activations", shortBytes],
    ["layers", "layers", exact],
  ];

  const totalsTable = (diff, fields) => {
    const row = (label, a, b, delta, ratio, write, unit) =>
      element(
        "tr",
        {},
        element("th", { scope: "row" }, label),
        element("td", { class: "n" }, a),
        element("td", { class: "n" }, b),
        difference(delta, write, unit),
        element("td", { class: "n" }, ratioText(ratio))
      );
    const rows = TOTALS.map(([name, label, write]) => {
      const { a, b, delta, ratio } = diff.totals[name];
      return row(label, write(a), write(b), delta, ratio, write);
    });
    const { delta, ratio } = diff.totals.receptive_field;
    rows.push(row("receptive field", ...fields, delta, ratio, exact, " px"));
    return table("Totals of both networks", ["number", diff.a.name, diff.b.name, "difference", "ratio"], rows, "zoo-pair-totals");
  };

  // Blocks ------------------------------------------------------------------------------------------------------------

  const MARKS = { same: "=", changed: "≠", added: "+", removed: "−" };
  const badge = (status) =>
    element("span", { class: `zoo-badge zoo-${status}` }, element("span", { "aria-hidden": "true" }, `${MARKS[status]} `), status);

  const layerList = (title, name, layers) =>
    element(
      "div",
      {},
      element("p", {}, title, element("strong", {}, name)),
      layers.length
        ? element(
            "ul",
            {},
            ...layers.map(({ count, kind: { op, detail, channels, params } }) =>
              element(
                "li",
                {},
                `${count} × ${[op, detail].join(" ").trim()}`,
                channels ? `, ${channels} channels` : "",
                params ? `, ${exact(params)} parameters each` : ""
              )
            )
          )
        : element("p", {}, "nothing")
    );

  const blockLink = (network, block) =>
    element("a", { href: `${encodeURIComponent(network.name)}.html#${block}` }, `${block} of ${network.name}`);

  const blockDetails = (diff, block) => {
    const sides = [
      ["a", diff.a, block.shape_a],
      ["b", diff.b, block.shape_b],
    ].filter(([side]) => block[side]);
    const costs = sides.map(([side, network, shape]) =>
      element(
        "p",
        {},
        blockLink(network, block[side]),
        `: output ${shapeText(shape)}, ${exact(block.layers[side])} ${block.layers[side] === 1 ? "layer" : "layers"}, `,
        `${exact(block.params[side])} parameters, `,
        `${exact(block.macs[side])} MACs, ${shortBytes(block.output_bytes[side])} activations`
      )
    );
    const lists =
      block.removed_layers.length || block.added_layers.length
        ? element(
            "div",
            { class: "zoo-sides" },
            layerList("− only in ", diff.a.name, block.removed_layers),
            layerList("+ only in ", diff.b.name, block.added_layers)
          )
        : element("p", {}, block.status === "same" ? "The layers are the same." : "The layers are the same, at another size.");
    return element("div", {}, ...costs, lists);
  };

  const blockRows = (diff, block, index) => {
    const id = `zoo-block-${index}`;
    const name = block.a && block.b && block.a !== block.b ? `${block.a} → ${block.b}` : block.a || block.b;
    const button = element("button", { type: "button", "aria-expanded": "false", "aria-controls": id }, name);
    const details = element("tr", { id, class: "zoo-inner", hidden: true }, element("td", { colspan: "6" }, blockDetails(diff, block)));
    button.addEventListener("click", () => {
      details.hidden = !details.hidden;
      button.setAttribute("aria-expanded", String(!details.hidden));
    });
    const row = element(
      "tr",
      {},
      element("th", { scope: "row" }, button),
      element("td", {}, badge(block.status)),
      difference(block.layers.delta),
      difference(block.params.delta),
      difference(block.macs.delta),
      difference(block.output_bytes.delta, shortBytes)
    );
    return [row, details];
  };

  const blocksTable = (diff) =>
    table(
      "Blocks of both networks",
      ["block", "change", "layers", "parameters", "MACs", "activations"],
      diff.blocks.flatMap((block, index) => blockRows(diff, block, index))
    );

  const skipsPart = ({ skips }) => {
    const differing = skips.filter(({ status }) => status !== "same");
    const count = skips.length - differing.length;
    const rest = count ? `${count} ${count === 1 ? "skip is" : "skips are"} the same.` : "No skip is the same.";
    if (!differing.length) return element("p", {}, skips.length ? rest : "Neither has skips.");
    const rows = differing.map(({ source, target, kind: how, status }) => element("li", {}, badge(status), ` ${source} → ${target}, ${how}`));
    return element("div", {}, element("ul", { class: "zoo-skips" }, ...rows), element("p", {}, rest));
  };

  // Pictures ----------------------------------------------------------------------------------------------------------

  const palette = () => (document.body.dataset.mdColorScheme === "slate" ? "#zoo-dark" : "#zoo-light");

  const picture = (data) => {
    const address = encodeURIComponent(data.name);
    const alt = `The U of ${data.name}: ${data.blocks.length} blocks; the table of blocks below says what is in them.`;
    const shown = shapeText(data.input);
    return element(
      "figure",
      {},
      element("a", { href: `${address}.html` }, element("img", { src: `${address}.svg${palette()}`, alt })),
      element("figcaption", {}, `${data.name}, drawn at ${shown}`)
    );
  };

  // A choice that holds for the next pairs too: pictures below each other, as wide as the page.
  let larger = false;
  const largerPictures = (figures) => {
    const box = element("input", { type: "checkbox", checked: larger });
    const apply = () => figures.classList.toggle("zoo-larger", larger);
    box.addEventListener("change", () => {
      larger = box.checked;
      apply();
    });
    apply();
    return element("label", { class: "zoo-check" }, box, " Pictures below each other, larger");
  };

  // Pictures follow the palette of the site, which an image cannot see.
  new MutationObserver(() => {
    for (const image of document.querySelectorAll(".zoo-figures img")) image.src = image.src.replace(/#.*/, palette());
  }).observe(document.body, { attributes: true, attributeFilter: ["data-md-color-scheme"] });

  // The result --------------------------------------------------------------------------------------------------------

  // Says at which input both were counted.
  const where = ({ a, b, same_input: same }) => {
    const [one, other] = [a.input_shape, b.input_shape];
    if (same && one[one.length - 1] === other[other.length - 1]) return `both at ${shapeText(one)}`;
    if (same) return `both at ${shapeText(one.slice(0, -1))}, with ${one[one.length - 1]} and ${other[other.length - 1]} channels`;
    return `at ${shapeText(one)} and at ${shapeText(other)}: no size suits both, so MACs, activations and memory are of different images`;
  };

  // Everything about a comparison, as elements; `data` are the data files of both.
  const view = (diff, data) => {
    const heading = (text) => element("h2", {}, text);
    const figures = element("div", { class: "zoo-figures" }, ...data.map(picture));
    const blocks = blocksTable(diff);
    const open = element("button", { type: "button" }, "Open all blocks");
    open.addEventListener("click", () => {
      for (const button of blocks.querySelectorAll('[aria-expanded="false"]')) button.click();
    });
    const partial = [diff.a, diff.b]
      .filter(({ unsupported }) => unsupported.length)
      .map(({ name, unsupported }) => element("p", {}, `${name}: not understood, so its numbers are not whole: ${unsupported.join(", ")}`));
    return [
      element("p", {}, largerPictures(figures)),
      figures,
      heading("Totals"),
      totalsTable(diff, data.map(({ field }) => field)),
      ...partial,
      heading("Blocks"),
      element("p", {}, "How much more or less the second network has. A block opens to its layers. ", open),
      blocks,
      heading("Skips"),
      skipsPart(diff),
    ];
  };

  window.zooCompareView = { element, view, where };
})();
