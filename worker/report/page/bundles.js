// The user's bundles: a card each, and the ranked variants of those that are open.

import { get, post } from "./api.js";
import { badge, button, byId, make, progress, refill, when } from "./dom.js";
import { closeVariants, isOpen, openVariants, refreshVariants } from "./variants.js";

const PAGE = 5;
const MOST = 100;

let asked = PAGE;

/** Reads and shows them. Whether any of them may still change. */
export async function showBundles(act) {
  if (byId("bundles-section").hidden) return false;
  const { bundles, nextCursor } = await get(`v1/bundles?limit=${asked}`);
  const card = (bundle) => bundleCard(bundle, act);
  refill(byId("bundles"), bundles, (bundle) => bundle.bundleId, card);
  byId("no-bundles").hidden = bundles.length > 0;
  byId("older-bundles").hidden = nextCursor === null || asked >= MOST;
  await Promise.all(bundles.filter(isOpen).map(refreshVariants));
  return bundles.some(isActive);
}

export function showOlderBundles() {
  asked = Math.min(asked * 2, MOST);
}

const isActive = (bundle) => bundle.status === "queued" || bundle.status === "running";

function bundleCard(bundle, act) {
  const name = bundle.name || `bundle ${bundle.bundleId.slice(0, 8)}`;
  const path = `v1/bundles/${encodeURIComponent(bundle.bundleId)}`;
  const counts = [`${bundle.completed} of ${bundle.total} variants`];
  if (bundle.failed) counts.push(`${bundle.failed} failed`);
  const variants = make("div", { className: "variants" });
  variants.dataset.keep = "yes";
  const toggle = button("Variants", name, async () => {
    if (isOpen(bundle)) closeVariants(bundle);
    else openVariants(bundle);
    toggle.setAttribute("aria-expanded", String(isOpen(bundle)));
    await act(() => refreshVariants(bundle));
  });
  toggle.setAttribute("aria-expanded", String(isOpen(bundle)));
  const actions = [toggle];
  if (isActive(bundle)) actions.push(button("Cancel", name, () => act(() => post(`${path}/cancel`))));
  return make(
    "li",
    {},
    make("p", { className: "title" }, badge(bundle.status), " ", make("strong", {}, make("bdi", {}, name))),
    make("p", { className: "quiet" }, [...counts, when(bundle.admittedAt || bundle.submittedAt)].join(" · ")),
    isActive(bundle) ? progress(bundle.progress, name) : null,
    bundle.errorMessage ? make("p", { className: "bad" }, `${bundle.errorCode}: ${bundle.errorMessage}`) : null,
    make("p", { className: "actions" }, ...actions, make("code", { className: "quiet" }, bundle.bundleId)),
    variants,
  );
}
