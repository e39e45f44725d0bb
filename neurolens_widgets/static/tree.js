// A prediction tree in the browser: the root at the left, a step to the right for each merge undone, larger branches
// straight on. Only what Python has sent is here; opening a node or a fold asks for more. No imports, no build step.

const THUMB = 40, HALF = THUMB / 2, ROW = 68, STEP = 44, TURN = 30, AFTER_FOLD = 10, MARGIN = 30;
const NS = "http://www.w3.org/2000/svg";
const COLOURS = ["--ink", "--soft", "--line", "--ground", "--quiet", "--accent", "--way-0", "--way-1", "--hit"];
const LEGEND = "A bar for each node: where the critical filter's value lies among the category's, filled where it is "
  + "active, pale where the image lies farther out than the node's own. Go along with the arrow keys, or click.";
let views = 0;

function make(name, attributes = {}, ...children) {
  const made = name.startsWith("svg:") ? document.createElementNS(NS, name.slice(4)) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) if (value != null) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function half(item) {
  return item.fold ? 2.9 * item.name.length + 6 : item.parent == null ? 40 : HALF;
}

function arrange(items) {
  const places = new Map(), below = new Map(items.map(item => [item.id, []]));
  for (const item of items) {
    const above = places.get(item.parent), siblings = below.get(item.parent);
    const x = above ? above.x + half(above.item) + (above.item.fold ? AFTER_FOLD : STEP) + half(item) : half(item);
    places.set(item.id, { item, x, level: (above?.level ?? 0) + 1, place: (siblings?.length ?? 0) + 1, down: 0, row: 0 });
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

function edge(from, to) {
  const start = from.x + half(from.item), end = to.x - half(to.item), turn = start + TURN, r = 8;
  if (from.y === to.y) return `M${start},${from.y}H${end}`;
  return `M${start},${from.y}H${turn - r}q${r},0 ${r},${r}V${to.y - r}q0,${r} ${r},${r}H${end}`;
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

function render({ model, el: host }) {
  const atlasId = `nl-tree-atlas-${++views}`;
  let tree = arrange([]), zoomed = 1, left = 0, top = 0, cursor = null, anchor = null, follow = false;
  let label = null, refit = true, drag = null, dragged = false, atlasBlob = null, atlasUrl = "", saving = 0, chosen = 0, drawing = 0;

  const atlas = make("svg:image", { id: atlasId });
  const lines = make("svg:g", { role: "none" }), groups = make("svg:g", { role: "none" });
  const plane = make("svg:g", { role: "none" }, lines, groups);
  const stage = make("svg:svg", { role: "tree", class: "nl-tree-stage" }, make("svg:defs", {}, atlas), plane);
  const ways = make("div", { class: "nl-tree-ways" });
  const bar = make("div", { class: "nl-tree-bar" });
  const press = (text, title, act) => {
    const button = make("button", { type: "button", title, "aria-label": title }, text);
    button.onclick = act;
    bar.append(button);
  };
  press("−", "Zoom out (−)", () => zoom(1 / 1.25));
  press("+", "Zoom in (+)", () => zoom(1.25));
  press("Fit", "Show the whole tree (0)", fit);
  press("PNG", "Save the picture as PNG", savePng);
  press("SVG", "Save the picture as SVG", async () => download(new Blob([(await picture()).text]), `${model.get("file")}.svg`));
  press("JSON", "Save the tree as JSON", () => model.send({ do: "json" }));
  host.classList.add("nl-tree");
  host.dataset.lmSuppressShortcuts = "true"; // the arrow keys are ours, not JupyterLab's
  host.replaceChildren(bar, stage, ways);

  // where it stands in the window
  function place() {
    plane.setAttribute("transform", `translate(${left},${top}) scale(${zoomed})`);
    stage.classList.toggle("nl-tree-large", zoomed * THUMB / model.get("side") >= 2);
  }
  function fit() {
    const { clientWidth: w, clientHeight: h } = stage;
    if (!w) return;
    zoomed = Math.min(1.15, Math.max(0.6, Math.min((w - 2 * MARGIN) / tree.width, (h - 2 * MARGIN) / tree.height)));
    left = Math.max(MARGIN, (w - tree.width * zoomed) / 2);
    top = Math.max(MARGIN, (h - tree.height * zoomed) / 2) + HALF * zoomed;
    place();
  }
  function zoom(factor, x = stage.clientWidth / 2, y = stage.clientHeight / 2) {
    const next = Math.min(6, Math.max(0.15, zoomed * factor));
    left = x - (x - left) * next / zoomed;
    top = y - (y - top) * next / zoomed;
    zoomed = next;
    place();
  }
  function reveal(id) { // move as little as shows the item and, where there is room, what hangs directly below
    const shown = [...(tree.below.get(id) ?? []).flatMap(child => [child, ...tree.below.get(child)]), id];
    for (const place_ of shown.map(one => tree.places.get(one)).filter(Boolean)) {
      const x = left + zoomed * place_.x, y = top + zoomed * place_.y, wide = zoomed * (half(place_.item) + 30);
      left += Math.max(0, wide - x) || Math.min(0, stage.clientWidth - wide - x);
      top += Math.max(0, 34 * zoomed - y) || Math.min(0, stage.clientHeight - 46 * zoomed - y);
    }
    place();
  }

  // what is drawn
  function soon() {
    drawing ||= requestAnimationFrame(() => { drawing = 0; draw(); });
  }
  function draw() {
    const before = tree.places.get(anchor);
    tree = arrange(model.get("nodes"));
    if (!tree.items.length) return;
    const selected = model.get("selected"), focused = groups.contains(document.activeElement);
    if (!tree.places.has(cursor)) cursor = tree.places.has(selected) ? selected : tree.items[0].id;
    const after = tree.places.get(anchor);
    if (before && after) {
      left += zoomed * (before.x - after.x);
      top += zoomed * (before.y - after.y);
    }
    const paths = model.get("paths").map(path => new Map(path.steps.map(step => [step.node, step])));
    const on = item => paths.map(path => path.get(item.fold && item.id < 0 ? -1 - item.id : item.id));
    drawLines(on);
    drawItems(on, selected, new Set(model.get("hits")));
    drawWays(selected);
    stage.setAttribute("aria-label", model.get("label"));
    if (label !== model.get("label")) cursor = tree.places.has(selected) ? selected : tree.items[0].id;
    if (refit || label !== model.get("label")) fit();
    else if (follow) reveal(tree.places.has(anchor) ? anchor : cursor);
    else place();
    label = model.get("label");
    anchor = null;
    follow = refit = false;
    if (focused) focus();
  }
  function drawLines(on) {
    const drawn = [[], []];
    for (const { item, ...to } of tree.places.values()) {
      const from = tree.places.get(item.parent);
      if (!from) continue;
      const d = edge(from, { item, ...to }), marks = on(item);
      drawn[0].push(make("svg:path", { class: "line", d }));
      marks.forEach((mark, which) => {
        const aside = marks.every(Boolean) && marks.length > 1 ? (which ? -1.75 : 1.75) : 0;
        if (mark) drawn[1].push(make("svg:path", { class: `way way-${which}`, d, transform: `translate(${aside},${-aside})` }));
      });
    }
    lines.replaceChildren(...drawn.flat());
  }
  function drawItems(on, selected, hits) {
    const there = new Map([...groups.children].map(group => [+group.dataset.id, group]));
    for (const [id, group] of there) if (!tree.places.has(id)) group.remove();
    let next = groups.firstChild; // an element that is moved would lose the focus
    for (const { item, x, y, level, place: nth } of tree.places.values()) {
      const group = there.get(item.id) ?? make("svg:g", { role: "treeitem", "data-id": item.id });
      if (group === next) next = next.nextSibling;
      else groups.insertBefore(group, next);
      const marks = on(item), size = half(item), kind = item.fold ? "fold" : item.parent == null ? "root" : "node";
      group.setAttribute("class", ["item", kind, ...(hits.has(item.id) ? ["hit"] : []),
        ...marks.flatMap((mark, which) => mark ? [`on-${which}`] : [])].join(" "));
      group.setAttribute("transform", `translate(${x},${y})`);
      const about = { level, posinset: nth, setsize: tree.below.get(item.parent)?.length ?? 1, label: item.text,
        selected: item.id === selected, expanded: item.leaf || item.fold ? null : item.opened };
      for (const [name, value] of Object.entries(about))
        value == null ? group.removeAttribute(`aria-${name}`) : group.setAttribute(`aria-${name}`, value);
      group.setAttribute("tabindex", item.id === cursor ? 0 : -1);
      group.replaceChildren(...parts(item, size, marks));
    }
  }
  function parts(item, size, marks) {
    const title = make("svg:title", {}, item.text);
    if (item.fold) return [title, make("svg:rect", { class: "frame", x: -size, y: -11, width: 2 * size, height: 22, rx: 11 }),
      make("svg:text", { y: 4 }, item.name)];
    const drawn = [title, make("svg:rect", { class: "frame", x: -size, y: -HALF, width: 2 * size, height: THUMB, rx: 4 })];
    if (item.parent == null) drawn.push(make("svg:text", { class: "name", y: -2 }, item.name), make("svg:text", { y: 12 }, item.count));
    else {
      drawn.push(thumbnail(item.thumb, { x: -HALF + 2, y: -HALF + 2, width: THUMB - 4, height: THUMB - 4 }));
      const text = make("svg:text", { y: HALF + 13 }, make("svg:tspan", { class: "name" }, item.name));
      if (item.count) text.append(` · ${item.count}`);
      marks.forEach((mark, which) => mark?.active && text.append(make("svg:tspan", { class: `tick-${which}` }, " ✓")));
      drawn.push(text);
    }
    if (!item.leaf) {
      const sign = item.opened ? "M-3.5,0H3.5" : "M-3.5,0H3.5M0,-3.5V3.5";
      drawn.push(make("svg:g", { class: `toggle ${item.opened ? "less" : "more"}`, transform: `translate(${size + 12},0)` },
        make("svg:circle", { r: 8 }), make("svg:path", { d: sign })));
    }
    return drawn;
  }
  function thumbnail(nth, box) {
    const side = model.get("side"), columns = model.get("columns");
    const window_ = `${nth % columns * side} ${Math.floor(nth / columns) * side} ${side} ${side}`;
    return make("svg:svg", { ...box, viewBox: window_, class: "thumb" }, make("svg:use", { href: `#${atlasId}` }));
  }
  function drawWays(selected) {
    const paths = model.get("paths"), focused = [...ways.querySelectorAll("[role=slider]")].indexOf(document.activeElement);
    const nodes = paths.map(path => path.steps.map(step => step.node));
    const shared = paths.length < 2 ? 0 : nodes[0].findIndex((node, i) => node !== nodes[1][i]);
    ways.replaceChildren(...paths.map((path, which) => {
      const wide = Math.max(200, host.clientWidth - 2), pitch = Math.min(18, wide / path.steps.length), at = nodes[which].indexOf(selected);
      const bars = path.steps.map((step, i) => make("svg:rect", {
        class: ["bar", step.active ? "active" : "", step.inside ? "" : "outside", i === at ? "now" : ""].join(" "),
        x: i * pitch + 0.5, y: 40 - step.height, width: Math.max(1.5, pitch - 2), height: step.height, "data-step": i }, make("svg:title", {}, step.text)));
      const middle = make("svg:path", { class: "middle", d: `M0,22H${path.steps.length * pitch}` });
      const part = shared > 0 ? [make("svg:path", { class: "part", d: `M${shared * pitch - 0.5},0V46` })] : [];
      const caret = at < 0 ? [] : [make("svg:path", { class: "caret", d: `M${(at + 0.5) * pitch},42l4,5h-8z` })];
      const chart = make("svg:svg", { role: "slider", tabindex: 0, width: wide, height: 48, "data-way": which,
        "aria-label": path.words, "aria-valuemin": 1, "aria-valuemax": path.steps.length, "aria-valuenow": Math.max(at, 0) + 1,
        "aria-valuetext": path.steps[Math.max(at, 0)].text }, middle, ...bars, ...part, ...caret);
      const head = make("div", { class: "head" }, make("svg:svg", { width: 32, height: 32 }, thumbnail(path.thumb, { width: 32, height: 32 })), make("span", {}, path.words));
      const step = make("div", { class: "step" }, at >= 0 ? path.steps[at].text : which ? "" : LEGEND);
      return make("section", { class: `way-${which}` }, head, chart, step);
    }));
    if (focused >= 0) ways.querySelectorAll("[role=slider]")[focused]?.focus({ preventScroll: true });
  }
  function focus() {
    groups.querySelector("[tabindex='0']")?.focus({ preventScroll: true });
  }

  // what is done
  function choose(id) {
    if (tree.places.has(id)) cursor = anchor = id;
    follow = true;
    if (id < 0 || id === model.get("selected")) return soon();
    model.set("selected", id);
    clearTimeout(saving);
    saving = setTimeout(() => model.save_changes(), performance.now() - chosen < 150 ? 60 : 0); // a key that is held down
    chosen = performance.now();
  }
  function toggle(id) {
    const { item } = tree.places.get(id);
    if (item.leaf) return;
    cursor = anchor = item.fold ? item.parent : id;
    follow = true;
    model.send({ do: "toggle", item: id });
  }
  function key(event) {
    const at = tree.places.get(cursor), order = tree.items.map(item => item.id), here = order.indexOf(cursor);
    const below = tree.below.get(cursor) ?? [], open = below.length > 0;
    const go = {
      ArrowDown: () => order[here + 1], ArrowUp: () => order[here - 1], Home: () => order[0], End: () => order.at(-1),
      ArrowRight: () => open ? below[0] : toggle(cursor),
      ArrowLeft: () => open && !at.item.fold && at.item.parent != null ? toggle(cursor) : at.item.parent ?? undefined,
      Enter: () => toggle(cursor), " ": () => toggle(cursor),
      "+": () => zoom(1.25), "=": () => zoom(1.25), "-": () => zoom(1 / 1.25), 0: fit,
    }[event.key];
    if (!go || event.ctrlKey || event.metaKey || event.altKey) return; // Tab and all else are the browser's
    event.preventDefault();
    event.stopPropagation();
    const id = go();
    if (id !== undefined) { choose(id); mark(true); }
  }
  function mark(focused) { // at once, before Python answers
    for (const group of groups.children) {
      group.setAttribute("tabindex", +group.dataset.id === cursor ? 0 : -1);
      group.setAttribute("aria-selected", +group.dataset.id === model.get("selected"));
    }
    if (focused) focus();
  }
  stage.addEventListener("keydown", key);
  stage.addEventListener("click", event => {
    const group = event.target.closest(".item");
    if (!group || dragged) return;
    const id = +group.dataset.id;
    if (event.target.closest(".toggle") || group.classList.contains("fold")) return toggle(id);
    choose(id);
    mark(true);
  });
  stage.addEventListener("dblclick", event => {
    const group = event.target.closest(".item:not(.fold)");
    if (group && !event.target.closest(".toggle")) toggle(+group.dataset.id);
  });
  stage.addEventListener("wheel", event => { // a plain wheel scrolls the page
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    const box = stage.getBoundingClientRect();
    zoom(Math.exp(-event.deltaY / 300), event.clientX - box.left, event.clientY - box.top);
  }, { passive: false });
  stage.addEventListener("pointerdown", event => {
    drag = { x: event.clientX, y: event.clientY, left, top };
    dragged = false;
  });
  stage.addEventListener("pointermove", event => {
    if (!drag) return;
    const x = event.clientX - drag.x, y = event.clientY - drag.y;
    if (!dragged && Math.hypot(x, y) < 5) return;
    if (!dragged) stage.setPointerCapture(event.pointerId);
    dragged = true;
    [left, top] = [drag.left + x, drag.top + y];
    place();
  });
  for (const end of ["pointerup", "pointercancel"]) stage.addEventListener(end, () => { drag = null; });
  ways.addEventListener("click", event => {
    const chart = event.target.closest("[role=slider]");
    if (!chart) return;
    const { steps } = model.get("paths")[chart.dataset.way], pitch = Math.min(18, chart.clientWidth / steps.length);
    const step = steps[Math.floor((event.clientX - chart.getBoundingClientRect().left) / pitch)];
    chart.focus({ preventScroll: true });
    if (step) choose(step.node);
  });
  ways.addEventListener("keydown", event => {
    const { steps } = model.get("paths")[event.target.dataset.way] ?? { steps: [] }, last = steps.length - 1;
    const at = steps.findIndex(step => step.node === model.get("selected"));
    const to = { ArrowRight: at + 1, ArrowDown: at + 1, ArrowLeft: at - 1, ArrowUp: at - 1, Home: 0, End: last,
      PageDown: at + 10, PageUp: at - 10 }[event.key];
    if (to === undefined || last < 0) return;
    event.preventDefault();
    event.stopPropagation();
    choose(steps[Math.min(last, Math.max(0, to))].node);
  });

  // what is saved
  async function picture() {
    const wide = Math.ceil(tree.width + 2 * MARGIN), high = Math.ceil(tree.height + 2 * MARGIN), copy = stage.cloneNode(true);
    const style = getComputedStyle(host), colours = COLOURS.map(name => `${name}:${style.getPropertyValue(name)}`).join(";");
    copy.setAttribute("class", "nl-tree nl-tree-saved");
    for (const [name, value] of Object.entries({ xmlns: NS, width: wide, height: high, style: colours, viewBox: `${-MARGIN} ${-MARGIN - HALF} ${wide} ${high}` }))
      copy.setAttribute(name, value);
    copy.querySelector("image").setAttribute("href", atlasBlob ? await dataUrl(atlasBlob) : "");
    copy.querySelector("defs ~ g").removeAttribute("transform");
    copy.prepend(make("svg:style", {}, model.get("_css")), make("svg:rect", { class: "paper", x: -MARGIN, y: -MARGIN - HALF, width: wide, height: high }));
    return { text: new XMLSerializer().serializeToString(copy), wide, high };
  }
  async function savePng() {
    const { text, wide, high } = await picture(), scale = Math.min(2, 8000 / Math.max(wide, high));
    const image = new Image(), url = URL.createObjectURL(new Blob([text], { type: "image/svg+xml" }));
    image.src = url;
    await image.decode();
    const canvas = make("canvas", { width: Math.round(wide * scale), height: Math.round(high * scale) });
    canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
    URL.revokeObjectURL(url);
    canvas.toBlob(blob => download(blob, `${model.get("file")}.png`));
  }

  // what Python says
  function pictures() {
    URL.revokeObjectURL(atlasUrl);
    const bytes = model.get("atlas");
    atlasBlob = bytes?.byteLength ? new Blob([bytes], { type: "image/png" }) : null;
    atlasUrl = atlasBlob ? URL.createObjectURL(atlasBlob) : "";
    atlas.setAttribute("href", atlasUrl);
    atlas.setAttribute("width", model.get("side") * model.get("columns"));
    soon();
  }
  function moved() { // the selection, by anyone
    const selected = model.get("selected");
    follow = true;
    if (!tree.places.has(selected)) return soon();
    cursor = selected;
    mark(groups.contains(document.activeElement));
    drawWays(selected);
    reveal(selected);
  }
  const heard = message => message.file && download(new Blob([message.text]), message.file);
  const changes = { nodes: soon, paths: () => { refit = true; soon(); }, hits: soon, label: soon, atlas: pictures, selected: moved };
  for (const [name, act] of Object.entries(changes)) model.on(`change:${name}`, act);
  model.on("msg:custom", heard);
  let width = 0;
  const resized = new ResizeObserver(() => {
    if (stage.clientWidth && stage.clientWidth !== width) { width = stage.clientWidth; fit(); soon(); }
  });
  resized.observe(stage);
  pictures();
  return () => {
    resized.disconnect();
    for (const [name, act] of Object.entries(changes)) model.off(`change:${name}`, act);
    model.off("msg:custom", heard);
    cancelAnimationFrame(drawing);
    URL.revokeObjectURL(atlasUrl);
  };
}

export default { render };
