// The page of a graph: a model of nodes in parts, drawn part by part, so that folding one draws that and those around.

const form = JSON.parse(document.getElementById("form").textContent);
const text = (number) => form.texts[number || 0];
const LINE = 16, PAD = 9, HEAD = 26; // lengths in pixels at scale 1
const SMALL = 60; // operations, up to which a value is one box for all that read it
const FEW = 60; // boxes that are unfolded at first
const UNITS = { e: [2, decodeHalf], f: [4, "getFloat32"], d: [8, "getFloat64"], F: [4, "getFloat32"], D: [8, "getFloat64"] };

// The model: parts hold nodes (operations, values that were given, entries of what comes from outside) and parts

const valueOf = form.values.map(([kind, name, shape, data], i) => (
  { kind: form.kinds[kind || 0], name: text(name), shape: text(shape), data, steps: [], number: i, nodes: [] }));
const parts = [];
for (const [parent, label, detail, module] of form.parts) {
  parts.push({ type: "part", kind: module ? "module" : "range", label: text(label), detail: text(detail),
    parent: parts[parent], children: [], links: new Map(), entries: new Map(), first: Infinity, count: 0, steps: 0,
    reached: 0, open: false, values: [] });
  if (parent >= 0) parts[parent].children.push(parts.at(-1));
}
const nodes = []; // operations and given values: what a path leads through
form.steps.forEach(([value, cotangent], i) => valueOf[value].steps.push({ number: i + 1, cotangent }));
for (const value of form.outputs) valueOf[value].output = true;
for (const value of form.kept) valueOf[value].kept = true;

function addNode(parent, kind, label, values, more) {
  const node = { type: "node", parent, kind, label, values, before: [], after: [], first: -1, ...more };
  node.stepped = values.filter((value) => value.steps.length);
  for (const value of values) value.nodes.push(node);
  parent.children.push(node);
  nodes.push(node);
  return node;
}

form.operations.forEach(([part, label, given, results = [], roles, detail, place, error], i) => {
  const values = results.map((v) => valueOf[v]);
  const kind = error ? "failed" : values.some((v) => v.output) ? "output" : values.some((v) => v.kept) ? "kept" : "operation";
  const node = addNode(parts[part], kind, text(label), values,
    { first: i, given: given.map((v) => valueOf[v]), roles: text(roles).split(", "), detail: text(detail), place: text(place), error: text(error) });
  for (const value of values) value.maker = node;
  for (let p = node.parent; p; p = p.parent) {
    p.first = Math.min(p.first, i);
    p.count++;
  }
});
for (const value of valueOf) value.readers = [];
for (const node of [...nodes]) for (const value of new Set(node.given)) value.readers.push(node);
for (const value of valueOf) {
  const inText = value.kind === "constant" && !value.name && !value.shape.includes(", ") && !value.maker;
  if (value.maker || (inText && !value.output)) continue;
  const readers = value.readers;
  if (!readers.length && !value.output) continue;
  const label = value.name || value.kind;
  const kind = value.kind === "parameter" ? "leaf" : value.kind;
  const home = value.kind === "input" || !readers.length ? parts[0] : readers.map((r) => r.parent).reduce(common);
  if (readers.length < 2 || value.kind === "input" || form.operations.length <= SMALL) {
    const node = addNode(home, kind, label, [value]);
    readers.forEach((reader) => join(node, reader));
  } else for (const reader of readers) join(addNode(reader.parent, kind, label, [value], { copy: true }), reader);
}
for (const node of nodes) for (const value of new Set(node.given)) if (value.maker) join(value.maker, node);
for (const part of parts) {
  part.children.sort((a, b) => a.first - b.first);
  part.children.forEach((child, i) => (child.index = i));
}
for (const value of valueOf) {
  for (let p = value.steps.length && value.nodes[0]?.parent; p; p = p.parent) p.steps++;
}

function depth(part) {
  return (part.depth ??= part.parent ? depth(part.parent) + 1 : 0);
}

function common(a, b) {
  while (a !== b) [a, b] = depth(a) >= depth(b) ? [a.parent, b] : [a, b.parent];
  return a;
}

/** Add a path from one node to another: a link where both are, and entries in parts around the second alone. */
function join(tail, head) {
  tail.after.push(head);
  head.before.push(tail);
  const home = common(tail.parent, head.parent);
  let to = head;
  for (; to.parent !== home; to = to.parent) {
    const entries = to.parent.entries;
    if (!entries.has(tail)) {
      entries.set(tail, { type: "entry", kind: "entry", parent: to.parent, source: tail, first: -2, values: [], label: `↓ ${tail.values[0]?.name || tail.label}` });
      to.parent.children.push(entries.get(tail));
    }
    addLink(to.parent, entries.get(tail), to);
  }
  let from = tail;
  while (from.parent !== home) from = from.parent;
  addLink(home, from, to);
}

function addLink(part, from, to) {
  if (!part.links.has(from)) part.links.set(from, new Set());
  part.links.get(from).add(to);
}

// Numbers

