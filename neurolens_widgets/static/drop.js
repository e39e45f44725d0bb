// A place to drop pictures on, or to choose them from; their bytes go to Python, nothing else leaves the page.
const LARGEST = 8e6; // bytes: what a message of Jupyter's may carry

function render({ model, el }) {
  const input = document.createElement("input");
  Object.assign(input, { type: "file", accept: "image/*", multiple: true, hidden: true });
  const place = document.createElement("button");
  Object.assign(place, { type: "button", className: "nl-drop", textContent: model.get("label") });
  place.addEventListener("click", () => input.click());
  const send = async files => {
    for (const file of files) {
      const bytes = file.size > LARGEST ? [] : [await file.arrayBuffer()];
      model.send({ name: file.name, size: file.size }, undefined, bytes);
    }
  };
  input.addEventListener("change", async () => {
    await send([...input.files]);
    input.value = ""; // so that the same picture can be chosen again
  });
  for (const kind of ["dragenter", "dragover"]) {
    place.addEventListener(kind, event => {
      event.preventDefault();
      event.stopPropagation(); // JupyterLab would open the file
      place.classList.add("nl-drop-over");
    });
  }
  place.addEventListener("dragleave", () => place.classList.remove("nl-drop-over"));
  place.addEventListener("drop", event => {
    event.preventDefault();
    event.stopPropagation();
    place.classList.remove("nl-drop-over");
    send([...event.dataTransfer.files]);
  });
  el.append(place, input);
}

export default { render };
