// What differs between two entries, in the form of `zoo diff --json`: the same rules as zoo/render/diff.py, on the data files of
// the entries (scripts/pages/data.py, scripts/pages/compare.py). Pure: no page is needed, so node can run it too.
(() => {
  "use strict";

  const product = (sizes) => sizes.reduce((total, size) => total * size, 1);
  const equal = (a, b) => a.length === b.length && a.every((item, k) => item === b[k]);

  // Orders lists item by item, numbers by size and texts by their letters, as Python does with tuples.
  const order = (a, b) => {
    for (let k = 0; k < a.length && k < b.length; k += 1) {
      if (a[k] !== b[k]) return a[k] < b[k] ? -1 : 1;
    }
    return a.length - b.length;
  };

  // Input sizes -------------------------------------------------------------------------------------------------------

  const own = (data) => data.input.slice(0, -1);

  // Whether there are numbers of an entry at these spatial sizes.
  const takes = (data, sizes) => {
    if (sizes.length !== data.ndim) return false;
    if (equal(sizes, own(data)) || data.tables.some((table) => equal(table.input, [...sizes, data.channels]))) return true;
    return !data.fixed && sizes.every((size, axis) => size >= data.multiples[axis] && size % data.multiples[axis] === 0);
  };

  // The size at which two entries are compared: the one that both state, else the smaller one that both take, else null.
  const common = (a, b) => {
    if (equal(own(a), own(b))) return own(a);
    const candidates = [own(a), own(b)].sort((x, y) => order([product(x), ...x], [product(y), ...y]));
    return candidates.find((sizes) => takes(a, sizes) && takes(b, sizes)) ?? null;
  };

  const SIDES = {
    2: [32, 64, 96, 128, 160, 192, 224, 256, 320, 384, 448, 512, 640, 768, 1024, 1536, 2048],
    3: [16, 32, 48, 64, 80, 96, 112, 128, 160, 192, 224, 256],
  };

  // Sizes to choose from: those that the entries state and the usual squares or cubes, where both take them; small ones first.
  const choices = (a, b) => {
    const found = [own(a), own(b), ...SIDES[a.ndim].map((side) => Array(a.ndim).fill(side))];
    return found
      .filter((sizes, k) => takes(a, sizes) && takes(b, sizes) && found.findIndex((other) => equal(other, sizes)) === k)
      .sort((x, y) => order([product(x), ...x], [product(y), ...y]));
  };

  // The comparison ----------------------------------------------------------------------------------------------------

  const change = (a, b) => {
    const known = a !== null && b !== null;
    return { a, b, delta: known ? b - a : null, ratio: known && a ? b / a : null };
  };

  const network = ({ data, layers, numbers }) => ({
    name: data.name,
    input_shape: numbers.input,
    receptive_field: layers.field,
    peak_layer: numbers.peak.layer,
    unsupported: layers.unsupported,
  });

  // The largest extent of the receptive field; null where it is the whole input or not known.
  const extent = (field) => (field.length && !field.includes(null) ? Math.max(...field.map(([, largest]) => largest)) : null);

  const totals = (a, b) => {
    const of = (read) => change(read(a), read(b));
    return {
      params: of(({ data }) => data.params),
      trainable_params: of(({ data }) => data.trainable),
      macs: of(({ numbers }) => numbers.macs),
      flops: of(({ numbers }) => 2 * numbers.macs),
      weight_bytes: of(({ data }) => data.weightBytes),
      peak_bytes: of(({ numbers }) => numbers.peak.bytes),
      training_activation_bytes: of(({ numbers }) => numbers.training),
      activation_bytes: of(({ numbers }) => numbers.activations),
      layers: of(({ data }) => data.layers),
      receptive_field: of(({ layers }) => extent(layers.field)),
    };
  };

  // Where a block stands: equal for blocks that are compared, and in the order in which they run.
  const place = ({ name, side, level }) => {
    const prefix = name.replace(/\d.*/, "");
    if (prefix === "input" || prefix === "head") return [prefix === "input" ? 0 : 4, level, 0, name];
    if (side === "bottleneck") return [2, 0, 0, ""];
    if (side === "skip" || side === "decoder") return [3, -level, Number(side === "decoder"), name];
    return [1, level, 0, name];
  };

  // The blocks of an entry by place, each with its numbers and its layers: how often there is each kind.
  const blocksOf = ({ data, numbers }) => {
    const found = new Map();
    data.blocks.forEach((block, k) => {
      const kinds = new Map();
      for (let i = 0; i < block.kinds.length; i += 2) kinds.set(JSON.stringify(data.kinds[block.kinds[i]]), block.kinds[i + 1]);
      const { shape, macs, bytes } = numbers.blocks[k];
      found.set(JSON.stringify(place(block)), { ...block, shape, macs, output_bytes: bytes, kinds });
    });
    return found;
  };

  const NOTHING = { name: "", side: "", shape: [], params: 0, macs: 0, output_bytes: 0, kinds: new Map() };

  // What the first has and the second has not, or less often.
  const beyond = (kinds, others) =>
    [...kinds]
      .map(([kind, count]) => [JSON.parse(kind), count - (others.get(kind) ?? 0)])
      .filter(([, count]) => count > 0)
      .sort(([one], [other]) => order(one, other))
      .map(([[op, detail, channels, params], count]) => ({ count, kind: { op, detail, channels, params } }));

  const layerCount = (block) => [...block.kinds.values()].reduce((sum, count) => sum + count, 0);

  const blockDiff = (a, b, sameInput) => {
    const [one, other] = [a ?? NOTHING, b ?? NOTHING];
    const changes = {
      layers: change(layerCount(one), layerCount(other)),
      params: change(one.params, other.params),
      macs: change(one.macs, other.macs),
      output_bytes: change(one.output_bytes, other.output_bytes),
    };
    const removed = beyond(one.kinds, other.kinds);
    const added = beyond(other.kinds, one.kinds);
    const differs = removed.length || added.length || (sameInput && Object.values(changes).some(({ delta }) => delta));
    return {
      a: one.name,
      b: other.name,
      side: (a ?? b).side,
      status: !a ? "added" : !b ? "removed" : differs ? "changed" : "same",
      shape_a: one.shape,
      shape_b: other.shape,
      ...changes,
      removed_layers: removed,
      added_layers: added,
    };
  };

  const blockDiffs = (a, b, sameInput) => {
    const [first, second] = [blocksOf(a), blocksOf(b)];
    return [...new Set([...first.keys(), ...second.keys()])]
      .sort((one, other) => order(JSON.parse(one), JSON.parse(other)))
      .map((key) => blockDiff(first.get(key), second.get(key), sameInput));
  };

  const skipDiffs = (a, b, blocks) => {
    const [first, second] = [[a, "a"], [b, "b"]].map(([{ layers }, side]) => {
      const row = (name) => blocks.findIndex((block) => block[side] === name);
      return new Map(layers.skips.map(([kind, source, target]) => [
        JSON.stringify([row(target), row(source), kind]),
        { source, target, kind },
      ]));
    });
    return [...new Set([...first.keys(), ...second.keys()])]
      .sort((one, other) => order(JSON.parse(one), JSON.parse(other)))
      .map((key) => ({
        ...(first.get(key) ?? second.get(key)),
        status: !first.has(key) ? "added" : !second.has(key) ? "removed" : "same",
      }));
  };

  // Compares two entries, each { data, layers, numbers }: its two data files, and what zooData.at gives for the first.
  const compare = (a, b) => {
    const sameInput = equal(a.numbers.input.slice(0, -1), b.numbers.input.slice(0, -1));
    const blocks = blockDiffs(a, b, sameInput);
    return {
      a: network(a),
      b: network(b),
      same_input: sameInput,
      totals: totals(a, b),
      blocks,
      skips: skipDiffs(a, b, blocks),
    };
  };

  // Names -------------------------------------------------------------------------------------------------------------

  const base = (name) => name.replace(/(-d\d+)?(-f\d+)?$/, "");

  // The entry that a text names: a full name, a base such as "resunet-v1" (its default entry), or a family; or null.
  const resolve = (text, entries) => {
    const wanted = text.trim().toLowerCase();
    const by = (read) => entries.find((entry) => read(entry) === wanted)?.name;
    return by(({ name }) => name) ?? by(({ name }) => base(name)) ?? by(({ family }) => family) ?? null;
  };

  // How many letters have to be put in, left out or replaced to make one text of another.
  const distance = (a, b) => {
    let row = [...Array(b.length + 1).keys()];
    for (let i = 1; i <= a.length; i += 1) {
      const next = [i];
      for (let j = 1; j <= b.length; j += 1) {
        next.push(Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + (a[i - 1] !== b[j - 1])));
      }
      row = next;
    }
    return row[b.length];
  };

  // The names nearest to a text that names no entry, at most three: other sizes of its base first, then what is spelt alike.
  const near = (text, entries) => {
    const wanted = text.trim().toLowerCase();
    const letters = (word) => word.replace(/[^a-z0-9]/g, "");
    const score = ({ name }) => {
      if (base(name) === base(wanted)) return 0;
      const contained = letters(name).includes(letters(wanted)) ? 1 : Infinity;
      const begun = distance(wanted, name.slice(0, wanted.length)) + 1;
      return Math.min(distance(wanted, name), distance(wanted, base(name)) + 0.5, contained, begun);
    };
    return entries
      .map((entry) => ({ name: entry.name, score: score(entry), unlike: distance(wanted, base(entry.name)) }))
      .filter((found) => letters(wanted) && found.score <= Math.max(3, wanted.length / 3))
      .sort((one, other) => one.score - other.score || one.unlike - other.unlike)
      .slice(0, 3)
      .map(({ name }) => name);
  };

  const zooDiff = { change, choices, common, compare, near, resolve, takes };
  if (typeof module !== "undefined") module.exports = zooDiff;
  else window.zooDiff = zooDiff;
})();