function decodeHalf(view, at) {
  const bits = view.getUint16(at, true), exponent = (bits >> 10) & 31, fraction = bits & 1023;
  const size = exponent === 31 ? (fraction ? NaN : Infinity)
    : exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : 2 ** -24 * fraction;
  return bits >> 15 ? -size : size;
}

/** The entries of a cotangent that is there in full. */
function unpack(packed) {
  const bytes = Uint8Array.from(atob(packed.slice(1)), (c) => c.charCodeAt(0));
  const view = new DataView(bytes.buffer), [size, get] = UNITS[packed[0]];
  return Array.from({ length: bytes.length / size }, (_, i) => typeof get === "string" ? view[get](i * size, true) : get(view, i * size));
}

function digits(x) {
  if (x === null || Number.isNaN(x)) return "NaN";
  if (!Number.isFinite(x)) return x < 0 ? "−Inf" : "Inf";
  const rounded = Number(x.toPrecision(4));
  return String(Object.is(rounded, -0) ? "-0" : rounded).replaceAll("-", "−");
}

/** A cotangent in words: short for a box, long for the details. */
function words(cotangent, long) {
  if (typeof cotangent === "string") {
    let entries = unpack(cotangent).map(digits);
    if ("FD".includes(cotangent[0])) entries = entries.filter((_, i) => i % 2 === 0).map((x, i) => `${x} + ${entries[2 * i + 1]}i`);
    if (entries.length === 1) return entries[0];
    const shown = long ? entries : entries.slice(0, 3);
    return `[${shown.join("  ")}${shown.length < entries.length ? " …" : ""}]`;
  }
  const [least, middle, most, norm, nan, infinite] = cotangent;
  const bad = [nan && `${nan} NaN`, infinite && `${infinite} Inf`].filter(Boolean).join(", ");
  if (!long) return bad || `‖${digits(norm)}‖`;
  return `${digits(least)} … ${digits(most)}, mean ${digits(middle)}, norm ${digits(norm)}${bad && `, ${bad}`}`;
}

/** The last of a value's steps in the first `frame`, if there is one. */
const stepAt = (value) => value.steps.findLast((step) => step.number <= frame);

// Drawing: each part has an element of its own, in which those of its children are

const svg = document.getElementById("graph"), details = document.getElementById("details");
const pen = document.createElement("canvas").getContext("2d");
pen.font = "12px Helvetica, Arial, sans-serif";
let frame = 0, selected = null, marked = new Map(), hits = new Set(), view = { x: 0, y: 0, scale: 1 };

function make(name, attributes, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const key in attributes) element.setAttribute(key, attributes[key]);
  element.append(...children);
  return element;
}

function cellsOf(node) {
  if (node.type === "part") {
    const count = `${node.count.toLocaleString("en")} operation${node.count === 1 ? "" : "s"}`;
    return [node.label || "graph", node.detail, count];
  }
  if (node.type === "entry") return [node.label];
  const cells = [node.label, node.detail];
  const given = !node.given;
  for (const value of node.copy ? [] : node.values.slice(0, 4)) {
    if (!given && value.name) cells.push(value.name);
    const shape = value.shape.split(", ").slice(0, -1).join(", ");
    if (shape) cells.push(shape);
    else if (value.data) cells.push(`data ${value.data}`);
  }
  if (node.error) cells.push(node.error);
  return cells;
}

function shorten(cell) {
  return cell.length > 44 ? `${cell.slice(0, 18)}…${cell.slice(-25)}` : cell;
}

const grows = (node) => (node.type === "part" ? node.steps : node.stepped?.length);

function drawHead(node, width, height, cells) {
  const folded = node.type === "part" && !node.open, name = (node.label || "graph") + (node.detail ? `, ${node.detail}` : "");
  const head = make("g", { class: `node ${node.kind}`, role: "button", tabindex: -1, "aria-label": name });
  head.node = node;
  node.head = head;
  head.append(make("rect", { width, height, rx: node.type === "node" && !node.given ? 2 : 7 }));
  if (node.type === "part") {
    head.setAttribute("aria-expanded", node.open);
    head.classList.toggle("opened", node.open);
    head.append(make("g", { class: "fold" }, make("rect", { width: 24, height: 24, x: 2, y: 1 }), make("path", { d: folded ? "M9 13h10M14 8v10" : "M9 13h10" })));
  }
  const left = node.type === "part" ? 26 : 0;
  cells.forEach((cell, i) => {
    const at = node.open ? { x: left + 2, y: 17, "text-anchor": "start" } : { x: (left + width) / 2, y: PAD + LINE * (i + 0.75) };
    const line = make("text", at, cell);
    if (i) line.classList.add("minor");
    head.append(line);
  });
  if (grows(node)) {
    const at = node.open ? { x: width - 8, y: 17, "text-anchor": "end" } : { x: (left + width) / 2, y: height - PAD - 1 };
    head.append((node.note = make("text", { class: "note", ...at })));
  }
  return head;
}

