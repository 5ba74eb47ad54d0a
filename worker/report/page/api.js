// Talks to the service this page came from. The token lives in this module's memory and nowhere else.

let token = "";

/** Raised for every answer that is not a success; `problem` is the service's problem document. */
export class Refused extends Error {
  constructor(status, problem) {
    super(problem.detail || `The service answered ${status}.`);
    this.status = status;
    this.problem = problem;
  }
}

export function setToken(text) {
  token = text.trim().replace(/^Bearer\s+/i, "");
}

export function hasToken() {
  return token !== "";
}

/** What the token says of its user; the service checks it, this page only shows it. */
export function tokenUser() {
  try {
    const bytes = Uint8Array.from(
      atob(token.split(".")[1].replace(/-/g, "+").replace(/_/g, "/")),
      (letter) => letter.charCodeAt(0),
    );
    const claims = JSON.parse(new TextDecoder().decode(bytes));
    return String(claims.email || claims.sub || "");
  } catch {
    return "";
  }
}

export async function get(path) {
  return (await request(path)).json();
}

export async function post(path, body) {
  const options = { method: "POST" };
  if (body !== undefined) {
    options.headers = { "Content-Type": "application/json" };
    options.body = JSON.stringify(body);
  }
  return (await request(path, options)).json();
}

/** Opens what a link without a token cannot: the answer, as a page of its own. */
export async function openPage(path) {
  const page = await (await request(path)).blob();
  const address = URL.createObjectURL(page);
  const link = document.createElement("a");
  link.href = address;
  link.target = "_blank";
  link.rel = "noopener";
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}

async function request(path, options = {}) {
  const headers = { ...options.headers };
  if (token) headers.Authorization = `Bearer ${token}`;
  let answer;
  try {
    answer = await fetch(path, { ...options, headers, credentials: "omit", cache: "no-store" });
  } catch {
    throw new Refused(0, { detail: "The service does not answer." });
  }
  if (answer.ok) return answer;
  let problem = {};
  try {
    problem = await answer.json();
  } catch {
    // Not one of ours: a proxy's page, perhaps. The status has to do.
  }
  throw new Refused(answer.status, problem);
}
