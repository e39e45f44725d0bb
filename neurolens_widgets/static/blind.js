// A ballot in the browser: one picture or two, a large button for each choice, a key for each button. What is shown
// comes from Python, one trial at a time, and nothing in it says where a picture is from. No imports, no build step.

function make(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) if (value != null) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function render({ model, el: host }) {
  const question = make("p", { class: "question" }), shown = make("div", { class: "shown" });
  const choices = make("div", { class: "choices" }), keys = make("p", { class: "keys" });
  const bar = make("i"), progress = make("div", { class: "progress", role: "progressbar", "aria-valuemin": 0 }, bar);
  const place = make("p", { class: "place", "aria-live": "polite" });
  let urls = [];
  host.classList.add("nl-ballot");
  host.tabIndex = 0;
  host.setAttribute("role", "group");
  host.dataset.lmSuppressShortcuts = "true"; // 1, 2, 3 are ours, not JupyterLab's headings
  host.replaceChildren(question, shown, choices, keys, make("div", { class: "foot" }, progress, place));

  const over = () => model.get("trial") >= model.get("of");
  function vote(choice) { // the trial goes along: a second click meant this picture, not the next
    if (!over()) model.send({ do: "vote", choice, trial: model.get("trial") });
  }
  function draw() {
    const [trial, of, pairs] = ["trial", "of", "pairs"].map(name => model.get(name)), labels = model.get("choices");
    const left = pairs ? "← or 1, → or 2" : labels.map((_, i) => i + 1).join(", ");
    question.textContent = over() ? "All are judged. Undo the last, or reveal the truth." : model.get("question");
    keys.textContent = over() ? "" : `Click here, then keys: ${left}; Backspace takes the last back.`;
    place.textContent = over() ? `${of} of ${of} judged` : `${trial + 1} of ${of}`;
    for (const [name, value] of Object.entries({ valuenow: trial, valuemax: of, label: `${trial} of ${of} judged` }))
      progress.setAttribute(`aria-${name}`, value);
    bar.style.width = `${100 * trial / of}%`;
    host.setAttribute("aria-label", `${question.textContent} ${keys.textContent}`);
    if (choices.childElementCount !== labels.length) // kept otherwise, and the focus with them
      choices.replaceChildren(...labels.map((label, i) => {
        const button = make("button", { type: "button" }, make("kbd", {}, pairs ? "←→"[i] : `${i + 1}`), make("span", {}, label));
        button.onclick = () => vote(i);
        return button;
      }));
    for (const button of choices.children) button.setAttribute("aria-disabled", over());
    const old = urls, [width, height] = model.get("side");
    urls = over() ? [] : model.get("pictures").map(bytes => URL.createObjectURL(new Blob([bytes], { type: "image/png" })));
    shown.replaceChildren(...urls.map((src, i) => {
      const alt = pairs ? `Picture on the ${labels[i]}, ${trial + 1} of ${of}` : `Picture ${trial + 1} of ${of}`;
      const image = make("img", { src, alt, width, height, class: model.get("crisp") ? "crisp" : null });
      if (pairs) image.onclick = () => { host.focus({ preventScroll: true }); vote(i); };
      return image;
    }));
    shown.classList.toggle("pairs", pairs);
    old.forEach(url => URL.revokeObjectURL(url));
  }
  function key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    const count = model.get("choices").length, digit = "123456789".indexOf(event.key);
    const side = model.get("pairs") ? ["ArrowLeft", "ArrowRight"].indexOf(event.key) : -1;
    const choice = event.key.length === 1 && digit >= 0 && digit < count ? digit : side;
    if (choice < 0 && event.key !== "Backspace") return; // Tab and all else are the browser's
    event.preventDefault();
    event.stopPropagation();
    choice >= 0 ? vote(choice) : model.send({ do: "undo", trial: model.get("trial") });
  }
  host.addEventListener("keydown", key);
  let drawing = 0;
  const soon = () => { cancelAnimationFrame(drawing); drawing = requestAnimationFrame(draw); };
  const names = ["pictures", "trial", "question"];
  for (const name of names) model.on(`change:${name}`, soon);
  draw();
  return () => {
    for (const name of names) model.off(`change:${name}`, soon);
    cancelAnimationFrame(drawing);
    urls.forEach(url => URL.revokeObjectURL(url));
  };
}

export default { render };
