// A prediction tree in the browser. Only what Python has sent is here, and of a large tree only what is near the window
// is drawn; opening a node or a fold asks for more. No imports, no build step.

const COLOURS = ["--ink", "--soft", "--line", "--ground", "--quiet", "--accent", "--way-0", "--way-1", "--hit"];
const LEGEND = "A bar for each node: where the critical filter's value lies among the category's, filled where it is "
  + "active, pale where the image lies farther out than the node's own. Go along with the arrow keys, or click.";
const WHOLE = 150, ROUND = 0.25; // items that are drawn wherever they are; beyond: how far round the window, in windows
const LARGEST = 8e6; // bytes of a picture that is dropped: what a message of Jupyter's may carry
let views = 0;

function render({ model, el: host }) {
  const atlasId = `nl-tree-atlas-${++views}`;
  let tree = arrange([]), drawn = null, walked = [], cursor = null, anchor = null, follow = false, label = null, refit = true;
  let atlasBlob = null, atlasUrl = "", typed = "", typing = 0, saving = 0, unsent = null, chosen = 0, drawing = 0, filling = 0;
  const contents = new WeakMap(); // of the elements of items: what they show

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
  press("−", "Zoom out (−)", () => view.zoom(1 / 1.25));
  press("+", "Zoom in (+)", () => view.zoom(1.25));
  press("Fit", "Show the whole tree (0)", () => fit());
  press("PNG", "Save the picture as PNG", savePng);
  press("SVG", "Save the picture as SVG", async () => download(new Blob([(await picture()).text]), `${model.get("file")}.svg`));
  press("JSON", "Save the tree as JSON", () => model.send({ do: "json" }));
  host.classList.add("nl-tree");
  host.dataset.lmSuppressShortcuts = "true"; // the arrow keys are ours, not JupyterLab's
  host.replaceChildren(bar, stage, ways);

  const view = camera(stage, plane, () => {
    stage.classList.toggle("nl-tree-large", view.zoomed * THUMB / model.get("side") >= 2);
    stage.classList.toggle("nl-tree-small", view.zoomed < 0.45);
    const { left, right, top, bottom } = view.seen(0);
    if (drawn && (left < drawn.left || right > drawn.right || top < drawn.top || bottom > drawn.bottom))
      filling ||= requestAnimationFrame(() => { filling = 0; drawPlane(); });
  });
  const fit = () => view.fit(tree.width, tree.height);
  function reveal(id) { // and, where there is room, what hangs directly below
    const shown = [...(tree.below.get(id) ?? []).flatMap(child => [child, ...tree.below.get(child)]), id];
    view.reveal(shown.map(one => tree.places.get(one)).filter(Boolean));
  }

  // what is drawn
  function soon() {
    drawing ||= requestAnimationFrame(() => { drawing = 0; draw(); });
  }
  function draw() {
    const before = tree.places.get(anchor);
    drawn = null;
    tree = arrange(model.get("nodes"));
    if (!tree.items.length) return;
    const selected = model.get("selected");
    if (!tree.places.has(cursor)) cursor = tree.places.has(selected) ? selected : tree.items[0].id;
    const after = tree.places.get(anchor);
    if (before && after) view.shift(after.x - before.x, after.y - before.y);
    stage.setAttribute("aria-label", model.get("label"));
    if (label !== model.get("label")) cursor = tree.places.has(selected) ? selected : tree.items[0].id;
    if (refit || label !== model.get("label")) fit();
    else if (follow) reveal(tree.places.has(anchor) ? anchor : cursor);
    else view.place();
    label = model.get("label");
    anchor = null;
    follow = refit = false;
    drawPlane();
  }
  function drawPlane() { // of many items those near the window
    const on = onPaths(), focused = groups.contains(document.activeElement);
    drawn = tree.items.length > WHOLE ? view.seen(ROUND) : null;
    lines.replaceChildren(...lineElements(tree, on, drawn));
    drawItems(groups, on, ({ item, x, y }) =>
      item.id === cursor || meets(drawn, x - half(item), x + half(item) + 24, y - HALF, y + ROW - HALF));
    if (focused) focus();
  }
  function onPaths() {
    const paths = [new Map(), new Map()]; // the red, the blue
    for (const { slot, steps } of model.get("paths")) paths[slot] = new Map(steps.map(step => [step.node, step]));
    return item => paths.map(path => path.get(item.fold && item.id < 0 ? -1 - item.id : item.id));
  }
  function drawItems(into, on, wanted) {
    const hits = new Set(model.get("hits")), places = [...tree.places.values()].filter(wanted);
    const ids = new Set(places.map(at => at.item.id)), there = new Map();
    for (const group of [...into.children]) ids.has(+group.dataset.id) ? there.set(+group.dataset.id, group) : group.remove();
    let next = into.firstChild; // an element that is moved would lose the focus
    for (const { item, x, y, level, nth } of places) {
      const group = there.get(item.id) ?? make("svg:g", { role: "treeitem", "data-id": item.id });
      if (group === next) next = next.nextSibling;
      else into.insertBefore(group, next);
      const marks = on(item), kind = item.fold ? "fold" : item.parent == null ? "root" : "node";
      const ways = marks.map((mark, which) => mark ? ` on-${which}` : "").join("");
      update(group, { class: `item ${kind}${hits.has(item.id) ? " hit" : ""}${ways}`, transform: `translate(${x},${y})`,
        "aria-level": level, "aria-posinset": nth, "aria-setsize": tree.below.get(item.parent)?.length ?? 1,
        "aria-label": item.text, "aria-expanded": item.leaf ? null : tree.below.get(item.id).length > 0,
        "aria-selected": item.id === model.get("selected"), tabindex: item.id === cursor ? 0 : -1 });
      const content = JSON.stringify([item, marks.map(mark => mark?.active), model.get("side")]);
      if (contents.get(group) !== content) group.replaceChildren(...itemElements(item, marks, sheet()));
      contents.set(group, content);
    }
  }
  function sheet() {
    return { id: atlasId, side: model.get("side"), columns: model.get("columns") };
  }
  function drawWays() {
    const paths = walked = model.get("paths"), nodes = paths.map(path => path.steps.map(step => step.node));
    const shared = paths.length < 2 ? 0 : nodes[0].findIndex((node, i) => node !== nodes[1][i]);
    const focused = [...ways.querySelectorAll("[role=slider]")].indexOf(document.activeElement);
    ways.replaceChildren(...paths.map((path, which) => wayElement(path, which, shared, wide(), sheet())));
    markWays();
    if (focused >= 0) ways.querySelectorAll("[role=slider]")[focused]?.focus({ preventScroll: true });
  }
  function markWays() { // on the bars that are drawn: a message may bring another selection before other paths
    [...ways.children].forEach((section, which) => markWay(section, walked[which], model.get("selected"), wide(), which ? "" : LEGEND));
  }
  function wide() {
    return Math.max(200, host.clientWidth - 2);
  }
  function focus() {
    groups.querySelector("[tabindex='0']")?.focus({ preventScroll: true });
  }

  // what is done
  function choose(id) {
    if (tree.places.has(id)) cursor = anchor = id;
    follow = true;
    if (id < 0 || id === model.get("selected")) return soon();
    unsent = id;
    model.set("selected", id);
    clearTimeout(saving);
    saving = setTimeout(() => { // a key may be held down
      model.set("selected", id);
      unsent = null;
      model.save_changes();
    }, performance.now() - chosen < 150 ? 60 : 0);
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
      ...(typed ? {} : { "+": () => view.zoom(1.25), "=": () => view.zoom(1.25), "-": () => view.zoom(1 / 1.25), 0: fit }),
    }[event.key] ?? (event.key.length === 1 ? () => find(event.key) : null);
    if (!go || event.ctrlKey || event.metaKey || event.altKey) return; // Tab and all else are the browser's
    event.preventDefault();
    event.stopPropagation();
    const id = go();
    if (id !== undefined) { choose(id); mark(true); }
  }
  function find(letter) { // the next item whose name begins with what is typed
    typed += letter.toLowerCase();
    clearTimeout(typing);
    typing = setTimeout(() => { typed = ""; }, 700);
    const here = tree.items.findIndex(item => item.id === cursor) + (typed.length > 1 ? 0 : 1);
    const order = [...tree.items.slice(here), ...tree.items.slice(0, here)];
    return order.find(item => item.name.toLowerCase().startsWith(typed))?.id;
  }
  function mark(focused) { // at once, before Python answers
    if (!groups.querySelector(`[data-id="${cursor}"]`)) drawPlane();
    for (const group of groups.children) {
      update(group, { tabindex: +group.dataset.id === cursor ? 0 : -1, "aria-selected": +group.dataset.id === model.get("selected") });
    }
    if (focused) focus();
  }
  stage.addEventListener("keydown", key);
  stage.addEventListener("click", event => {
    const group = event.target.closest(".item");
    if (!group || view.dragged) return;
    const id = +group.dataset.id;
    if (event.target.closest(".toggle") || group.classList.contains("fold")) return toggle(id);
    choose(id);
    mark(true);
  });
  stage.addEventListener("dblclick", event => {
    const group = event.target.closest(".item:not(.fold)");
    if (group && !event.target.closest(".toggle")) toggle(+group.dataset.id);
  });
  ways.addEventListener("click", event => {
    const chart = event.target.closest("[role=slider]");
    if (!chart) return;
    const path = model.get("paths")[chart.dataset.way];
    const step = path.steps[Math.floor((event.clientX - chart.getBoundingClientRect().left) / pitchOf(path, wide()))];
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

  stage.addEventListener("dragover", event => {
    if (!event.dataTransfer.types.includes("Files")) return;
    event.preventDefault();
    stage.classList.add("nl-tree-drop");
  });
  stage.addEventListener("dragleave", () => stage.classList.remove("nl-tree-drop"));
  stage.addEventListener("drop", async event => {
    event.preventDefault();
    event.stopPropagation(); // JupyterLab would open the file
    stage.classList.remove("nl-tree-drop");
    const [file] = event.dataTransfer.files;
    if (!file) return;
    // what cannot be read, such as a folder, goes without its bytes: Python says so
    const bytes = file.size > LARGEST ? [] : await file.arrayBuffer().then(content => [content], () => []);
    model.send({ do: "picture", name: file.name, bytes: file.size }, undefined, bytes);
  });

  // what is saved
  async function picture() {
    const wide = Math.ceil(tree.width + 2 * MARGIN), high = Math.ceil(tree.height + 2 * MARGIN), copy = stage.cloneNode(true);
    const [grey, all] = copy.querySelectorAll("defs ~ g > g");
    grey.replaceChildren(...lineElements(tree, onPaths(), null));
    drawItems(all, onPaths(), () => true);
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
    if (unsent !== null && selected !== unsent) return model.set("selected", unsent); // an answer to an earlier choice
    follow = true;
    markWays();
    if (!tree.places.has(selected)) return soon();
    cursor = selected;
    mark(groups.contains(document.activeElement));
    reveal(selected);
  }
  const heard = message => message.file && download(new Blob([message.text]), message.file);
  const traced = () => { refit = true; drawWays(); soon(); };
  const changes = { nodes: soon, paths: traced, hits: soon, label: soon, side: traced, atlas: pictures, selected: moved };
  for (const [name, act] of Object.entries(changes)) model.on(`change:${name}`, act);
  model.on("msg:custom", heard);
  let width = 0;
  const resized = new ResizeObserver(() => {
    if (stage.clientWidth && stage.clientWidth !== width) { width = stage.clientWidth; traced(); }
  });
  resized.observe(stage);
  pictures();
  return () => {
    resized.disconnect();
    for (const [name, act] of Object.entries(changes)) model.off(`change:${name}`, act);
    model.off("msg:custom", heard);
    cancelAnimationFrame(drawing);
    cancelAnimationFrame(filling);
    URL.revokeObjectURL(atlasUrl);
  };
}

export default { render };
