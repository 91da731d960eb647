// The page of an entry: colours by another metric, numbers at another input size, the way of a block's tensors, zoom, and
// blocks that open from the picture. The numbers come from data.js and the data file of the entry.
(() => {
  "use strict";
  const tools = document.querySelector(".zoo-tools");
  const data = tools && window.zooData && window.zooData.entries[tools.dataset.entry];
  if (!data) return;
  const { shortCount, shortBytes, exact, percent, shapeText } = window.zooData.format;
  const figure = document.querySelector(".zoo-figure");
  const svg = figure.querySelector("svg");
  const said = tools.querySelector(".zoo-said");
  const boxes = [...svg.querySelectorAll(".box")];
  const arrows = [...svg.querySelectorAll("[data-from]")];
  const METRICS = { params: "parameters", macs: "MACs", output_bytes: "activation memory" };
  const HEAT = 0.4; // opacity of the warmest box, as in zoo/render/svg.py

  const put = (element, text) => {
    if (element && element.textContent !== text) element.textContent = text;
  };

  // Numbers at an input size --------------------------------------------------------------------------------------------

  let now = window.zooData.at(data, data.input);
  const params = new Map(data.blocks.map((block) => [block.name, block.params]));

  // Texts that name a tensor scale with the input; the first are kept, so that nothing is rounded twice.
  const scaled = [...svg.querySelectorAll("[data-bytes], [class*='v-row']")].map((element) => ({ element, text: element.textContent }));
  const scale = (text, count, bytes) => {
    const shape = /\d+(?:×\d+)+/g;
    const ratio = data.input.map((size, axis) => (axis < data.ndim ? now.input[axis] / size : 1));
    const resized = text.replace(shape, (found) => {
      const sizes = found.split("×").map(Number);
      return sizes.length === count ? shapeText(sizes.map((size, axis) => Math.round(size * ratio[axis]))) : found;
    });
    const grown = Math.round(ratio.reduce((product, factor) => product * factor, bytes));
    return bytes ? resized.replace(/[\d.]+ (?:[KMGT]i)?B/, shortBytes(grown)) : resized;
  };

  const showBox = (box, block) => {
    const work = box.querySelector(".v-macs");
    put(box.querySelector(".v-shape"), shapeText(block.shape));
    put(box.querySelector(".v-bytes"), `${shortBytes(block.bytes)} activations`);
    if (work) put(work, `${shortCount(block.macs)} MACs${work.textContent.includes("·") ? ` · ${percent(block.macs, now.macs)}` : ""}`);
  };

  const showDetails = (block) => {
    const row = document.getElementById(block.name)?.querySelector("summary");
    if (!row) return;
    const least = row.querySelector(".v-macs").textContent.startsWith("at least ") ? "at least " : "";
    put(row.querySelector(".v-shape"), shapeText(block.shape));
    put(row.querySelector(".v-macs"), `${least}${exact(block.macs)} MACs`);
    put(row.querySelector(".v-share"), `${percent(block.macs, now.macs)} of MACs`);
    put(row.querySelector(".v-bytes"), shortBytes(block.bytes));
  };

  const showTotals = () => {
    const least = svg.querySelector(".v-totals").textContent.includes("at least ") ? "at least " : "";
    put(
      svg.querySelector(".v-totals"),
      `input ${shapeText(now.input)} · ${exact(data.params)} params · ${least}${exact(now.macs)} MACs (${shortCount(2 * now.macs)} FLOPs)`
    );
    put(
      svg.querySelector(".v-memory"),
      `inference peak ${shortBytes(now.peak.bytes)} at ${now.peak.layer} · training keeps ${shortBytes(now.training)} per image · ` +
        `receptive field ${data.field}`
    );
    const bytes = (number) => [`${exact(number)} bytes`, shortBytes(number)];
    const counts = (number) => [exact(number), shortCount(number)];
    const rows = {
      input_shape: [shapeText(now.input), ""],
      macs: counts(now.macs),
      flops: counts(2 * now.macs),
      peak_bytes: bytes(now.peak.bytes),
      peak_layer: [now.peak.layer, ""],
      activation_bytes: bytes(now.activations),
      training_activation_bytes: bytes(now.training),
    };
    for (const [field, texts] of Object.entries(rows)) {
      const cells = document.querySelectorAll(`.zoo-totals [data-number="${field}"] td`);
      texts.forEach((text, column) => put(cells[column], text));
    }
  };

  const show = () => {
    const blocks = new Map(now.blocks.map((block) => [block.name, block]));
    for (const box of boxes) showBox(box, blocks.get(box.dataset.block));
    now.blocks.forEach(showDetails);
    for (const { element, text } of scaled) {
      const row = !element.dataset.bytes;
      put(element, scale(text, row ? data.ndim : data.ndim + 1, Number(element.dataset.bytes ?? 0)));
    }
    showTotals();
    colour();
  };

  // Colour ----------------------------------------------------------------------------------------------------------------

  const metric = () => tools.querySelector("[name=metric]:checked").value;

  const colour = () => {
    const value = { params: (block) => params.get(block.name), macs: (block) => block.macs, output_bytes: (block) => block.bytes }[metric()];
    const values = new Map(now.blocks.map((block) => [block.name, value(block)]));
    const most = Math.max(...values.values()) || 1;
    for (const box of boxes) box.querySelector(".o").setAttribute("fill-opacity", ((HEAT * values.get(box.dataset.block)) / most).toFixed(2));
    put(svg.querySelector(".v-metric"), `most ${METRICS[metric()]}`);
  };

  // The size of the input -------------------------------------------------------------------------------------------------

  const size = tools.querySelector(".zoo-size");
  const fields = [...size.querySelectorAll("input")];

  const resize = (shape) => {
    try {
      now = window.zooData.at(data, shape);
    } catch (error) {
      fields.forEach((field) => field.setAttribute("aria-invalid", "true"));
      put(said, error.message);
      return;
    }
    fields.forEach((field) => field.removeAttribute("aria-invalid"));
    show();
    put(said, `At ${shapeText(now.input)}: ${shortCount(now.macs)} MACs, inference peak ${shortBytes(now.peak.bytes)}.`);
  };

  if (data.fixed) {
    const choice = document.createElement("select");
    for (const table of data.tables) choice.add(new Option(shapeText(table.input), table.input.join()));
    choice.value = data.input.join();
    choice.addEventListener("change", () => resize(choice.value.split(",").map(Number)));
    const label = document.createElement("label");
    label.append("analysed sizes ", choice);
    fields.forEach((field) => field.parentElement.remove());
    size.querySelector("legend").after(label);
    size.querySelector("[data-size=stated]").addEventListener("click", () => {
      choice.value = data.input.join();
      resize(data.input);
    });
  } else {
    fields.forEach((field, axis) => {
      field.min = field.step = data.multiples[axis];
      field.addEventListener("change", () => resize([...fields.map((each) => Number(each.value)), data.channels]));
    });
    size.querySelector("[data-size=stated]").addEventListener("click", () => {
      fields.forEach((field) => (field.value = field.dataset.stated));
      resize(data.input);
    });
  }

  tools.addEventListener("change", (event) => event.target.name === "metric" && colour());

  // The way of a block's tensors ------------------------------------------------------------------------------------------

  const light = (name) => {
    const near = new Set([name]);
    for (const arrow of arrows) {
      const { from, to } = arrow.dataset;
      const touches = from === name || to === name;
      arrow.classList.toggle("lit", touches);
      if (touches) near.add(from).add(to);
    }
    for (const box of boxes) box.classList.toggle("lit", near.has(box.dataset.block));
    svg.classList.toggle("dim", name !== null);
  };

  for (const box of boxes) {
    box.addEventListener("pointerenter", () => light(box.dataset.block));
    box.addEventListener("pointerleave", () => light(null));
    box.addEventListener("focus", () => light(box.dataset.block));
    box.addEventListener("blur", () => light(null));
  }

  // Blocks open when they are the target of the address -------------------------------------------------------------------

  const open = () => {
    const block = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!block?.classList.contains("zoo-block")) return;
    block.open = true;
    block.querySelector("summary").focus({ preventScroll: true });
    block.scrollIntoView({ block: "start" });
  };
  addEventListener("hashchange", open);
  for (const box of boxes) box.addEventListener("click", () => location.hash === box.getAttribute("href") && open()); // the same one again
  document.addEventListener("keydown", (event) => {
    const block = event.key === "Escape" && event.target.closest?.(".zoo-block");
    if (!block) return;
    block.open = false;
    boxes.find((box) => box.dataset.block === block.id)?.focus();
  });

  // Zoom ------------------------------------------------------------------------------------------------------------------

  const zoom = window.Panzoom(svg, { minScale: 1, maxScale: 8, panOnlyWhenZoomed: true, touchAction: "pan-x pan-y", cursor: "", duration: 100 });
  const settle = () => {
    const near = zoom.getScale() > 1;
    zoom.setOptions({ touchAction: near ? "none" : "pan-x pan-y", cursor: near ? "grab" : "" });
    if (!near) zoom.pan(0, 0);
  };
  const actions = { in: () => zoom.zoomIn(), out: () => zoom.zoomOut(), reset: () => zoom.reset() };
  const act = (name) => {
    actions[name]();
    settle();
  };
  tools.addEventListener("click", (event) => event.target.dataset.zoom && act(event.target.dataset.zoom));
  figure.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey) return; // else the page scrolls
    zoom.zoomWithWheel(event);
    settle();
  }, { passive: false });
  const steps = { ArrowLeft: [40, 0], ArrowRight: [-40, 0], ArrowUp: [0, 40], ArrowDown: [0, -40] };
  figure.addEventListener("keydown", (event) => {
    const name = { "+": "in", "=": "in", "-": "out", 0: "reset" }[event.key];
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (name) act(name);
    else if (steps[event.key] && zoom.getScale() > 1) zoom.pan(...steps[event.key], { relative: true });
    else return;
    event.preventDefault();
  });
  let start = null; // a drag is no click
  figure.addEventListener("pointerdown", (event) => (start = [event.clientX, event.clientY]), true);
  figure.addEventListener("click", (event) => {
    if (start && event.detail && Math.hypot(event.clientX - start[0], event.clientY - start[1]) > 5) event.preventDefault();
  }, true);

  tools.hidden = false;
  show();
  open();
})();
