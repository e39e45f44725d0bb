// A place to drop pictures on, or to choose them from: first their number goes to Python, then the bytes of each.
const LARGEST = 8e6; // bytes: what a message of Jupyter's may carry

function render({ model, el }) {
  const input = document.createElement("input");
  Object.assign(input, { type: "file", accept: "image/*", multiple: true, hidden: true });
  const place = document.createElement("button");
  Object.assign(place, { type: "button", className: "nl-drop", textContent: model.get("label") });
  place.addEventListener("click", () => input.click());
  const send = async files => {
    model.send({ files: files.length });
    for (const file of files) {
      let bytes = [];
      try {
        if (file.size <= LARGEST) bytes = [await file.arrayBuffer()];
      } catch {
        // it can no longer be read: Python says so, and the others are still sent
      }
      model.send({ name: file.name, size: file.size }, undefined, bytes);
    }
  };
  const inside = async entry => {
    if (entry.isFile) return [await new Promise((found, gone) => entry.file(found, gone))];
    const reader = entry.createReader();
    const files = [];
    for (;;) {
      const some = await new Promise((found, gone) => reader.readEntries(found, gone)); // 100 at most each time
      if (!some.length) return files;
      for (const one of some) files.push(...(await inside(one)));
    }
  };
  const dropped = async data => {
    const entries = [...data.items].map(item => item.webkitGetAsEntry?.()).filter(Boolean);
    if (!entries.some(entry => entry.isDirectory)) return send([...data.files]);
    const files = (await Promise.all(entries.map(inside))).flat();
    await send(files.filter(file => file.type.startsWith("image/")));
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
    dropped(event.dataTransfer);
  });
  el.append(place, input);
}

export default { render };
