// The page: who is signed in, what is shown, and how often it is read again.

import { Superseded, hasToken, setToken, tokenUser } from "./api.js";
import { showBacktests, showOlderBacktests } from "./backtests.js";
import { showBundles, showOlderBundles } from "./bundles.js";
import { byId } from "./dom.js";
import { choose, loadExamples, submitBody } from "./submit.js";

const BUSY_MILLISECONDS = 1_000;
const IDLE_MILLISECONDS = 10_000;

let timer = 0;
let reading = false;

/** Reads everything, and again soon while something runs. Nothing is read for a hidden tab. */
async function refresh() {
  clearTimeout(timer);
  if (reading || document.hidden) return;
  reading = true;
  let next = IDLE_MILLISECONDS;
  try {
    const active = await Promise.all([showBacktests(act), showBundles(act)]);
    if (active.includes(true)) next = BUSY_MILLISECONDS;
    showSignedIn();
    if (byId("notice").dataset.lasts !== "yes") tell("");
  } catch (error) {
    if (error instanceof Superseded) next = 0;
    else if (error.status === 401) return showSignIn(hasToken() ? error.message : "");
    else tell(error.message, { bad: true });
  } finally {
    reading = false;
  }
  timer = setTimeout(refresh, next);
}

/** Does something the user asked for; then looks at what became of it. */
async function act(action) {
  try {
    await action();
    tell("");
  } catch (error) {
    if (error instanceof Superseded) return;
    if (error.status === 401) return showSignIn(error.message);
    tell(error.message, { bad: true, lasts: true });
  }
  await refresh();
}

function tell(text, { bad = false, lasts = false } = {}) {
  const notice = byId("notice");
  if (notice.textContent !== text) notice.textContent = text;
  notice.hidden = text === "";
  notice.classList.toggle("bad", bad);
  notice.dataset.lasts = lasts ? "yes" : "no";
}

function showSignIn(message) {
  clearTimeout(timer);
  setToken("");
  byId("signed-in").hidden = true;
  byId("sign-out").hidden = true;
  byId("user").textContent = "";
  byId("sign-in").hidden = false;
  for (const list of ["backtests", "bundles"]) byId(list).replaceChildren();
  tell(message, { bad: message !== "" });
}

function showSignedIn() {
  if (!byId("signed-in").hidden) return;
  byId("sign-in").hidden = true;
  byId("signed-in").hidden = false;
  byId("sign-out").hidden = !hasToken();
  byId("user").textContent = hasToken() ? tokenUser() : "";
}

byId("token-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  setToken(byId("token").value);
  byId("token").value = "";
  await refresh();
});

byId("submit-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const send = event.submitter;
  if (send) send.disabled = true;
  byId("said").textContent = "";
  await act(async () => {
    const made = await submitBody();
    if (made) byId("said").textContent = `Submitted ${made.jobId ?? made.bundleId}`;
  });
  if (send) send.disabled = false;
});

byId("sign-out").addEventListener("click", () => showSignIn(""));
byId("example").addEventListener("change", choose);
byId("older-backtests").addEventListener("click", () => (showOlderBacktests(), refresh()));
byId("older-bundles").addEventListener("click", () => (showOlderBundles(), refresh()));
document.addEventListener("visibilitychange", refresh);

await loadExamples().catch((error) => tell(error.message, { bad: true, lasts: true }));
await refresh();
