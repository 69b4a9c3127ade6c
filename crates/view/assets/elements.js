// Makes elements. Text becomes text nodes only: nothing here parses HTML.

const SVG = "http://www.w3.org/2000/svg";

export function element(tag, properties = {}, ...children) {
  return fill(document.createElement(tag), properties, children);
}

export function drawing(tag, properties = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), properties, children);
}

function fill(it, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === false || value === null) continue;
    if (name.startsWith("on")) it.addEventListener(name.slice(2), value);
    else it.setAttribute(name, value === true ? "" : value);
  }
  it.append(...present(children));
  return it;
}

// Replaces what an element contains.
export function replace(it, ...children) {
  it.replaceChildren(...present(children));
}

function present(children) {
  return children.flat(2).filter((child) => child !== undefined && child !== null && child !== false);
}

export function byId(id) {
  return document.getElementById(id);
}

// A button that copies a text and says so.
export function copyButton(text, label = "Copy") {
  const button = element("button", { type: "button", class: "copy", onclick: copy }, label);
  async function copy() {
    const isCopied = await toClipboard(text);
    button.textContent = isCopied ? "Copied" : "Not copied";
    setTimeout(() => (button.textContent = label), 1500);
  }
  return button;
}

// Browsers may not give a page from `file://` their clipboard: then the old way has to do.
async function toClipboard(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const field = element("textarea", { class: "offscreen", "aria-hidden": "true" });
    field.value = text;
    const focused = document.activeElement;
    document.body.append(field);
    field.select();
    const isCopied = document.execCommand("copy");
    field.remove();
    focused?.focus();
    return isCopied;
  }
}
