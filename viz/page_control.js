// What the reader does: move and scale, fold, select, search, play the backward pass.

const TEXT = 0.92; // the least scale at which text is easy to read
const FAR = 0.001; // the least scale
const $ = (id) => document.getElementById(id);

// Moving and scaling: `view` is the point of the graph at the window's corner, and pixels per unit

function look() {
  const { clientWidth: width, clientHeight: height } = svg;
  svg.setAttribute("viewBox", [view.x, view.y, (width || 1) / view.scale, (height || 1) / view.scale].join(" "));
  draw();
}

function zoom(factor, x = svg.clientWidth / 2, y = svg.clientHeight / 2) {
  const scale = Math.min(4, Math.max(FAR, view.scale * factor));
  view = { x: view.x + x / view.scale - x / scale, y: view.y + y / view.scale - y / scale, scale };
  look();
}

/** All of the graph in the window, but no smaller than `least` and no larger than a little; then from its top. */
function fit(least = FAR) {
  const { width, height } = parts[0], margin = 12, room = [svg.clientWidth, svg.clientHeight];
  const scale = Math.max(least, Math.min((room[0] - 2 * margin) / width, (room[1] - 2 * margin) / height, 1.3));
  view = { x: (width - room[0] / scale) / 2, y: Math.min((height - room[1] / scale) / 2, -margin / scale), scale };
  look();
}

function placeOf(node) {
  let x = 0, y = 0;
  for (let p = node; p.parent; p = p.parent) [x, y] = [x + p.x, y + p.y];
  return [x, y];
}

/** Move so that a node is in the window. */
function reveal(node) {
  const [x, y] = placeOf(node), width = svg.clientWidth / view.scale, height = svg.clientHeight / view.scale;
  const w = Math.min(node.width, width), h = Math.min(node.height, height);
  if (x < view.x || x + w > view.x + width) view.x = x + w / 2 - width / 2;
  if (y < view.y || y + h > view.y + height) view.y = y + h / 2 - height / 2;
  look();
}

// Folding

/** Change what is folded, with a box where it is in the window. */
function change(parts, open, fixed) {
  const corner = () => { const [x, y] = placeOf(fixed); return [x + fixed.width / 2, y]; };
  const before = corner();
  for (const part of parts) part.open = open;
  remeasure(parts);
  const after = corner();
  view.x += after[0] - before[0];
  view.y += after[1] - before[1];
  look();
}

const setOpen = (part, open) => change([part], open, part);

/** Unfold what is around a node. */
function unfold(node) {
  const folded = [];
  for (let p = node.parent; p; p = p.parent) {
    if (!p.open) folded.push(p);
    p.open = true;
  }
  if (folded.length) remeasure(folded);
}

function unfoldLevel() {
  const folded = [...visible()].filter((node) => node.type === "part" && !node.open);
  if (folded.length) change(folded, true, drawn.findLast((node) => node.parent) || folded[0]);
}

function foldAll() {
  for (const part of parts) part.open = !part.parent;
  remeasure(parts);
  fit(TEXT);
}

// Selecting

/** Mark what led to a node, or to what is in a part, and what it leads to. */
function select(node) {
  selected = node;
  marked = new Map();
  if (node) {
    const inside = (n) => { for (let p = n; p; p = p.parent) if (p === node) return true; return false; };
    const start = node.source ? [node.source] : node.type === "part" ? nodes.filter(inside) : node.values.length && node.copy ? node.values[0].nodes : [node];
    for (const [word, side] of [["earlier", "before"], ["later", "after"]]) {
      const waiting = [...start], seen = new Set(start);
      while (waiting.length) for (const next of waiting.pop()[side]) if (!seen.has(next)) {
        seen.add(next);
        waiting.push(next);
        mark(next, word);
      }
    }
    for (const n of start) mark(n, "chosen");
    marked.set(node, "chosen");
  }
  tell(node);
  paint();
}

function mark(node, word) {
  marked.set(node, word);
  for (let p = node.parent; p && !marked.has(p); p = p.parent) marked.set(p, word);
}

// Details

const ROWS = {
  part: (part) => [[part.kind === "range" ? "part" : "module", part.label], ["options", part.detail.replaceAll("\n", ", ")], ["operations", part.count], ["gradients", part.steps && `${whole(part.reached)} of ${whole(part.steps)}`]],
  entry: (entry) => [["from outside", entry.source.label], ...ROWS.node(entry.source)],
  node: (node) => [
    node.given ? ["operation", node.label] : [node.kind === "leaf" ? "given" : node.kind, node.label],
    ["options", node.detail], ["line", node.place], ["failed", node.error],
    ...(node.given || []).map((value, i) => [`argument ${node.roles?.[i] || i + 1}`, described(value)]),
    ...node.values.flatMap((value, i) => [
      [node.values.length > 1 ? `result ${i + 1}` : node.given ? "result" : "value", described(value)],
      ["data", value.data], ["gradient", gradientOf(value)], ["", value.kept && "kept for the backward pass"],
    ]),
  ],
};

