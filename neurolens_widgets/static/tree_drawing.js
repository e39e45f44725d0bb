// How a prediction tree is drawn: the root at the left, a step to the right for each merge undone, larger branches
// straight on. Elements from plain data, and no state; tree.js follows in the same module.

const THUMB = 40, HALF = THUMB / 2, ROW = 68, STEP = 44, TURN = 30, AFTER_FOLD = 10, MARGIN = 30, BAR = 18;
const NS = "http://www.w3.org/2000/svg";

function make(name, attributes = {}, ...children) {
  const made = name.startsWith("svg:") ? document.createElementNS(NS, name.slice(4)) : document.createElement(name);
  update(made, attributes);
  made.append(...children);
  return made;
}

function update(element, attributes) { // what is as it was costs nothing
  for (const [name, value] of Object.entries(attributes)) {
    if (value == null) element.removeAttribute(name);
    else if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value);
  }
}

function half(item) {
  return item.fold ? 2.9 * item.name.length + 6 : item.parent == null ? 40 : HALF;
}

function arrange(items) {
  const places = new Map(), below = new Map(items.map(item => [item.id, []]));
  for (const item of items) {
    const above = places.get(item.parent), siblings = below.get(item.parent);
    const x = above ? above.x + half(above.item) + (above.item.fold ? AFTER_FOLD : STEP) + half(item) : half(item);
    places.set(item.id, { item, x, level: (above?.level ?? 0) + 1, nth: (siblings?.length ?? 0) + 1, down: 0, row: 0 });
    siblings?.push(item.id);
  }
  const shapes = new Map(); // of an item and all below: what each row holds, as stretches from left to right
  for (const { id } of items.toReversed()) {
    const { item, x } = places.get(id), turn = x + half(item) + TURN;
    const rows = [[[x - half(item) - 8, x + half(item) + (item.opened || item.leaf ? 12 : 24)]]];
    for (const child of below.get(id)) {
      const shape = shapes.get(child), at = places.get(child);
      const free = (row, nth) => !rows[nth]?.some(([left, right]) => row.some(([l, r]) => l < right && r > left));
      if (child !== below.get(id)[0]) for (at.down = 1; !shape.every((row, nth) => free(row, nth + at.down));) at.down++;
      shape.forEach((row, nth) => (rows[nth + at.down] ??= []).push(...row));
      for (let nth = 1; nth <= at.down; nth++) (rows[nth] ??= []).push([turn - 1, turn + 1]);
      shapes.delete(child);
    }
    shapes.set(id, rows);
  }
  let right = 0, lowest = 0;
  for (const at of places.values()) {
    at.row = (places.get(at.item.parent)?.row ?? 0) + at.down;
    at.y = at.row * ROW;
    lowest = Math.max(lowest, at.y);
    right = Math.max(right, at.x + half(at.item) + 34);
  }
  return { items, places, below, width: right, height: lowest + THUMB + 18 };
}

function meets(window_, left, right, top, bottom) { // whether a box lies in it, if in part; no window is everything
  return !window_ || (left < window_.right && right > window_.left && top < window_.bottom && bottom > window_.top);
}

function edge(from, to) {
  const start = from.x + half(from.item), end = to.x - half(to.item), turn = start + TURN, r = 8;
  if (from.y === to.y) return `M${start},${from.y}H${end}`;
  return `M${start},${from.y}H${turn - r}q${r},0 ${r},${r}V${to.y - r}q0,${r} ${r},${r}H${end}`;
}

function lineElements(tree, on, window_) {
  const grey = [], ways = [];
  for (const to of tree.places.values()) {
    const from = tree.places.get(to.item.parent);
    if (!from || !meets(window_, from.x, to.x, from.y - 2, to.y + 2)) continue;
    const d = edge(from, to), marks = on(to.item), both = marks.every(Boolean);
    grey.push(make("svg:path", { class: "line", d }));
    marks.forEach((mark, which) => {
      const aside = both ? (which ? -1.75 : 1.75) : 0;
      if (mark) ways.push(make("svg:path", { class: `way way-${which}`, d, transform: `translate(${aside},${-aside})` }));
    });
  }
  return [...grey, ...ways];
}

