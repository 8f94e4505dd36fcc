import { appEvents, appPermissions } from "../model/app-manifest.ts";

/** One thing that was looked at, and what to do about it. */
export interface SetupFinding {
  readonly what: string;
  readonly state: "good" | "doubtful" | "wrong";
  readonly lines: readonly string[];
  readonly fix: string;
}

/** What a person is asked for. */
export interface SetupFields {
  readonly name: string;
  readonly publicUrl: string;
  /** Login of the organization that shall own the App; "" for one's own. */
  readonly organization: string;
}

/** The first page: what will be made, why it needs what it needs, and three fields. */
export function askPage({ name, publicUrl, organization }: SetupFields, fault = ""): string {
  const permissions = appPermissions
    .map(
      (permission) =>
        `<tr><th>${permission.name}</th><td>${permission.level}</td><td>${escaped(permission.why)}</td></tr>`,
    )
    .join("");
  return page(
    "Connect of-builder to GitHub",
    `<p>of-builder is a GitHub App of yours: GitHub tells it of pushes, and it shows there how each function's build went.
GitHub makes the App; its key and its webhook's secret are stored on this server alone.</p>
${fault === "" ? "" : `<p class="wrong" role="alert">${escaped(fault)}</p>`}
<form method="post" action="/prepare">
<label>Address of this server as GitHub reaches it
<input name="publicUrl" type="url" required placeholder="https://builder.example.com" value="${escaped(publicUrl)}"></label>
<label>Name of the App, unique on GitHub
<input name="name" required maxlength="34" value="${escaped(name)}"></label>
<label>Organization that owns it <small>(empty: your own account)</small>
<input name="organization" pattern="[A-Za-z0-9-]*" maxlength="39" value="${escaped(organization)}"></label>
<button>Continue</button>
</form>
<h2>What it may do, and why</h2>
<table>${permissions}</table>
<p class="quiet">It hears of: ${appEvents.join(", ")}, and of where it is installed. You choose the repositories afterwards.</p>`,
  );
}

/** The second page: one button, which hands the description to GitHub. */
export function handOverPage({ action, manifest }: { action: string; manifest: object }): string {
  return page(
    "Create the App on GitHub",
    `<p>GitHub shows the App once more and asks you to create it. Then it brings you back here.</p>
<form method="post" action="${escaped(action)}">
<input type="hidden" name="manifest" value="${escaped(JSON.stringify(manifest))}">
<button>Create it on GitHub</button>
</form>`,
  );
}

/** The last page: what works, and which step is missing. */
export function statusPage(findings: readonly SetupFinding[]): string {
  const marks = { good: "✔", doubtful: "!", wrong: "✖" };
  const rows = findings.map(({ what, state, lines, fix }) => {
    const words = [...lines.map(escaped), ...(fix === "" ? [] : [`→ ${linked(escaped(fix))}`])].join("<br>");
    return `<li class="${state}"><b><span>${marks[state]}</span> ${escaped(what)}</b><div>${words}</div></li>`;
  });
  const isDone = findings.every(({ state }) => state === "good");
  return page(
    isDone ? "All is well" : "Nearly there",
    `<ul>${rows.join("")}</ul>
<form method="get" action="/status"><button>Look again</button></form>
<p class="quiet">${isDone ? "Push to a repository with a stack.yml, and look at its commit. You may close this page." : "Do what is missing, then look again."}</p>`,
  );
}

/** A page that says why there is none. */
export function refusalPage(text: string): string {
  return page("This does not work", `<p class="wrong">${escaped(text)}</p>`);
}

const style = `:root{color-scheme:light dark;--ink:#1d2430;--soft:#5b6675;--line:#d9dee6;--paper:#fff;--ground:#f3f5f8;--blue:#2257d6}
@media(prefers-color-scheme:dark){:root{--ink:#e8ecf2;--soft:#9aa6b6;--line:#333c49;--paper:#171c24;--ground:#0f1319;--blue:#7aa2ff}}
*{box-sizing:border-box}body{margin:0;background:var(--ground);color:var(--ink);font:16px/1.55 system-ui,sans-serif}
main{max-width:44rem;margin:3rem auto;padding:2.5rem 3rem;background:var(--paper);border:1px solid var(--line);border-radius:14px}
header{color:var(--soft);font-weight:600;letter-spacing:.02em}h1{margin:.2rem 0 1rem;font-size:1.75rem;line-height:1.2}
h2{margin:2.2rem 0 .6rem;font-size:1.05rem}label{display:block;margin:1.1rem 0;font-weight:600}small,.quiet{color:var(--soft);font-weight:400}
input{display:block;width:100%;margin-top:.35rem;padding:.6rem .75rem;font:inherit;color:inherit;background:var(--ground);border:1px solid var(--line);border-radius:8px}
button{padding:.65rem 1.3rem;font:inherit;font-weight:600;color:var(--paper);background:var(--blue);border:0;border-radius:8px;cursor:pointer}
input:focus-visible,button:focus-visible{outline:3px solid var(--blue);outline-offset:2px}
table{width:100%;border-collapse:collapse;font-size:.94rem}th,td{padding:.5rem .8rem .5rem 0;text-align:left;vertical-align:top;border-top:1px solid var(--line)}
ul{list-style:none;margin:1.5rem 0;padding:0}li{padding:.8rem 0;border-top:1px solid var(--line);overflow-wrap:anywhere}li div{margin-left:1.6rem;color:var(--soft)}
li span{display:inline-block;width:1.3rem}.good span{color:#1f9d55}.doubtful span{color:#c98a00}.wrong span,p.wrong{color:#d1383d}a{color:var(--blue)}
@media(max-width:48rem){main{margin:0;padding:1.5rem;border:0;border-radius:0}}`;

function page(title: string, body: string): string {
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${title} · of-builder</title><style>${style}</style></head>
<body><main><header>of-builder</header><h1>${title}</h1>
${body}
</main></body></html>`;
}

function escaped(text: string): string {
  return text.replaceAll(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`);
}

/** Addresses in a text of ours that was escaped. */
function linked(html: string): string {
  return html.replaceAll(/https?:\/\/[^\s<>&]+[^\s<>&.,:)]/g, (url) => `<a href="${url}">${url}</a>`);
}
