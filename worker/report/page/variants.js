// A bundle's variants as a table, ranked by any of their figures.

import { get } from "./api.js";
import { make } from "./dom.js";

const PAGE = 20;
const MOST = 200;

const FIGURES = {
  sharpe: { name: "Sharpe", show: (value) => value.toFixed(2) },
  totalReturn: { name: "Total return", show: percent },
  cagr: { name: "CAGR", show: percent },
  maxDrawdown: { name: "Max drawdown", show: percent },
  sortino: { name: "Sortino", show: (value) => value.toFixed(2) },
  calmar: { name: "Calmar", show: (value) => value.toFixed(2) },
  profitFactor: { name: "Profit factor", show: (value) => value.toFixed(2) },
  winRate: { name: "Win rate", show: percent },
  tradeCount: { name: "Trades", show: (value) => value.toLocaleString() },
};

/** What is shown of each open bundle, by its id: how many rows, in which order. */
const open = new Map();

export const isOpen = (bundle) => open.has(bundle.bundleId);

export function openVariants(bundle) {
  open.set(bundle.bundleId, { sort: "sharpe", rows: PAGE });
}

export function closeVariants(bundle) {
  open.delete(bundle.bundleId);
}

/** Reads the variants of a bundle again, if it is open, and shows them in its card. */
export async function refreshVariants(bundle) {
  const view = open.get(bundle.bundleId);
  const place = document.querySelector(`[data-key="${CSS.escape(bundle.bundleId)}"] .variants`);
  if (!place) return;
  if (!view) return place.replaceChildren();
  const order = `sort=${view.sort}&order=desc&limit=${view.rows}`;
  const path = `v1/bundles/${encodeURIComponent(bundle.bundleId)}/variants?${order}`;
  const page = await get(path);
  const [choice, list] = frame(place, bundle, view);
  const shown = JSON.stringify([view, page]);
  if (!open.has(bundle.bundleId) || list.dataset.shown === shown) return;
  choice.value = view.sort;
  list.dataset.shown = shown;
  list.replaceChildren(...rows(bundle, view, page));
}

/** The choice of an order and the place of the table: made once, so that they keep their focus. */
function frame(place, bundle, view) {
  if (!place.firstChild) {
    const id = `sort-${bundle.bundleId}`;
    const options = Object.entries(FIGURES).map(([value, { name }]) => make("option", { value }, name));
    const choice = make("select", { id }, ...options);
    choice.addEventListener("change", () => again(bundle, view, { sort: choice.value }));
    const label = make("label", { for: id }, "Best by");
    place.append(make("p", { className: "tools" }, label, choice), make("div"));
  }
  return [place.querySelector("select"), place.lastChild];
}

function rows(bundle, view, { variants, nextCursor }) {
  if (!variants.length) return [make("p", { className: "quiet" }, "None has ended yet.")];
  if (nextCursor === null || view.rows >= MOST) return [table(bundle, variants, view)];
  const more = make("button", { type: "button" }, "More variants");
  more.addEventListener("click", () => again(bundle, view, { rows: Math.min(view.rows * 2, MOST) }));
  return [table(bundle, variants, view), more];
}

/** In another order, or more of them. A failure is told when the page is read the next time. */
function again(bundle, view, change) {
  Object.assign(view, change);
  refreshVariants(bundle).catch(() => {});
}

function table(bundle, variants, view) {
  const paths = [...new Set(variants.flatMap((variant) => Object.keys(variant.overrides ?? {})))];
  const figures = [view.sort, ...Object.keys(FIGURES).filter((key) => key !== view.sort)];
  const heads = [
    ...["Rank", "Variant"].map((name) => make("th", { scope: "col", className: "number" }, name)),
    ...paths.map((path) => make("th", { scope: "col" }, path.replace(/^parameters\./, ""))),
    ...figures.map((key) => make("th", { scope: "col", className: "number" }, FIGURES[key].name)),
  ];
  const lines = variants.map((variant, place) => row(variant, place + 1, paths, figures));
  const caption = `Variants of ${bundle.name || bundle.bundleId}, best ${FIGURES[view.sort].name} first`;
  return make(
    "div",
    { className: "scroll", role: "region", tabIndex: 0, "aria-label": caption },
    make("table", {}, make("caption", {}, caption), make("thead", {}, make("tr", {}, ...heads)), make("tbody", {}, ...lines)),
  );
}

function row(variant, rank, paths, figures) {
  const number = (text) => make("td", { className: "number" }, text);
  const cells = [
    make("th", { scope: "row", className: "number" }, String(rank)),
    number(String(variant.index)),
    ...paths.map((path) => make("td", {}, shown(variant.overrides?.[path]))),
  ];
  if (variant.errorCode) {
    const why = `${variant.errorCode}: ${variant.errorMessage}`;
    return make("tr", {}, ...cells, make("td", { className: "bad", colSpan: figures.length }, why));
  }
  return make("tr", {}, ...cells, ...figures.map((key) => number(figure(variant.metrics?.[key], key))));
}

function figure(value, key) {
  return value === null || value === undefined ? "–" : FIGURES[key].show(value);
}

function shown(value) {
  if (value === undefined) return "";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

function percent(value) {
  return `${(value * 100).toFixed(2)}%`;
}