function thumbnail(nth, sheet, box) {
  const { side, columns, id } = sheet, window_ = `${nth % columns * side} ${Math.floor(nth / columns) * side} ${side} ${side}`;
  return make("svg:svg", { ...box, viewBox: window_, class: "thumb" }, make("svg:use", { href: `#${id}` }));
}

function itemElements(item, marks, sheet) {
  const size = half(item), title = make("svg:title", {}, item.text);
  if (item.fold) {
    const pill = { class: "frame", x: -size, y: -11, width: 2 * size, height: 22, rx: 11 };
    return [title, make("svg:rect", pill), make("svg:text", { y: 4 }, item.name)];
  }
  const drawn = [title, make("svg:rect", { class: "frame", x: -size, y: -HALF, width: 2 * size, height: THUMB, rx: 4 })];
  if (item.parent == null) {
    drawn.push(make("svg:text", { class: "name", y: -2 }, item.name), make("svg:text", { y: 12 }, item.count));
  } else {
    const text = make("svg:text", { y: HALF + 13 }, make("svg:tspan", { class: "name" }, item.name));
    if (item.count) text.append(` · ${item.count}`);
    marks.forEach((mark, which) => mark?.active && text.append(make("svg:tspan", { class: `tick-${which}` }, " ✓")));
    drawn.push(thumbnail(item.thumb, sheet, { x: -HALF + 2, y: -HALF + 2, width: THUMB - 4, height: THUMB - 4 }), text);
  }
  if (!item.leaf) {
    const sign = item.opened ? "M-3.5,0H3.5" : "M-3.5,0H3.5M0,-3.5V3.5";
    drawn.push(make("svg:g", { class: `toggle ${item.opened ? "less" : "more"}`, transform: `translate(${size + 12},0)` },
      make("svg:circle", { r: 8 }), make("svg:path", { d: sign })));
  }
  return drawn;
}

function pitchOf(path, wide) {
  return Math.min(BAR, wide / path.steps.length);
}

function wayElement(path, which, shared, wide, sheet) { // the bars of a path; `markWay` says where one is on it
  const pitch = pitchOf(path, wide);
  const bars = path.steps.map((step, i) => make("svg:rect", {
    class: `bar${step.active ? " active" : ""}${step.inside ? "" : " outside"}`, x: i * pitch + 0.5, y: 40 - step.height,
    width: Math.max(1.5, pitch - 2), height: step.height }, make("svg:title", {}, step.text)));
  const middle = make("svg:path", { class: "middle", d: `M0,22H${path.steps.length * pitch}` });
  const part = shared > 0 ? [make("svg:path", { class: "part", d: `M${shared * pitch - 0.5},0V46` })] : [];
  const chart = make("svg:svg", { role: "slider", tabindex: 0, width: wide, height: 48, "data-way": which,
    "aria-label": path.words, "aria-valuemin": 1, "aria-valuemax": path.steps.length },
  middle, ...bars, ...part, make("svg:path", { class: "caret" }));
  const picture = make("svg:svg", { width: 32, height: 32 }, thumbnail(path.thumb, sheet, { width: 32, height: 32 }));
  const head = make("div", { class: "head" }, picture, make("span", {}, path.words));
  return make("section", { class: `way-${path.slot}` }, head, chart, make("div", { class: "step" }));
}

function markWay(section, path, selected, wide, otherwise) {
  const at = path.steps.findIndex(step => step.node === selected), pitch = pitchOf(path, wide), now = Math.max(at, 0);
  section.querySelector(".bar.now")?.classList.remove("now");
  if (at >= 0) section.querySelectorAll(".bar")[at].classList.add("now");
  update(section.querySelector(".caret"), { d: at < 0 ? null : `M${(at + 0.5) * pitch},42l4,5h-8z` });
  update(section.querySelector("[role=slider]"), { "aria-valuenow": now + 1, "aria-valuetext": path.steps[now].text });
  section.querySelector(".step").textContent = at >= 0 ? path.steps[at].text : otherwise;
}

function download(blob, name) {
  const link = make("a", { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

function dataUrl(blob) {
  return new Promise(done => {
    const reader = new FileReader();
    reader.onload = () => done(reader.result);
    reader.readAsDataURL(blob);
  });
}
