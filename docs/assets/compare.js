// The page on which two entries are compared: reads the pair from the form and the address, loads their data files and shows
// the comparison. The numbers at an input size come from data.js, what differs from diff.js, tables from compare-view.js.
(() => {
  "use strict";

  const form = document.querySelector(".zoo-pair");
  const said = document.querySelector(".zoo-pair-said");
  const result = document.querySelector(".zoo-compare");
  if (!form || !said || !result || !window.zooData || !window.zooDiff || !window.zooCompareView) return;

  const { shapeText } = window.zooData.format;
  const { element, view, where } = window.zooCompareView;
  const { choices, common, compare, near, resolve, takes } = window.zooDiff;
  const entries = [...form.querySelectorAll("datalist option")].map(({ value, dataset }) => ({ name: value, family: dataset.family }));
  const { a: first, b: second, input: sizes, swap } = form.elements;

  // The pair ----------------------------------------------------------------------------------------------------------

  const say = (...parts) => {
    said.replaceChildren(...parts);
    said.hidden = false;
  };

  // Says that a field names no entry, and offers the nearest names.
  const refuse = (field) => {
    const which = field === first ? "first" : "second";
    const offers = near(field.value, entries).flatMap((name, index) => {
      const button = element("button", { type: "button" }, name);
      button.addEventListener("click", () => {
        field.value = name;
        update();
        field.focus();
      });
      return [index ? " or " : " Did you mean ", button];
    });
    const text = field.value.trim() ? `No entry is called “${field.value.trim()}”.` : `Name the ${which} network.`;
    field.setAttribute("aria-invalid", "true");
    result.hidden = true;
    say(text, ...offers, offers.length ? "? " : " ", "The command zoo diff also compares sizes that are not listed.");
  };

  const key = (shape) => shape.join("x");

  // Fills the choice of input sizes and returns the chosen one, null for each at its own.
  const chooseSize = (a, b, wanted) => {
    const usual = common(a, b);
    const found = a.ndim === b.ndim ? choices(a, b) : [];
    const given = wanted.split(/[x×,]/).map(Number);
    if (takes(a, given) && takes(b, given) && !found.some((shape) => key(shape) === key(given))) found.push(given);
    const chosen = found.find((shape) => key(shape) === key(given)) ?? usual;
    const options = found.map((shape) =>
      element("option", { value: key(shape), selected: chosen !== null && key(shape) === key(chosen) }, shapeText(shape))
    );
    if (!usual) options.unshift(element("option", { value: "", selected: !chosen }, "each its own"));
    sizes.replaceChildren(...options);
    sizes.disabled = options.length < 2;
    return { chosen, usual };
  };

  const remember = (a, b, chosen, usual) => {
    const query = new URLSearchParams({ a: a.name, b: b.name });
    if (chosen && !(usual && key(chosen) === key(usual))) query.set("input", key(chosen));
    try {
      history.replaceState(null, "", `?${query}`);
    } catch {
      // some browsers keep the address of a page that was opened as a file
    }
  };

  let latest = 0;

  const update = async (wanted = "") => {
    latest += 1;
    const turn = latest;
    for (const field of [first, second]) field.removeAttribute("aria-invalid");
    const names = [];
    for (const field of [first, second]) {
      const name = resolve(field.value, entries);
      if (name === null) return refuse(field);
      field.value = name;
      names.push(name);
    }
    try {
      const files = await Promise.all(names.flatMap((name) => [window.zooData.load(name), window.zooData.load(`${name}.layers`)]));
      if (turn !== latest) return undefined;
      const [a, layersOfA, b, layersOfB] = files;
      const { chosen, usual } = chooseSize(a, b, wanted);
      const at = (data) => window.zooData.at(data, chosen ? [...chosen, data.channels] : data.input);
      const diff = compare({ data: a, layers: layersOfA, numbers: at(a) }, { data: b, layers: layersOfB, numbers: at(b) });
      result.replaceChildren(...view(diff, [a, b]));
      result.hidden = false;
      remember(a, b, chosen, usual);
      say(`${a.name} against ${b.name}, ${where(diff)}; batch 1.`);
    } catch (error) {
      if (turn !== latest) return undefined;
      result.hidden = true;
      say(error.message);
    }
    return undefined;
  };

  const fromAddress = () => {
    const query = new URLSearchParams(location.search);
    first.value = query.get("a") ?? resolve("resunet-v1", entries) ?? entries[0].name;
    second.value = query.get("b") ?? resolve("resunet-v2", entries) ?? entries[entries.length - 1].name;
    update(query.get("input") ?? "");
  };

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    update(sizes.value);
  });
  for (const field of [first, second]) {
    field.addEventListener("focus", () => field.select()); // so that typing lists all names anew
    field.addEventListener("change", () => update());
    field.addEventListener("input", () => entries.some(({ name }) => name === field.value) && update());
  }
  sizes.addEventListener("change", () => update(sizes.value));
  swap.addEventListener("click", () => {
    [first.value, second.value] = [second.value, first.value];
    update(sizes.value);
  });
  addEventListener("popstate", fromAddress);
  form.hidden = false;
  fromAddress();
})();
