// The conversation on the page: one node for each message, in the server's order, unsent ones last.

const JOINED_MS = 5 * 60 * 1000;
const clockTime = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const calendarDay = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });

function make(tag, name, text) {
  const node = document.createElement(tag);
  if (name) node.className = name;
  if (text !== undefined) node.textContent = text;
  return node;
}

function dayOf(moment) {
  const today = new Date();
  const yesterday = new Date(today);
  yesterday.setDate(today.getDate() - 1);
  if (moment.toDateString() === today.toDateString()) return "Today";
  if (moment.toDateString() === yesterday.toDateString()) return "Yesterday";
  return calendarDay.format(moment);
}

class Thread {
  constructor(parts, on) {
    this.parts = parts;
    this.on = on;
    this.byMessage = new Map();
    this.mine = new Map();
    this.conversation = null;
    this.cursor = 0;
    this.status = null;
    this.unread = 0;
    parts.scroll.addEventListener("scroll", () => { if (this.atEnd()) this.seen(); }, { passive: true });
    parts.newer.addEventListener("click", () => this.toEnd());
    new ResizeObserver(() => { if (this.stuck) this.toEnd(); }).observe(parts.scroll);
    this.stuck = true;
  }

  // What the server shows ----------------------------------------------------------------------

  // The server starts over: what was shown may be of rows that are gone.
  reset() {
    for (const node of [...this.parts.messages.children]) {
      if (!node.dataset.clientId || node.dataset.messageId) node.remove();
    }
    for (const [clientId, node] of this.mine) if (!node.isConnected) this.mine.delete(clientId);
    this.byMessage.clear();
    this.cursor = 0;
    this.refresh();
  }

  enter(conversationId, status) {
    if (this.conversation !== null && this.conversation !== conversationId && this.byMessage.size) {
      this.place(make("p", "break", "New conversation"));
    }
    this.conversation = conversationId;
    this.cursor = 0;
    this.setStatus(status);
  }

  setStatus(status) {
    this.status = status;
    this.refresh();
  }

  show(frame) {
    this.cursor = Math.max(this.cursor, frame.position);
    if (this.byMessage.has(frame.message_id)) return;
    const moment = new Date(frame.at);
    const own = frame.role === "customer" ? this.ownNode(frame) : null;
    const node = own || this.build(frame.role, frame.author, frame.text);
    node.dataset.messageId = String(frame.message_id);
    this.byMessage.set(frame.message_id, node);
    this.mark(node, "sent", moment);
    if (!own || node !== this.firstUnsent(node)) this.place(node);
    this.arrange(node, moment);
    if (node.acceptedAs) this.mine.delete(node.dataset.clientId);
    if (frame.role !== "customer") this.arrived(frame);
    this.refresh();
  }

  // The node of our own message: accepted under this id, or (its acceptance was lost with the
  // connection) not accepted yet and with these words.
  ownNode(frame) {
    for (const node of this.mine.values()) {
      if (node.acceptedAs === frame.message_id) return node;
    }
    for (const node of this.mine.values()) {
      if (!node.acceptedAs && !node.dataset.messageId && node.words === frame.text) return node;
    }
    return null;
  }

  // What the customer writes -------------------------------------------------------------------

  write({ clientId, text }) {
    const node = this.build("customer", "You", text);
    node.dataset.clientId = clientId;
    node.words = text;
    this.mine.set(clientId, node);
    this.parts.messages.append(node);
    this.mark(node, "sending");
    this.refresh();
    this.toEnd();
  }

  accepted({ client_id: clientId, message_id: messageId }) {
    const node = this.mine.get(clientId);
    if (!node) return;
    this.mine.delete(clientId);
    const shown = this.byMessage.get(messageId);
    if (shown && shown !== node) {
      // The same message came by another way (a reconnect, another tab): one of them is enough.
      if (!node.dataset.messageId) node.remove();
    } else if (!shown && node.dataset.messageId) {
      // It had been taken for another message with the same words; that one stays as it is.
      delete node.dataset.clientId;
      this.write({ clientId, text: node.words });
      this.accepted({ client_id: clientId, message_id: messageId });
      return;
    } else {
      node.acceptedAs = messageId;
      if (!shown) this.mine.set(clientId, node);
      this.mark(node, "sent", new Date());
    }
    this.refresh();
  }