function described(value) {
  const data = value.maker || value.name || !value.data ? "" : value.data;
  return [value.name, value.shape.startsWith("()") && value.data ? value.data : value.shape, value.shape.startsWith("()") ? "" : data].filter(Boolean).join(" · ") || (value.maker ? "a result" : "not recorded");
}

function gradientOf(value) {
  const step = stepAt(value, frame);
  if (step) return `${words(step.cotangent, true)} (step ${step.number})`;
  return value.steps.length ? "not yet" : form.steps.length ? "none" : "";
}

/** Show the details of a node, or what there is. */
function tell(node) {
  const rows = node ? ROWS[node.type](node) : [["operations", form.operations.length], ["values", form.values.length], ["failed", form.error],
    [`step ${whole(frame)} of the backward pass`, frame && stepWords()],
    ["help", "Click a box to see what led to it and what it leads to; + unfolds a module. Drag to move, turn the wheel to scale."]];
  const list = document.createElement("dl");
  for (const [term, words] of rows) if (words || (words === 0 && term === "operations")) {
    const dt = document.createElement("dt"), dd = document.createElement("dd");
    dt.textContent = term;
    dd.textContent = typeof words === "number" ? whole(words) : words;
    list.append(dt, dd);
  }
  details.replaceChildren(list);
}

// Searching

let matches = [], match = -1;

function search() {
  const wanted = $("search").value.trim().toLowerCase();
  const told = (node) => [node.label, node.detail, node.place, ...(node.values || []).map((v) => v.name)].join("\n").toLowerCase();
  matches = wanted ? [...parts.slice(1), ...nodes].filter((node) => told(node).includes(wanted)) : [];
  match = -1;
  hits = new Set(matches);
  for (const node of matches) for (let p = node.parent; p?.parent; p = p.parent) if (!p.open) hits.add(p);
  $("found").value = wanted ? `${whole(matches.length)} found` : "";
  paint();
}

function nextMatch(step) {
  if (!matches.length) return;
  match = (match + step + matches.length) % matches.length;
  $("found").value = `${whole(match + 1)} of ${whole(matches.length)}`;
  unfold(matches[match]);
  select(matches[match]);
  reveal(matches[match]);
}

// The backward pass

let playing = 0;

function setFrame(number) {
  const old = frame;
  frame = Math.min(form.steps.length, Math.max(0, number));
  for (let i = Math.min(old, frame); i < Math.max(old, frame); i++) {
    const value = valueOf[form.steps[i][0]];
    if (value.steps[0].number !== i + 1) continue; // it has been counted
    for (let p = value.nodes[0]?.parent; p; p = p.parent) p.reached += Math.sign(frame - old);
  }
  $("frame").value = frame;
  $("step").value = `${whole(frame)} of ${whole(form.steps.length)}${frame ? `: ${stepWords()}` : ""}`;
  paint();
  tell(selected);
}

function stepWords() {
  const [number, cotangent] = form.steps[frame - 1], value = valueOf[number];
  const name = value.name || (value.maker ? `result of ${value.maker.label}` : value.kind);
  return `∂ ${name} = ${words(cotangent, true)}`;
}

function play(on) {
  clearInterval(playing);
  playing = 0;
  if (on) {
    if (frame === form.steps.length) setFrame(0);
    const stride = Math.ceil(form.steps.length / 300);
    playing = setInterval(() => {
      setFrame(frame + stride);
      const now = shownFor(valueOf[form.steps[frame - 1][0]].nodes[0] || parts[0]);
      if (now.parent) reveal(now);
      if (frame === form.steps.length) play(false);
    }, 400);
  }
  $("play").textContent = playing ? "⏸" : "▶";
  $("play").setAttribute("aria-label", playing ? "Stop" : "Play the backward pass");
}

// Keys and pointers

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

function focusOn(node) {
  reveal(node);
  node.head.focus({ preventScroll: true });
}

/** From box to box: the nearest in a direction, which counts more than what is across it. */
function step([dx, dy]) {
  const from = document.activeElement.node;
  const all = [...visible()].filter((node) => node.parent);
  if (!from || !svg.contains(from.head)) return all.length && focusOn(all[0]);
  const middle = (node) => { const [x, y] = placeOf(node); return [x + node.width / 2, y + (node.open ? HEAD : node.height) / 2]; };
  const [x, y] = middle(from);
  let best = null, least = Infinity;
  for (const node of all) {
    const [u, v] = middle(node), along = (u - x) * dx + (v - y) * dy, across = Math.abs((u - x) * dy) + Math.abs((v - y) * dx);
    const distance = along + 2 * across;
    if (node !== from && along > 1 && distance < least) [best, least] = [node, distance];
  }
  if (best) focusOn(best);
}

function activate(node) {
  if (node.type === "part") setOpen(node, !node.open);
  else select(selected === node ? null : node);
  node.head.focus({ preventScroll: true });
}

