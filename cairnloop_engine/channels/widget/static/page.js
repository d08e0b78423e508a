// The page: composer, outbox and the words for each state.

const ANSWER_MS = 25000;
const TRIES = 5;
const PARENT_MS = 4000;
const HISTORY_MS = 5000;

const STATES = {
  connecting: "Connecting…",
  connected: "Connected",
  reconnecting: "Disconnected — reconnecting",
  ended: "Not connected",
};

const WALLS = {
  no_token: [
    "Open the chat from your account",
    "This page knows you by a link from the site you came from, and there is none here. Nothing was started. Go back to that site and open the chat there.",
  ],
  token_expired: [
    "This chat link has expired",
    "Links are good for a limited time. Go back to the site you came from and open the chat again; your conversation is kept.",
  ],
  unauthorized: [
    "This chat link is not valid",
    "It may be incomplete or too old. Go back to the site you came from and open the chat again; your conversation is kept.",
  ],
  not_configured: [
    "The chat is not set up yet",
    "The owner of this site still has to finish its setup. Nothing of yours was sent.",
  ],
  version_unsupported: ["This page is out of date", "The chat was updated. Reload the page to go on."],
};

const byId = (id) => document.getElementById(id);
const embedded = window.parent !== window;

// Sends one message at a time, in order; keeps each until the server says that it is stored.
class Outbox {
  constructor(unsent, thread, connection) {
    this.unsent = unsent;
    this.thread = thread;
    this.connection = connection;
    this.waiting = [];
  }

  // What an earlier visit left behind.
  restore() {
    const known = new Set(this.waiting.map((one) => one.clientId));
    for (const one of this.unsent.all()) {
      if (known.has(one.clientId)) continue;
      this.waiting.push({ ...one, tries: 0, restored: true });
      this.thread.write(one);
      this.thread.waitingToSend(one.clientId, "Not sent yet");
    }
  }

  put(text) {
    const one = { clientId: newClientId(), text, at: Date.now(), tries: 0 };
    this.unsent.keep(one);
    this.waiting.push(one);
    this.thread.write(one);
    this.pump();
  }

  pump() {
    this.dropTakenBack();
    const next = this.waiting.find((one) => !one.failed);
    if (!next || this.flying || this.pausing) return;
    if (!this.connection.welcomed) {
      for (const one of this.waiting) if (!one.failed) this.thread.waitingToSend(one.clientId, "Goes out when the connection is back");
      return;
    }
    this.flying = next;
    next.tries += 1;
    this.thread.sending(next.clientId);
    this.connection.say({ type: "message", client_id: next.clientId, text: next.text });
    // An answer that does not come means a connection that only looks alive.
    this.overdue = setTimeout(() => this.connection.drop(), ANSWER_MS);
  }

  // Another tab may have sent or taken back what this one found in storage.
  dropTakenBack() {
    const gone = this.waiting.filter((one) => one.restored && one !== this.flying && !this.unsent.has(one.clientId));
    for (const one of gone) this.thread.remove(one.clientId);
    this.waiting = this.waiting.filter((one) => !gone.includes(one));
  }

  landed() {
    clearTimeout(this.overdue);
    this.flying = null;
  }

  accepted(frame) {
    this.waiting = this.waiting.filter((one) => one.clientId !== frame.client_id);
    this.unsent.forget(frame.client_id);
    this.landed();
    this.thread.accepted(frame);
    this.pump();
  }

  refused(frame) {
    const one = this.waiting.find((each) => each.clientId === frame.client_id);
    this.landed();
    if (!one) return;
    if (frame.retry_after === null || one.tries >= TRIES) {
      one.failed = true;
      this.thread.failed(one.clientId, frame.message);
      this.pump();
      return;
    }
    this.thread.waitingToSend(one.clientId, "Not sent yet, trying again");
    this.pausing = setTimeout(() => { this.pausing = null; this.pump(); }, frame.retry_after * 1000);
  }

  away() {
    const one = this.flying;
    this.landed();
    if (one && one.tries >= TRIES) {
      one.failed = true;
      this.thread.failed(one.clientId, "The connection broke each time.");
    }
    clearTimeout(this.pausing);
    this.pausing = null;
    this.pump();
  }

  retry(clientId) {
    const one = this.waiting.find((each) => each.clientId === clientId);
    if (!one) return;
    one.failed = false;
    one.tries = 0;
    clearTimeout(this.pausing);
    this.pausing = null;
    this.pump();
  }

  take(clientId) {
    const one = this.waiting.find((each) => each.clientId === clientId);
    this.waiting = this.waiting.filter((each) => each !== one);
    this.unsent.forget(clientId);
    this.thread.remove(clientId);
    return one ? one.text : "";
  }
}

