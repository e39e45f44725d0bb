// The window on a drawing that is larger: dragging moves it, Ctrl and the wheel zoom. It tells when it moved.

const NEAREST = 6, FARTHEST = 0.3, FITTED = [0.6, 1.15];

function camera(stage, plane, moved) {
  const at = { left: 0, top: 0, zoomed: 1, dragged: false }; // `dragged`: the click that follows is none
  let drag = null;
  const wide = () => stage.clientWidth, high = () => stage.clientHeight;

  at.place = () => {
    plane.setAttribute("transform", `translate(${at.left},${at.top}) scale(${at.zoomed})`);
    moved();
  };
  at.fit = (width, height) => {
    if (!wide()) return;
    const both = Math.min((wide() - 2 * MARGIN) / width, (high() - 2 * MARGIN) / height);
    at.zoomed = Math.min(FITTED[1], Math.max(FITTED[0], both));
    at.left = Math.max(MARGIN, (wide() - width * at.zoomed) / 2);
    at.top = Math.max(MARGIN, (high() - height * at.zoomed) / 2) + HALF * at.zoomed;
    at.place();
  };
  at.zoom = (factor, x = wide() / 2, y = high() / 2) => {
    const next = Math.min(NEAREST, Math.max(FARTHEST, at.zoomed * factor));
    at.left = x - (x - at.left) * next / at.zoomed;
    at.top = y - (y - at.top) * next / at.zoomed;
    at.zoomed = next;
    at.place();
  };
  at.shift = (x, y) => { // what is drawn has moved by so much, and is to stay where it was seen
    at.left -= at.zoomed * x;
    at.top -= at.zoomed * y;
  };
  at.reveal = places => { // move as little as shows them, the last for sure
    for (const { item, x, y } of places) {
      const here = at.left + at.zoomed * x, there = at.top + at.zoomed * y, aside = at.zoomed * (half(item) + 30);
      at.left += Math.max(0, aside - here) || Math.min(0, wide() - aside - here);
      at.top += Math.max(0, 34 * at.zoomed - there) || Math.min(0, high() - 46 * at.zoomed - there);
    }
    at.place();
  };
  at.seen = round => { // the window and so much round it, in the drawing's own measure
    const from = (side, start, size) => (side * size - start) / at.zoomed;
    return { left: from(-round, at.left, wide()), right: from(1 + round, at.left, wide()),
      top: from(-round, at.top, high()), bottom: from(1 + round, at.top, high()) };
  };

  stage.addEventListener("wheel", event => { // a plain wheel scrolls the page
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    const box = stage.getBoundingClientRect();
    at.zoom(Math.exp(-event.deltaY / 300), event.clientX - box.left, event.clientY - box.top);
  }, { passive: false });
  stage.addEventListener("pointerdown", event => {
    drag = { x: event.clientX, y: event.clientY, left: at.left, top: at.top };
    at.dragged = false;
  });
  stage.addEventListener("pointermove", event => {
    if (!drag) return;
    const x = event.clientX - drag.x, y = event.clientY - drag.y;
    if (!at.dragged && Math.hypot(x, y) < 5) return;
    if (!at.dragged) stage.setPointerCapture(event.pointerId);
    at.dragged = true;
    [at.left, at.top] = [drag.left + x, drag.top + y];
    at.place();
  });
  for (const end of ["pointerup", "pointercancel"]) stage.addEventListener(end, () => { drag = null; });
  return at;
}