const KEYS = { "+": () => zoom(1.25), "=": () => zoom(1.25), "-": () => zoom(0.8), 0: () => fit(), "/": () => $("search").focus() };

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Escape") {
    play(false);
    $("search").value = "";
    search();
    select(null);
    if (document.activeElement === $("search")) svg.focus();
    return;
  }
  if (event.target.tagName === "INPUT") return;
  const onGraph = svg.contains(event.target), arrow = onGraph && ARROWS[event.key];
  if (arrow && event.shiftKey) {
    view.x += 60 * arrow[0] / view.scale;
    view.y += 60 * arrow[1] / view.scale;
    look();
  } else if (arrow) step(arrow);
  else if (onGraph && event.target.node && (event.key === "Enter" || event.key === " ")) activate(event.target.node);
  else if (KEYS[event.key]) KEYS[event.key]();
  else return;
  event.preventDefault();
});

const nodeAt = (target) => target.closest(".node")?.node;
const pointers = new Map();
let moved = 0;

svg.addEventListener("pointerdown", (event) => {
  pointers.set(event.pointerId, [event.clientX, event.clientY]);
  moved = 0;
});
svg.addEventListener("pointermove", (event) => {
  const last = pointers.get(event.pointerId);
  if (!last) return;
  const now = [event.clientX, event.clientY], others = [...pointers].filter(([id]) => id !== event.pointerId);
  moved += Math.hypot(now[0] - last[0], now[1] - last[1]);
  if (moved > 4 && !svg.hasPointerCapture(event.pointerId)) svg.setPointerCapture(event.pointerId);
  if (others.length) {
    const [x, y] = others[0][1], box = svg.getBoundingClientRect();
    const far = (point) => Math.hypot(point[0] - x, point[1] - y);
    zoom(far(now) / Math.max(1, far(last)), (now[0] + x) / 2 - box.left, (now[1] + y) / 2 - box.top);
  } else if (moved > 4) {
    view.x -= (now[0] - last[0]) / view.scale;
    view.y -= (now[1] - last[1]) / view.scale;
    look();
  }
  pointers.set(event.pointerId, now);
});
for (const name of ["pointerup", "pointercancel"]) addEventListener(name, (event) => pointers.delete(event.pointerId));
svg.addEventListener("wheel", (event) => {
  event.preventDefault();
  const box = svg.getBoundingClientRect();
  zoom(Math.exp(-Math.max(-100, Math.min(100, event.deltaY)) / 400), event.clientX - box.left, event.clientY - box.top);
}, { passive: false });
svg.addEventListener("click", (event) => {
  if (moved > 4) return;
  const node = nodeAt(event.target);
  if (node && event.target.closest(".fold")) activate(node);
  else select(node && node !== selected && node !== parts[0] ? node : null);
});
svg.addEventListener("dblclick", (event) => {
  const node = nodeAt(event.target);
  if (node?.type === "part" && !event.target.closest(".fold")) activate(node);
});
svg.addEventListener("pointerover", (event) => tell(nodeAt(event.target) || selected));
svg.addEventListener("pointerleave", () => tell(selected));
svg.addEventListener("focusin", (event) => event.target.node && tell(event.target.node));

$("in").onclick = () => zoom(1.25);
$("out").onclick = () => zoom(0.8);
$("fit").onclick = () => fit();
$("open").onclick = unfoldLevel;
$("close").onclick = foldAll;
$("play").onclick = () => play(!playing);
$("frame").oninput = (event) => { play(false); setFrame(Number(event.target.value)); };
$("search").oninput = search;
document.querySelector("form").onsubmit = (event) => event.preventDefault();
$("search").onkeydown = (event) => {
  if (event.key !== "Enter") return;
  event.preventDefault();
  nextMatch(event.shiftKey ? -1 : 1);
};
addEventListener("resize", look);
let screen = view;
addEventListener("beforeprint", () => { screen = view; fit(); });
addEventListener("afterprint", () => { view = screen; look(); });

// Begin: levels are unfolded as long as there are few boxes

svg.append(make("defs", {}, make("marker", { id: "tip", viewBox: "0 0 6 6", refX: 1, refY: 3, markerWidth: 6, markerHeight: 6, orient: "auto", markerUnits: "userSpaceOnUse" }, make("path", { d: "M0 0L6 3L0 6z" }))), make("g", { id: "scene" }));
parts[0].open = true;
const inner = (part) => part.children.some((child) => child.type === "part");
for (let level = [parts[0]], shown = parts[0].children.length; level.length;) {
  level = level.flatMap((part) => part.children).filter((child) => child.type === "part" && (child.kind === "range" || inner(child)));
  shown += level.reduce((sum, part) => sum + part.children.length - 1, 0);
  if (shown > FEW) break;
  for (const part of level) part.open = true;
}
remeasure(parts);
$("frame").max = form.steps.length;
$("backward").hidden = !form.steps.length;
setFrame(0);
fit(TEXT);
