// Makes elements. Text is always text: nothing here reads HTML.

export const byId = (id) => document.getElementById(id);

/** An element with properties and children; children that are no nodes become text. */
export function make(name, properties = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key.startsWith("aria-") || key === "role" || key === "for") element.setAttribute(key, value);
    else element[key] = value;
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

export function button(label, name, onClick) {
  const element = make("button", { type: "button", "aria-label": `${label} ${name}` }, label);
  element.addEventListener("click", async () => {
    element.disabled = true;
    try {
      await onClick();
    } finally {
      element.disabled = false;
    }
  });
  return element;
}

/** A bar with its percentage beside it. */
export function progress(share, name) {
  const percent = `${Math.floor(share * 100)}%`;
  return make(
    "p",
    { className: "progress" },
    make("progress", { max: 1, value: share, "aria-label": `Progress of ${name}` }),
    make("span", {}, percent),
  );
}

export function badge(status) {
  const known = ["queued", "running", "completed", "failed"];
  return make("span", { className: `badge ${known.includes(status) ? status : ""}` }, status);
}

export function when(time) {
  const moment = new Date(time);
  return Number.isNaN(moment.getTime()) ? String(time) : moment.toLocaleString();
}

/** Replaces the items of a list by key, so that what has not changed keeps its focus. */
export function refill(list, items, keyOf, render) {
  const old = new Map([...list.children].map((child) => [child.dataset.key, child]));
  const fresh = items.map((item) => {
    const shown = JSON.stringify(item);
    const before = old.get(keyOf(item));
    if (before && before.dataset.shown === shown) return before;
    const element = render(item);
    element.dataset.key = keyOf(item);
    element.dataset.shown = shown;
    return element;
  });
  if (fresh.length !== list.children.length || fresh.some((child, at) => child !== list.children[at])) {
    list.replaceChildren(...fresh);
  }
}
