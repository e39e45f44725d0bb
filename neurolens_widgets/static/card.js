// What a card needs of the browser: names for what ipywidgets, ipycanvas and bqplot leave nameless, kept as parts come
// and go; and word to Python when the card is nowhere to be seen any more. No imports, no build step.

const PICTURES = "canvas, .bqplot.figure", STOPS = ".nl-tab-stop > canvas, .nl-brush";
const WORDS = ".nl-caption, .nl-cell, .nl-order, .nl-composition, h4, h3"; // what says what a picture shows
const ANSWERS = ".nl-title, .nl-cell, .nl-composition, .nl-about, .nl-spoken"; // of what a key in a canvas picked, of a run
const SILENT = ".bqplot :is(canvas, svg), .nl-tree-ways .head svg, .jupyter-button > i"; // layers of a picture, and icons, whose glyph is no name
const PLAY = { "fa-play": "Play or pause", "fa-pause": "Play or pause", "fa-stop": "Back to the start", "fa-retweet": "Repeat" };
const SETTLE = 200, GONE = 2000; // milliseconds until new parts are named, and for a cell to show the card anew
const unique = Math.random().toString(36).slice(2);
let ids = 0;

function refer(element, attribute, to) {
  to.id ||= `nl-${unique}-${(ids += 1)}`;
  element.setAttribute(attribute, to.id);
}

// The words nearest to a picture, as the element that stays when they change.
function words(picture, card) {
  for (let box = picture.parentElement; card.contains(box); box = box.parentElement) {
    const found = box.querySelector(".nl-words") ?? [...box.querySelectorAll(WORDS)].find(one => one.textContent.trim());
    if (found) return found.closest(".widget-html") ?? found;
  }
  return null;
}

function name(card) {
  card.querySelectorAll(SILENT).forEach(part => part.setAttribute("aria-hidden", "true"));
  for (const picture of card.querySelectorAll(PICTURES)) {
    if (picture.parentElement.closest(".bqplot") || picture.hasAttribute("aria-labelledby")) continue;
    if (picture.matches("canvas") && !picture.matches(STOPS)) picture.tabIndex = -1; // what it does, buttons do as well
    const said = words(picture, card);
    if (!said) continue; // they come later
    picture.setAttribute("role", picture.matches(STOPS) ? "application" : "img"); // which lets arrow keys through
    refer(picture, "aria-labelledby", said);
  }
  for (const slider of card.querySelectorAll(".widget-slider")) {
    const [label, shown] = [slider.querySelector(".widget-label"), slider.querySelector(".widget-readout")];
    for (const part of slider.querySelectorAll(".noUi-handle, .widget-readout")) refer(part, "aria-labelledby", label);
    if (!shown) continue;
    shown.setAttribute("role", "textbox");
    slider.querySelectorAll(".noUi-handle").forEach(handle => refer(handle, "aria-describedby", shown)); // 0.01, not -2
  }
  for (const icon of card.querySelectorAll(".widget-play button > i")) {
    const said = PLAY[Object.keys(PLAY).find(css => icon.classList.contains(css))];
    if (said) icon.parentElement.setAttribute("aria-label", (icon.parentElement.title = said));
  }
  for (const choices of card.querySelectorAll(".widget-radio-box")) {
    choices.setAttribute("role", "radiogroup");
    const said = words(choices, card);
    if (said) refer(choices, "aria-labelledby", said);
  }
  for (const answer of card.querySelectorAll(ANSWERS)) answer.setAttribute("aria-live", "polite");
}

export default () => {
  let views = 0, leaving = 0;
  return {
    render({ model, el }) {
      let frame = 0, settling = 0, observer;
      views += 1;
      clearTimeout(leaving);
      const begin = () => {
        const card = el.closest(".nl-card");
        if (!card) return void (frame = requestAnimationFrame(begin)); // its parts are still being put together
        name(card);
        observer = new MutationObserver(() => {
          settling ||= setTimeout(() => { settling = 0; name(card); }, SETTLE);
        });
        observer.observe(card, { childList: true, subtree: true });
      };
      begin();
      return () => {
        observer?.disconnect();
        cancelAnimationFrame(frame);
        clearTimeout(settling);
        views -= 1;
        if (!views) leaving = setTimeout(() => model.send({ do: "leave" }), GONE);
      };
    },
  };
};
