// Talks to the service this page came from. The token lives in this module's memory and nowhere else.

let token = "";
let session = new AbortController();

/** Raised for an answer that comes after its user has signed out or in: nobody may see it. */
export class Superseded extends Error {}

/** Raised for every answer that is not a success; `problem` is the service's problem document. */
export class Refused extends Error {
  constructor(status, problem) {
    super(problem.detail || `The service answered ${status}.`);
    this.status = status;
    this.problem = problem;
  }
}

export function setToken(text) {
  session.abort();
  session = new AbortController();
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

export const get = (path) => request(path, {}, (answer) => answer.json());

export async function post(path, body) {
  const options = { method: "POST" };
  if (body !== undefined) {
    options.headers = { "Content-Type": "application/json" };
    options.body = JSON.stringify(body);
  }
  return request(path, options, (answer) => answer.json());
}

/** Opens what a link without a token cannot: the answer, as a page of its own. */
export async function openPage(path) {
  const page = await request(path, {}, (answer) => answer.blob());
  const address = URL.createObjectURL(page);
  const link = document.createElement("a");
  link.href = address;
  link.target = "_blank";
  link.rel = "noopener";
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}

async function request(path, options, read) {
  const { signal } = session;
  try {
    return await read(await accepted(path, { ...options, signal }));
  } catch (error) {
    if (signal.aborted) throw new Superseded();
    if (error instanceof Refused) throw error;
    throw new Refused(0, { detail: "The service does not answer." });
  }
}

async function accepted(path, options) {
  const headers = { ...options.headers };
  if (token) headers.Authorization = `Bearer ${token}`;
  const answer = await fetch(path, { ...options, headers, credentials: "omit", cache: "no-store" });
  if (answer.ok) return answer;
  // What is no problem document is not ours: a proxy's page, perhaps. The status has to do.
  throw new Refused(answer.status, await answer.json().catch(() => ({})));
}
