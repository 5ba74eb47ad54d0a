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

/** Shows items as children of a list, by key; what has not changed stays, and keeps its focus. */
export function refill(list, items, keyOf, render) {
  const old = new Map([...list.children].map((child) => [child.dataset.key, child]));
  const children = items.map((item) => {
    const shown = JSON.stringify(item);
    const before = old.get(keyOf(item));
    if (before?.dataset.shown === shown) return before;
    const fresh = render(item);
    const element = before ? updated(before, fresh) : fresh;
    element.dataset.key = keyOf(item);
    element.dataset.shown = shown;
    return element;
  });
  if (children.length !== list.children.length || children.some((child, at) => child !== list.children[at])) {
    list.replaceChildren(...children);
  }
}

/** The old element with the new one's children, but for those that are the same or to be kept. */
function updated(old, fresh) {
  const children = [...fresh.children];
  if (children.length !== old.children.length) {
    const kept = [...old.children].find((child) => child.dataset.keep);
    old.replaceChildren(...children.map((child) => (child.dataset.keep && kept ? kept : child)));
    return old;
  }
  [...old.children].forEach((was, at) => {
    if (!was.dataset.keep && !was.isEqualNode(children[at])) was.replaceWith(children[at]);
  });
  return old;
}
