// The form: an example to start from, a request to edit, and what is wrong with it.

import { get, post } from "./api.js";
import { byId, make } from "./dom.js";

const KINDS = [
  { path: "/v1/backtests", group: "A backtest" },
  { path: "/v1/bundles", group: "A bundle: many variants" },
];

let examples = [];

/** Fills the list of examples with those of the API's own description. */
export async function loadExamples() {
  const description = await get("openapi.json");
  examples = KINDS.flatMap(({ path, group }) => {
    const body = description.paths[path]?.post?.requestBody?.content?.["application/json"];
    return Object.values(body?.examples ?? {}).map((example) => ({ path, group, ...example }));
  });
  const groups = KINDS.map(({ path, group }) => {
    const options = examples
      .map((example, place) => ({ ...example, place }))
      .filter((example) => example.path === path)
      .map(({ summary, place }) => make("option", { value: String(place) }, summary));
    return make("optgroup", { label: group }, ...options);
  });
  byId("example").replaceChildren(...groups.filter((group) => group.children.length > 0));
  byId("bundles-section").hidden = !("/v1/bundles" in description.paths);
  choose();
}

export function choose() {
  const chosen = examples[Number(byId("example").value)];
  if (chosen) byId("body").value = readable(chosen.value);
  showProblems([]);
}

/** Sends the request. What was made, or nothing if it was refused; then the list says why. */
export async function submitBody() {
  let body;
  try {
    body = JSON.parse(byId("body").value);
  } catch (error) {
    showProblems([`This is not JSON: ${error.message}`]);
    return null;
  }
  const isBundle = body !== null && typeof body === "object" && "baseConfig" in body;
  try {
    const made = await post(isBundle ? "v1/bundles" : "v1/backtests", body);
    showProblems([]);
    return made;
  } catch (error) {
    if (error.status !== 422 && error.status !== 429 && error.status !== 413) throw error;
    const fields = error.problem.errors ?? [];
    const told = fields.map(({ path, expected, got }) => `${path || "request"}: expected ${expected}, got ${got}`);
    showProblems(told.length ? told : [error.message]);
    return null;
  }
}

/** Indented, but a list of numbers on one line. */
function readable(value) {
  const onOneLine = (list) => list.replace(/\s+/g, " ");
  return JSON.stringify(value, null, 2).replace(/\[[-+.\deE,\s]+\]/g, onOneLine);
}

function showProblems(problems) {
  const list = byId("problems");
  list.replaceChildren(...problems.map((problem) => make("li", {}, problem)));
  list.hidden = problems.length === 0;
  byId("body").setAttribute("aria-invalid", String(problems.length > 0));
}
