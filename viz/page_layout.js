"use strict";
// A layered layout (Sugiyama, Tagawa and Toda 1981) from top to bottom, as in layout.py.

const GAP = [34, 16]; // between layers, and between boxes in one
const PASSAGE = 8; // the breadth of a link on its way through a layer
const TIP = 5; // the length of an arrow's head
const SWEEPS = 8;

/** Lay out boxes {width, height}; each link [tail, head] leads from a box to a later one. */
function arrange(boxes, links) {
  const rank = new Array(boxes.length).fill(0); // the longest path to a sink
  for (const [tail, head] of [...links].sort((a, b) => b[0] - a[0])) rank[tail] = Math.max(rank[tail], rank[head] + 1);
  const spots = boxes.map((box, i) => ({ box: i, rank: rank[i], breadth: box.width, before: [], after: [] }));
  const layers = Array.from({ length: Math.max(-1, ...rank) + 1 }, () => []);
  const passages = new Map(); // links of one box share their way
  const chains = links.map(([tail, head]) => {
    const chain = [spots[tail]];
    for (let r = rank[tail] - 1; r > rank[head]; r--) {
      const key = `${tail},${r}`;
      if (!passages.has(key)) passages.set(key, { rank: r, breadth: PASSAGE, before: [], after: [] });
      chain.push(passages.get(key));
    }
    chain.push(spots[head]);
    for (let i = 1; i < chain.length; i++) {
      if (chain[i - 1].after.includes(chain[i])) continue;
      chain[i - 1].after.push(chain[i]);
      chain[i].before.push(chain[i - 1]);
    }
    return chain;
  });
  for (const spot of depthFirst(spots)) layers[spot.rank].push(spot);
  order(layers);
  place(layers);
  let y = 0;
  const tops = [], bottoms = [];
  for (let r = layers.length - 1; r >= 0; r--) {
    tops[r] = y;
    bottoms[r] = y + Math.max(0, ...layers[r].filter((s) => "box" in s).map((s) => boxes[s.box].height));
    y = bottoms[r] + GAP[0];
  }
  const centres = spots.map((spot) => [spot.x, (tops[spot.rank] + bottoms[spot.rank]) / 2]);
  return {
    width: Math.max(0, ...layers.flat().map((s) => s.x + s.breadth / 2)),
    height: Math.max(0, y - GAP[0]),
    centres,
    routes: routes(boxes, centres, chains, tops, bottoms),
  };
}

/** The spots behind the sinks, so that a tree comes out without crossings. */
function depthFirst(spots) {
  const seen = new Set();
  const stack = spots.filter((spot) => !spot.after.length).reverse();
  while (stack.length) {
    const spot = stack.pop();
    if (seen.has(spot)) continue;
    seen.add(spot);
    stack.push(...[...spot.before].reverse());
  }
  return seen;
}

/** Sort each layer, in turns by the means of those above and below; the order with fewest crossings stays. */
function order(layers) {
  let best = layers.map((layer) => [...layer]);
  let fewest = crossings(layers);
  for (let sweep = 0; sweep < SWEEPS && fewest; sweep++) {
    const side = sweep % 2 ? "before" : "after";
    for (const layer of sweep % 2 ? [...layers].reverse() : layers) {
      layer.forEach((spot, i) => (spot.wish = mean(spot[side].map((s) => s.index), i)));
      layer.sort((a, b) => a.wish - b.wish).forEach((spot, i) => (spot.index = i));
    }
    const now = crossings(layers);
    if (now < fewest) [best, fewest] = [layers.map((layer) => [...layer]), now];
  }
  best.forEach((layer, r) => (layers[r] = layer));
}

function crossings(layers) {
  let total = 0;
  for (const layer of layers) layer.forEach((spot, i) => (spot.index = i));
  for (const layer of layers) {
    const ends = layer.flatMap((spot) => spot.before.map((s) => s.index).sort((a, b) => a - b));
    for (let i = 0; i < ends.length; i++) for (let k = 0; k < i; k++) total += ends[k] > ends[i];
  }
  return total;
}

/** Give each spot its x, in turns near to those above and below, from 0 on. */
function place(layers) {
  for (const spot of layers.flat()) spot.x = 0;
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    const side = sweep % 2 ? "before" : "after";
    for (const layer of sweep % 2 ? [...layers].reverse() : layers) space(layer, side);
  }
  const least = Math.min(...layers.flat().map((spot) => spot.x - spot.breadth / 2));
  for (const spot of layers.flat()) spot.x -= least;
}

/** The places nearest to the wishes (least squares) that keep order and gap: pooled adjacent violators. */
function space(layer, side) {
  let offset = 0;
  const pools = [];
  layer.forEach((spot, i) => {
    if (i) offset += (layer[i - 1].breadth + spot.breadth) / 2 + GAP[1];
    spot.offset = offset;
    let pool = { mean: mean(spot[side].map((s) => s.x), spot.x) - offset, spots: [spot] };
    while (pools.length && pools.at(-1).mean > pool.mean) {
      const last = pools.pop();
      const count = last.spots.length + pool.spots.length;
      const sum = last.mean * last.spots.length + pool.mean * pool.spots.length;
      pool = { mean: sum / count, spots: [...last.spots, ...pool.spots] };
    }
    pools.push(pool);
  });
  for (const pool of pools) for (const spot of pool.spots) spot.x = pool.mean + spot.offset;
}

function mean(values, otherwise) {
  return values.length ? values.reduce((a, b) => a + b, 0) / values.length : otherwise;
}

/** For each link the points that it goes through, straight down through each layer. */
function routes(boxes, centres, chains, tops, bottoms) {
  const arrivals = new Map();
  for (const chain of chains) {
    const head = chain.at(-1);
    if (!arrivals.has(head)) arrivals.set(head, []);
    arrivals.get(head).push(chain);
  }
  for (const all of arrivals.values()) all.sort((a, b) => a.at(-2).x - b.at(-2).x);
  return chains.map((chain) => {
    const tail = chain[0], head = chain.at(-1), all = arrivals.get(head);
    const port = head.x + 0.6 * boxes[head.box].width * ((all.indexOf(chain) + 0.5) / all.length - 0.5);
    const points = [[tail.x, centres[tail.box][1] + boxes[tail.box].height / 2], [tail.x, bottoms[tail.rank]]];
    for (const spot of chain.slice(1, -1)) points.push([spot.x, tops[spot.rank]], [spot.x, bottoms[spot.rank]]);
    points.push([port, tops[head.rank] - TIP], [port, centres[head.box][1] - boxes[head.box].height / 2 - TIP]);
    return points;
  });
}
