// The page of a graph: a model of nodes in parts, drawn part by part, so that folding one draws that and those around.

const form = JSON.parse(document.getElementById("form").textContent);
const text = (number) => form.texts[number || 0];
const LINE = 16, PAD = 9, HEAD = 26; // lengths in pixels at scale 1
const LEAST = 24; // pixels, up to which it is not drawn what is in a part
const TINY = 0.2; // the scale below which no text is drawn
const SMALL = 60; // operations, up to which a value is one box for all that read it
const MANY = 6; // operations that read a result, above which there is no link from it to each of them
const FEW = 60; // boxes that are unfolded at first
const UNITS = { e: [2, decodeHalf], f: [4, "getFloat32"], d: [8, "getFloat64"], F: [4, "getFloat32"], D: [8, "getFloat64"] };

// The model: parts hold nodes (operations, values that were given, entries of what comes from outside) and parts

const valueOf = form.values.map(([kind, name, shape, data], i) => (
  { kind: form.kinds[kind || 0], name: text(name), shape: text(shape), data, steps: [], number: i, nodes: [] }));
const parts = [];
for (const [parent, label, detail, module] of form.parts) {
  parts.push({ type: "part", kind: ["range", "module", "failed"][module || 0], label: text(label), detail: text(detail),
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
for (const node of nodes) node.readers = Math.max(0, ...node.values.map((value) => value.readers.length));
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
  if (tail.given && tail.readers > MANY) return addLink(head.parent, entry(head.parent, tail), head);
  const home = common(tail.parent, head.parent);
  let to = head, from = tail;
  for (; to.parent !== home; to = to.parent) {
    const entries = to.parent.entries;
    if (!entries.has(tail)) entries.set(tail, entry(to.parent, tail));
    addLink(to.parent, entries.get(tail), to);
  }
  while (from.parent !== home) from = from.parent;
  addLink(home, from, to);
}

/** A box for what comes from outside, or from one that goes to many. */
function entry(parent, source) {
  const label = `↓ ${source.values[0]?.name || source.label}`;
  parent.children.push({ type: "entry", kind: "entry", parent, source, first: -2, values: [], label });
  return parent.children.at(-1);
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

const whole = (n) => n.toLocaleString("en");

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

/** The last of a value's steps in a frame, if there is one. */
const stepAt = (value, frame) => value.steps.findLast((step) => step.number <= frame);

// Drawing: each box has an element, in that of the part around it, while it is in the window

const svg = document.getElementById("graph"), details = document.getElementById("details");
const pen = document.createElement("canvas").getContext("2d");
pen.font = "12px Helvetica, Arial, sans-serif";
let frame = 0, selected = null, marked = new Map(), hits = new Set(), drawn = [], view = { x: 0, y: 0, scale: 1 };

function make(name, attributes, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const key in attributes) element.setAttribute(key, attributes[key]);
  element.append(...children);
  return element;
}

function cellsOf(node) {
  if (node.type === "part") {
    const count = `${whole(node.count)} operation${node.count === 1 ? "" : "s"}`;
    return [node.label || "graph", ...node.detail.split("\n"), count];
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
  const name = [node.label || "graph", ...(node.detail || "").split("\n")].filter(Boolean).join(", ");
  const head = make("g", { class: `node ${node.parent ? node.kind : "whole"}`, role: "button", tabindex: -1, "aria-label": name });
  head.node = node;
  node.head = head;
  head.append(make("rect", { width, height, rx: node.type === "node" && !node.given ? 2 : 7 }));
  if (node.type === "part") {
    head.setAttribute("aria-expanded", node.open);
    head.classList.toggle("opened", node.open);
    head.append(make("g", { class: "fold" }, make("rect", { width: 24, height: 24, x: 2, y: 1 }), make("path", { d: !node.open ? "M9 13h10M14 8v10" : "M9 13h10" })));
  }
  const left = node.type === "part" ? 26 : 0;
  cells.forEach((cell, i) => {
    const at = node.open ? { x: left + 2, y: 17, class: "start" } : { x: (left + width) / 2, y: PAD + LINE * (i + 0.75) };
    const line = make("text", at, cell);
    if (i) line.classList.add("minor");
    head.append(line);
  });
  if (grows(node)) {
    const at = node.open ? { x: width - 8, y: 17, class: "note end" } : { x: (left + width) / 2, y: height - PAD - 1 };
    head.append((node.note = make("text", { class: "note", ...at })));
  }
  return head;
}

/** Find the size of a box, and where in it its children are. */
function measure(node) {
  node.stale = true;
  node.cells = cellsOf(node).filter(Boolean).map(shorten);
  if (node.open) return measureOpen(node);
  const lines = grows(node) ? [...node.cells, noteOf(node, Infinity)] : node.cells;
  const left = node.type === "part" ? 26 : 0;
  node.width = Math.ceil(Math.max(16, ...lines.map((line) => pen.measureText(line).width))) + 2 * PAD + left;
  node.height = LINE * lines.length + 2 * PAD - 6;
}

function measureOpen(part) {
  const { children, cells: [title] } = part;
  part.cells = [title];
  for (const child of children) if (!child.width) measure(child);
  const links = [...part.links].flatMap(([from, heads]) => [...heads].map((to) => [from.index, to.index])).filter(([i, j]) => i < j);
  const plan = arrange(children, links);
  const space = pen.measureText(title).width + 40 + (part.steps ? pen.measureText(noteOf(part, Infinity)).width + PAD : 0);
  part.width = Math.max(plan.width + 2 * PAD, space);
  part.height = plan.height + HEAD + 2 * PAD;
  const left = (part.width - plan.width) / 2, top = HEAD + PAD;
  part.paths = plan.routes.map((route) => curve(route.map(([x, y]) => [left + x, top + y])));
  part.ends = links.map(([tail, head]) => [children[tail], children[head]]);
  children.forEach((child, i) => {
    child.x = left + plan.centres[i][0] - child.width / 2;
    child.y = top + plan.centres[i][1] - child.height / 2;
  });
}

/** Make what is in the element of a box, but for its children, which stay where they are. */
function build(node) {
  node.element ??= make("g", { class: "box" });
  for (const old of node.own || []) old.remove();
  if (!node.open) node.element.replaceChildren();
  node.edges = node.open ? node.paths.map((d) => make("path", { d, "marker-end": "url(#tip)" })) : [];
  node.own = [drawHead(node, node.width, node.height, node.cells), make("g", { class: "edges" }, ...node.edges)];
  node.element.prepend(...node.own);
  node.stale = false;
}

/** Have in the document what is in the window, and large enough to be seen. */
function draw() {
  const right = view.x + svg.clientWidth / view.scale, bottom = view.y + svg.clientHeight / view.scale;
  const waiting = [[parts[0], document.getElementById("scene"), 0, 0]];
  drawn = [];
  svg.classList.toggle("tiny", view.scale < TINY);
  while (waiting.length) {
    const [node, around, x, y] = waiting.pop();
    if (node.stale) build(node);
    if (node.element.parentNode !== around) around.append(node.element);
    if (node.parent) node.element.setAttribute("transform", `translate(${node.x} ${node.y})`);
    const large = node.height * view.scale > LEAST;
    node.element.classList.toggle("far", !large);
    drawn.push(node);
    for (const child of node.open ? node.children : []) {
      const left = x + child.x, top = y + child.y;
      const inside = left < right && left + child.width > view.x && top < bottom && top + child.height > view.y;
      if (inside && large) waiting.push([child, node.element, left, top]);
      else child.element?.remove();
    }
  }
  paint();
}

function curve(points) {
  let path = `M${points[0].map(Math.round)}`;
  for (let i = 1; i < points.length; i++) {
    const [[a, b], [c, d]] = [points[i - 1], points[i]];
    if (Math.hypot(a - c, b - d) < 1) continue; // it would have no direction
    path += Math.abs(a - c) < 1 ? `L${[c, d].map(Math.round)}` : `C${[a, (b + d) / 2, c, (b + d) / 2, c, d].map(Math.round)}`;
  }
  return path;
}

/** Measure parts that have been folded or unfolded, and all around them. */
function remeasure(changed) {
  const all = new Set();
  for (const part of changed) for (let p = part; p; p = p.parent) all.add(p);
  for (const part of [...all].sort((a, b) => depth(b) - depth(a))) {
    if (!part.parent || part.parent.open) measure(part);
    else part.width = 0; // when it comes to be shown
  }
}

/** All boxes, parts before what is in them, as far as they are unfolded. */
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
  for (const node of drawn) {
    const mark = marked.get(node.source || node), list = node.head.classList;
    for (const name of ["earlier", "later", "chosen"]) list.toggle(name, mark === name && !node.open);
    list.toggle("dim", marked.size > 0 && !mark);
    list.toggle("found", hits.has(node));
    list.toggle("current", current.has(node));
    if (node.note) paintSteps(node, list);
    node.edges.forEach((edge, i) => {
      const on = node.ends[i].every((end) => marked.has(end.source || end));
      edge.classList.toggle("on", on);
      edge.classList.toggle("dim", marked.size > 0 && !on);
    });
  }
}

function paintSteps(node, list) {
  const note = noteOf(node, frame);
  list.toggle("reached", note !== "");
  node.head.dataset.values = node.values.filter((value) => stepAt(value, frame)).map((value) => value.number).join(" ");
  if (node.note.textContent !== note) node.note.textContent = note;
}

/** What a box says of the gradients in a frame. */
function noteOf(node, frame) {
  if (node.type === "part") {
    const reached = frame === Infinity ? node.steps : node.reached;
    return reached ? `∂ ${whole(reached)} of ${whole(node.steps)}` : "";
  }
  const steps = node.stepped.map((value) => stepAt(value, frame)).filter(Boolean);
  return steps.map((step) => `∂ ${words(step.cotangent)}`).join(", ");
}

/** What is drawn of a node: itself, or the outermost part around it that is folded. */
function shownFor(node) {
  let shown = node;
  for (let p = node; p; p = p.parent) if (!p.open && p.type === "part") shown = p;
  return shown;
}