function draw(node) {
  let cells = cellsOf(node).filter(Boolean).map(shorten);
  if (node.open) return drawOpen(node, cells[0]);
  const left = node.type === "part" ? 26 : 0;
  node.width = Math.ceil(Math.max(...cells.map((cell) => pen.measureText(cell).width), grows(node) ? 84 : 16)) + 2 * PAD + left;
  node.height = LINE * (cells.length + (grows(node) ? 1 : 0)) + 2 * PAD - 6;
  node.element = make("g", { class: "box" }, drawHead(node, node.width, node.height, cells));
}

function drawOpen(part, title) {
  const children = part.children;
  const links = [];
  for (const [from, heads] of part.links) for (const to of heads) if (from.index < to.index) links.push([from.index, to.index]);
  for (const child of children) if (!child.element) draw(child);
  const plan = arrange(children, links);
  const space = pen.measureText(title).width + 34 + (part.steps ? 90 : 0);
  part.width = Math.max(plan.width + 2 * PAD, space);
  part.height = plan.height + HEAD + 2 * PAD;
  const left = (part.width - plan.width) / 2, top = HEAD + PAD;
  const edges = make("g", { class: "edges", transform: `translate(${left} ${top})` });
  part.edges = links.map(([tail, head], i) => {
    const edge = make("path", { d: curve(plan.routes[i]), "marker-end": "url(#tip)" });
    edges.append(edge);
    return { edge, tail: children[tail], head: children[head] };
  });
  part.element = make("g", { class: "box" }, drawHead(part, part.width, part.height, [title]), edges);
  children.forEach((child, i) => {
    const [x, y] = plan.centres[i];
    child.x = left + x - child.width / 2;
    child.y = top + y - child.height / 2;
    child.element.setAttribute("transform", `translate(${child.x} ${child.y})`);
    part.element.append(child.element);
  });
}

function curve(points) {
  let path = `M${points[0].map(Math.round)}`;
  for (let i = 1; i < points.length; i++) {
    const [[a, b], [c, d]] = [points[i - 1], points[i]], y = Math.round(i === points.length - 1 ? d - 5 : d);
    path += Math.abs(a - c) < 1 ? `L${Math.round(c)},${y}` : `C${[a, (b + d) / 2, c, (b + d) / 2, c, y].map(Math.round)}`;
  }
  return path;
}

/** Draw parts anew, given from the inside outwards, and all around them. */
function redraw(changed) {
  const all = new Set(changed);
  for (const part of changed) for (let p = part; p; p = p.parent) all.add(p);
  for (const part of [...all].sort((a, b) => depth(b) - depth(a))) if (part === parts[0] || part.parent.open) draw(part);
  if (!svg.contains(parts[0].element)) document.getElementById("scene").replaceChildren(parts[0].element);
  paint();
}

/** All that is drawn, parts before what is in them. */
function* visible() {
  const waiting = [parts[0]];
  while (waiting.length) {
    const node = waiting.pop();
    yield node;
    if (node.open) for (let i = node.children.length - 1; i >= 0; i--) waiting.push(node.children[i]);
  }
}

/** Show on what is drawn what is selected, found and reached. */
function paint() {
  const now = form.steps[frame - 1]?.[0];
  const current = new Set(now === undefined ? [] : valueOf[now].nodes.map(shownFor));
  for (const node of visible()) {
    const mark = marked.get(node.source || node);
    const list = node.head.classList;
    for (const name of ["earlier", "later", "chosen"]) list.toggle(name, mark === name && !node.open);
    list.toggle("dim", marked.size > 0 && !mark);
    list.toggle("found", hits.has(node));
    list.toggle("current", current.has(node));
    if (node.note) paintSteps(node, list);
    for (const { edge, tail, head } of (node.open && node.edges) || []) {
      const ends = [marked.get(tail.source || tail), marked.get(head)];
      edge.classList.toggle("on", Boolean(ends[0] && ends[1]));
      edge.classList.toggle("dim", marked.size > 0 && !(ends[0] && ends[1]));
    }
  }
}

function paintSteps(node, list) {
  let note;
  if (node.type === "part") {
    list.toggle("reached", node.reached > 0);
    note = node.reached ? `∂ ${node.reached} of ${node.steps}` : "";
  } else {
    const steps = node.stepped.map((value) => [value, stepAt(value)]).filter(([, step]) => step);
    list.toggle("reached", steps.length > 0);
    node.head.dataset.values = steps.map(([value]) => value.number).join(" ");
    note = steps.map(([, step]) => `∂ ${words(step.cotangent)}`).join(", ");
  }
  if (node.note.textContent !== note) node.note.textContent = note;
  fitNote(node);
}

function fitNote(node) {
  const room = node.width - 12 - (node.type === "part" ? 26 : 0);
  if (pen.measureText(node.note.textContent).width > room) node.note.setAttribute("textLength", room);
  else node.note.removeAttribute("textLength");
}

/** What is drawn of a node: itself, or the outermost part around it that is folded. */
function shownFor(node) {
  let shown = node;
  for (let p = node; p; p = p.parent) if (!p.open && p.type === "part") shown = p;
  return shown;
}