class Page {
  constructor() {
    this.limit = 10000;
    this.text = byId("text");
    this.thread = new Thread(
      {
        scroll: byId("scroll"), messages: byId("messages"), empty: byId("empty"),
        waiting: byId("waiting"), closing: byId("closing"), newer: byId("newer"),
      },
      {
        retry: (clientId) => { this.outbox.retry(clientId); this.text.focus(); },
        edit: (clientId) => this.edit(clientId),
        unread: (count) => this.unread(count),
      },
    );
    byId("composer").addEventListener("submit", (event) => { event.preventDefault(); this.send(); });
    this.text.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      this.send();
    });
    this.text.addEventListener("input", () => this.typed());
    addEventListener("focus", () => { if (this.thread.atEnd()) this.thread.seen(); });
    if (embedded) this.embed();
    this.typed();
  }

  embed() {
    document.body.classList.add("embedded");
    byId("close").hidden = false;
    byId("close").addEventListener("click", () => this.tell("close"));
    addEventListener("keydown", (event) => { if (event.key === "Escape" && !event.isComposing) this.tell("close"); });
    addEventListener("message", (event) => {
      if (event.source !== window.parent || !event.data || event.data.source !== "cairnloop-host") return;
      if (event.data.type === "token" && typeof event.data.token === "string") this.token(event.data.token);
      if (event.data.type === "focus") this.text.focus();
    });
  }

  // Tells the page around us what it needs to draw its button; never anything that was written.
  tell(type, more) {
    if (embedded) window.parent.postMessage({ source: "cairnloop-chat", type, ...more }, "*");
  }

  begin() {
    const token = takeToken();
    this.tell("ready");
    if (token) this.start(token);
    else if (embedded) this.lonely = setTimeout(() => this.end({ code: "no_token" }), PARENT_MS);
    else this.end({ code: "no_token" });
  }

  token(token) {
    clearTimeout(this.lonely);
    keepToken(token);
    if (!this.connection) this.start(token);
    else if (this.connection.token !== token) {
      this.wall(false);
      this.state("connecting");
      this.connection.renew(token);
    }
  }

  start(token) {
    this.wall(false);
    this.unsent = new Unsent(token);
    this.connection = new Connection(token, {
      frame: (frame) => this.hear(frame),
      place: () => this.place(),
      away: () => { this.state("reconnecting"); this.outbox.away(); },
      lost: () => { this.thread.conversation = null; this.thread.reset(); },
      end: (refusal) => this.end(refusal),
    });
    this.outbox = new Outbox(this.unsent, this.thread, this.connection);
    this.outbox.restore();
    this.state("connecting");
    this.connection.open();
    this.text.focus();
  }

  place() {
    if (this.thread.conversation === null) return {};
    return { conversation_id: this.thread.conversation, after: this.thread.cursor };
  }

  hear(frame) {
    switch (frame.type) {
      case "welcome": return this.welcome(frame);
      case "message": return this.shown(frame);
      case "accepted": return this.outbox.accepted(frame);
      case "conversation": return this.thread.enter(frame.conversation_id, frame.status);
      case "status": return this.thread.setStatus(frame.status);
      case "refused": return frame.client_id ? this.outbox.refused(frame) : this.note(frame);
      default: return undefined;
    }
  }

  welcome(frame) {
    this.limit = frame.limits.message_chars;
    this.unsent.settle(frame.scope);
    const same = frame.conversation_id === this.thread.conversation;
    if (!same || frame.after < this.thread.cursor) this.thread.reset();
    if (frame.conversation_id !== null && !same) this.thread.enter(frame.conversation_id, frame.status);
    else this.thread.setStatus(frame.status);
    if (frame.name) byId("hello").textContent = `Hello ${frame.name}. What can we help with?`;
    this.expected = frame.cursor;
    this.state("connected");
    this.note(null);
    clearTimeout(this.patience);
    if (frame.after >= frame.cursor) this.caughtUp();
    else this.patience = setTimeout(() => this.caughtUp(), HISTORY_MS);
    this.typed();
  }

  shown(frame) {
    this.thread.show(frame);
    if (this.expected !== null && frame.position >= this.expected) this.caughtUp();
  }

  // History first, then what is still to be sent: the order in which it was said.
  caughtUp() {
    clearTimeout(this.patience);
    this.expected = null;
    this.thread.goLive();
    this.outbox.restore();
    this.outbox.pump();
  }

  note(refusal) {
    const notice = byId("notice");
    notice.hidden = refusal === null;
    notice.textContent = refusal === null ? "" : refusal.message;
  }

  state(name) {
    byId("state").dataset.state = name;
    byId("state-text").textContent = STATES[name];
  }

  end(refusal) {
    this.state("ended");
    const [title, words] = WALLS[refusal.code] || WALLS.unauthorized;
    if (this.thread.byMessage.size || this.thread.mine.size) {
      this.note({ message: `${title}. ${words}` });
      byId("composer").hidden = true;
      return;
    }
    byId("wall-title").textContent = title;
    byId("wall-text").textContent = words;
    this.wall(true);
    byId("wall").focus();
  }

  wall(up) {
    byId("wall").hidden = !up;
    byId("composer").hidden = up;
    document.querySelector(".middle").hidden = up;
    if (!up) this.note(null);
  }

  send() {
    const text = wellFormed(this.text.value);
    this.text.focus();
    if (isBlank(text) || [...text].length > this.limit) return;
    this.text.value = "";
    this.typed();
    this.outbox.put(text);
  }

  edit(clientId) {
    const text = this.outbox.take(clientId);
    this.text.value = this.text.value ? `${text}\n${this.text.value}` : text;
    this.typed();
    this.text.focus();
  }

  typed() {
    const length = [...this.text.value].length;
    const left = this.limit - length;
    const count = byId("count");
    count.className = left < 0 ? "over" : "";
    count.textContent = left < 0 ? `${-left} too many` : left <= this.limit / 10 ? `${left} left` : "";
    byId("send").setAttribute("aria-disabled", String(left < 0 || isBlank(this.text.value)));
    this.text.style.height = "auto";
    this.text.style.height = `${this.text.scrollHeight}px`;
  }

  unread(count) {
    document.title = count ? `(${count}) Support chat` : "Support chat";
    this.tell("unread", { count });
  }
}

new Page().begin();