  waitingToSend(clientId, why) {
    const node = this.mine.get(clientId);
    if (node && !node.dataset.messageId) this.mark(node, "waiting", null, why);
  }

  sending(clientId) {
    const node = this.mine.get(clientId);
    if (node && !node.dataset.messageId) this.mark(node, "sending");
  }

  failed(clientId, why) {
    const node = this.mine.get(clientId);
    if (!node) return;
    this.mark(node, "failed", null, why);
    this.refresh();
  }

  remove(clientId) {
    const node = this.mine.get(clientId);
    this.mine.delete(clientId);
    if (node && !node.dataset.messageId) node.remove();
    this.refresh();
  }

  // Nodes --------------------------------------------------------------------------------------

  build(role, author, text) {
    const node = make("div", `message ${role === "customer" ? "mine" : role}`);
    const bubble = make("p", "bubble", text);
    bubble.dir = "auto";
    node.append(make("span", "who", author), bubble, make("p", "meta"));
    return node;
  }

  mark(node, state, moment, why) {
    node.dataset.state = state;
    const meta = node.querySelector(".meta");
    const mine = node.classList.contains("mine");
    meta.replaceChildren();
    if (state === "sent") {
      const time = make("time", "", clockTime.format(moment));
      time.dateTime = moment.toISOString();
      if (mine) meta.append(make("span", "", "✓ Sent"));
      meta.append(time);
      return;
    }
    const words = { sending: "Sending…", waiting: why, failed: `✗ Not sent. ${why}` }[state];
    meta.append(make("span", "", words));
    if (state === "failed") meta.append(this.button("Retry", node, this.on.retry), this.button("Edit", node, this.on.edit));
  }

  button(label, node, act) {
    const button = make("button", "", label);
    button.type = "button";
    button.addEventListener("click", () => act(node.dataset.clientId));
    return button;
  }

  firstUnsent(except) {
    return [...this.parts.messages.children].find(
      (node) => node === except || (node.dataset.clientId && !node.dataset.messageId),
    ) || null;
  }

  place(node) {
    const stay = this.atEnd();
    this.parts.messages.insertBefore(node, this.firstUnsent());
    if (stay) this.toEnd();
  }

  // Days, and who speaks: told once for messages that belong together.
  arrange(node, moment) {
    node.at = moment.getTime();
    let before = node.previousElementSibling;
    const day = dayOf(moment);
    if (this.day !== day) {
      this.day = day;
      this.parts.messages.insertBefore(make("p", "day", day), node);
      before = null;
    }
    const together = before && before.className.split(" ")[1] === node.className.split(" ")[1]
      && before.at && node.at - before.at < JOINED_MS;
    node.classList.toggle("joined", Boolean(together));
    if (together) before.classList.add("followed");
  }

  // The page around them -------------------------------------------------------------------------

  refresh() {
    const { messages, empty, waiting, closing } = this.parts;
    const last = messages.lastElementChild;
    empty.hidden = Boolean(last);
    const ours = last && last.classList.contains("mine") && last.dataset.state === "sent";
    waiting.hidden = !(ours && this.status !== "resolved" && this.status !== "archived");
    closing.hidden = !(last && (this.status === "resolved" || this.status === "archived"));
    closing.textContent = this.status === "resolved"
      ? "This conversation is resolved. Write again if something is left."
      : "This conversation is closed. A new message starts another one.";
    if (this.stuck) this.toEnd();
  }

  arrived() {
    if (!this.live) return;
    if (!this.atEnd() && !this.stuck) this.parts.newer.hidden = false;
    if (document.hidden || !document.hasFocus()) this.unread += 1;
    this.on.unread(this.unread);
  }

  seen() {
    this.parts.newer.hidden = true;
    this.stuck = true;
    if (this.unread && !document.hidden && document.hasFocus()) {
      this.unread = 0;
      this.on.unread(0);
    }
  }

  // Screen readers are told of what arrives from now on, not of the whole past.
  goLive() {
    if (this.live) return;
    this.live = true;
    requestAnimationFrame(() => this.parts.messages.setAttribute("aria-live", "polite"));
  }

  atEnd() {
    const { scroll } = this.parts;
    this.stuck = scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < 48;
    return this.stuck;
  }

  toEnd() {
    const { scroll } = this.parts;
    scroll.scrollTop = scroll.scrollHeight;
    this.seen();
  }
}
