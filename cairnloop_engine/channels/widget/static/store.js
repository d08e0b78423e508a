"use strict";
// What this browser keeps: the token for this tab, and unsent messages until they are accepted.

// Storage may be forbidden (third-party frames, private windows): then memory has to do.
class Shelf {
  constructor(open) {
    this.memory = new Map();
    try {
      this.storage = open();
      this.storage.getItem("cairnloop");
    } catch {
      this.storage = null;
    }
  }

  get(key) {
    try {
      const kept = this.storage && this.storage.getItem(key);
      if (kept !== null && kept !== undefined) return kept;
    } catch { /* fall through to memory */ }
    return this.memory.has(key) ? this.memory.get(key) : null;
  }

  set(key, value) {
    this.memory.set(key, value);
    try {
      if (this.storage) this.storage.setItem(key, value);
    } catch { /* full or forbidden: memory holds it */ }
  }

  remove(key) {
    this.memory.delete(key);
    try {
      if (this.storage) this.storage.removeItem(key);
    } catch { /* nothing to remove */ }
  }

  keys() {
    const found = new Set(this.memory.keys());
    try {
      for (let i = 0; this.storage && i < this.storage.length; i += 1) found.add(this.storage.key(i));
    } catch { /* memory only */ }
    return [...found];
  }
}

const tabShelf = new Shelf(() => window.sessionStorage);
const browserShelf = new Shelf(() => window.localStorage);

// The token arrives in the fragment, which no server and no log sees, and leaves the address bar.
function takeToken() {
  const fragment = new URLSearchParams(location.hash.slice(1));
  const given = fragment.get("token");
  if (location.hash || location.search) history.replaceState(null, "", location.pathname);
  if (given) tabShelf.set("cairnloop.token", given);
  return given || tabShelf.get("cairnloop.token");
}

function keepToken(token) {
  tabShelf.set("cairnloop.token", token);
}

// A short fingerprint, so that a key in storage never holds the token itself.
function fingerprint(text) {
  let a = 0xdeadbeef;
  let b = 0x41c6ce57;
  for (const character of text) {
    const code = character.codePointAt(0);
    a = Math.imul(a ^ code, 2654435761);
    b = Math.imul(b ^ code, 1597334677);
  }
  a = Math.imul(a ^ (a >>> 16), 2246822507) ^ Math.imul(b ^ (b >>> 13), 3266489909);
  b = Math.imul(b ^ (b >>> 16), 2246822507) ^ Math.imul(a ^ (a >>> 13), 3266489909);
  return (4294967296 * (2097151 & b) + (a >>> 0)).toString(36);
}

// Unsent messages, one key each, so that two tabs do not overwrite each other's. They belong to
// an identity ("scope", told by the server): another customer in this browser never sends them.
class Unsent {
  constructor(token) {
    this.scopeKey = `cairnloop.scope.${fingerprint(token)}`;
    this.scope = tabShelf.get(this.scopeKey) || `t${fingerprint(token)}`;
  }

  prefix() {
    return `cairnloop.unsent.${this.scope}.`;
  }

  // The server told who this is: what was written before is theirs.
  settle(scope) {
    if (scope === this.scope) return;
    const early = this.all();
    for (const one of early) this.forget(one.clientId);
    this.scope = scope;
    tabShelf.set(this.scopeKey, scope);
    for (const one of early) this.keep(one);
  }

  all() {
    const found = [];
    for (const key of browserShelf.keys()) {
      if (!key.startsWith(this.prefix())) continue;
      try {
        const { text, at } = JSON.parse(browserShelf.get(key));
        if (typeof text === "string") found.push({ clientId: key.slice(this.prefix().length), text, at });
      } catch {
        browserShelf.remove(key);
      }
    }
    return found.sort((one, other) => one.at - other.at);
  }

  keep({ clientId, text, at }) {
    browserShelf.set(this.prefix() + clientId, JSON.stringify({ text, at }));
  }

  has(clientId) {
    return browserShelf.get(this.prefix() + clientId) !== null;
  }

  forget(clientId) {
    browserShelf.remove(this.prefix() + clientId);
  }
}

function newClientId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

// Half of a surrogate pair cannot be sent; the server could not store it either.
function wellFormed(text) {
  return new TextDecoder().decode(new TextEncoder().encode(text)).replaceAll("\0", "");
}

// Nothing to see: spaces, control and format characters only. The server decides; this saves a trip.
function isBlank(text) {
  return !/[^\s\p{Cc}\p{Cf}\p{Z}]/u.test(text);
}
