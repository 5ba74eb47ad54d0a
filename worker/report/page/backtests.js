// The user's backtests: a card each, newest first.

import { get, hasToken, openPage, post } from "./api.js";
import { badge, button, byId, make, progress, refill, when } from "./dom.js";

const PAGE = 10;
const MOST = 200;

let asked = PAGE;

/** Reads and shows them. Whether any of them may still change. */
export async function showBacktests(act) {
  const { backtests, nextCursor } = await get(`v1/backtests?limit=${asked}`);
  const card = (job) => backtestCard(job, act);
  refill(byId("backtests"), backtests, (job) => job.jobId, card);
  byId("no-backtests").hidden = backtests.length > 0;
  byId("older-backtests").hidden = nextCursor === null || asked >= MOST;
  return backtests.some(isActive);
}

export function showOlderBacktests() {
  asked = Math.min(asked * 2, MOST);
}

const isActive = (job) => job.status === "queued" || job.status === "running";

function backtestCard(job, act) {
  const name = [job.strategyId, job.symbol, job.timeframe].filter(Boolean).join(" ") || job.jobId;
  const path = `v1/backtests/${encodeURIComponent(job.jobId)}`;
  const span = job.startDate ? `${job.startDate} to ${job.endDate || ""}` : "";
  const actions = [];
  if (isActive(job)) actions.push(button("Cancel", name, () => act(() => post(`${path}/cancel`))));
  if (job.status === "completed") actions.push(reportLink(`${path}/report`, name, act));
  return make(
    "li",
    {},
    make("p", { className: "title" }, badge(job.status), " ", make("strong", {}, name)),
    job.label ? make("p", {}, make("bdi", {}, job.label)) : null,
    make("p", { className: "quiet" }, [span, when(job.admittedAt || job.submittedAt)].filter(Boolean).join(" · ")),
    job.status === "running" ? progress(job.progress, name) : null,
    job.errorMessage ? make("p", { className: "bad" }, `${job.errorCode}: ${job.errorMessage}`) : null,
    make("p", { className: "actions" }, ...actions, make("code", { className: "quiet" }, job.jobId)),
  );
}

function reportLink(path, name, act) {
  if (hasToken()) return button("Report", name, () => act(() => openPage(path)));
  const link = { href: path, target: "_blank", rel: "noopener", "aria-label": `Report ${name}` };
  return make("a", link, "Report");
}
