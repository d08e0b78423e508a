// Puts the support chat on a page: <script src="https://chat.example/widget.js" data-token="…">
// or, later, CairnloopChat.open({ token }). The chat itself runs in a frame of its own origin.
(() => {
  "use strict";
  if (window.CairnloopChat) return;

  const own = document.currentScript;
  const home = new URL(".", own.src);
  let token = own.dataset.token || null;
  const label = own.dataset.label || "Support chat";

  const style = `
    :host { all: initial; }
    button {
      position: fixed; right: max(1rem, env(safe-area-inset-right)); bottom: max(1rem, env(safe-area-inset-bottom));
      z-index: 2147483000; display: grid; place-items: center; width: 3.5rem; height: 3.5rem; padding: 0; border: 0;
      border-radius: 50%; background: #A8492A; color: #FFFFFF; cursor: pointer; box-shadow: 0 6px 20px -6px rgba(20,27,25,.5);
    }
    button:hover { background: #97462A; }
    button:focus-visible { outline: 3px solid #FFFFFF; box-shadow: 0 0 0 6px #A8492A; }
    svg { width: 1.625rem; height: 1.625rem; fill: none; stroke: currentColor; stroke-width: 1.75; stroke-linecap: round; stroke-linejoin: round; }
    .badge {
      position: absolute; top: -.125rem; right: -.125rem; min-width: 1.25rem; height: 1.25rem; padding: 0 .25rem; border-radius: .625rem;
      box-sizing: border-box; background: #141B19; color: #FFFFFF; border: 2px solid #FFFFFF; font: 600 .75rem/1rem system-ui, sans-serif; text-align: center;
    }
    iframe {
      position: fixed; right: max(1rem, env(safe-area-inset-right)); bottom: 5.5rem; z-index: 2147483001; width: min(24rem, calc(100vw - 2rem));
      height: min(38rem, calc(100vh - 7rem)); border: 1px solid rgba(20,27,25,.16); border-radius: 1.125rem; background: #FAF5EB; color-scheme: normal;
      box-shadow: 0 24px 64px -20px rgba(20,27,25,.45);
    }
    [hidden] { display: none !important; }
    @media (max-width: 30rem), (max-height: 30rem) {
      iframe { inset: 0; width: 100%; height: 100%; border: 0; border-radius: 0; }
    }
    @media (prefers-color-scheme: dark) { iframe { background: #141B19; border-color: #2A3833; } }
  `;

  const host = document.createElement("cairnloop-chat");
  const root = host.attachShadow({ mode: "open" });
  // A constructed sheet, because a strict page forbids inline styles.
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(style);
  root.adoptedStyleSheets = [sheet];

  const button = document.createElement("button");
  button.type = "button";
  button.setAttribute("aria-expanded", "false");
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", "M5 5h14a2 2 0 0 1 2 2v8a2 2 0 0 1-2 2h-7l-5 4v-4H5a2 2 0 0 1-2-2V7a2 2 0 0 1 2-2z");
  svg.append(path);
  const badge = document.createElement("span");
  badge.className = "badge";
  badge.hidden = true;
  button.append(svg, badge);
  root.append(button);

  let frame = null;
  let ready = false;

  function name(count) {
    button.setAttribute("aria-label", count ? `${label}, ${count} unread` : label);
    badge.textContent = count ? String(Math.min(count, 99)) : "";
    badge.hidden = !count;
  }

  function tell(type, more) {
    if (ready) frame.contentWindow.postMessage({ source: "cairnloop-host", type, ...more }, home.origin);
  }

  function open(options) {
    if (options && options.token) setToken(options.token);
    if (!frame) {
      frame = document.createElement("iframe");
      frame.title = label;
      frame.src = home.href;
      root.append(frame);
    }
    frame.hidden = false;
    button.setAttribute("aria-expanded", "true");
    frame.focus();
    tell("focus");
  }

  function close() {
    if (!frame || frame.hidden) return;
    frame.hidden = true;
    button.setAttribute("aria-expanded", "false");
    button.focus();
  }

  function setToken(next) {
    token = next;
    tell("token", { token });
  }

  addEventListener("message", (event) => {
    if (!frame || event.source !== frame.contentWindow || event.origin !== home.origin) return;
    const data = event.data;
    if (!data || data.source !== "cairnloop-chat") return;
    if (data.type === "ready") {
      ready = true;
      if (token) tell("token", { token });
    }
    if (data.type === "close") close();
    if (data.type === "unread") name(Number(data.count) || 0);
  });
  button.addEventListener("click", () => (frame && !frame.hidden ? close() : open()));
  name(0);

  const mount = () => document.body.append(host);
  if (document.body) mount();
  else addEventListener("DOMContentLoaded", mount);

  window.CairnloopChat = { open, close, setToken };
})();
