// The socket: says hello, notices when nobody answers, comes back by itself.

const PING_MS = 25000;
const SILENCE_MS = 20000;
const FIRST_PAUSE_MS = 400;
const LONGEST_PAUSE_MS = 20000;

// Close codes that mean: trying again unchanged cannot help.
const ENDS = new Map([
  [4400, "version_unsupported"],
  [4401, "unauthorized"],
  [4410, "token_expired"],
]);
const STRANGER = 4403;
const NOT_FOUND = 4404;

class Connection {
  constructor(token, on) {
    this.token = token;
    this.on = on;
    this.pause = FIRST_PAUSE_MS;
    this.welcomed = false;
    this.ended = false;
    addEventListener("online", () => this.now());
    addEventListener("offline", () => this.drop());
    document.addEventListener("visibilitychange", () => { if (!document.hidden) this.now(); });
  }

  open() {
    if (this.ended) return;
    clearTimeout(this.again);
    this.again = null;
    this.refusal = null;
    const address = new URL("ws", location.href);
    address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    address.hash = "";
    address.search = "";
    const socket = new WebSocket(address);
    this.socket = socket;
    this.expect(SILENCE_MS);
    socket.onopen = () => this.say({ type: "hello", v: 1, token: this.token, ...this.on.place() });
    socket.onmessage = (event) => { if (this.socket === socket) this.hear(event.data); };
    socket.onclose = (event) => { if (this.socket === socket) this.closed(event.code); };
  }

  say(frame) {
    if (!this.socket || this.socket.readyState !== WebSocket.OPEN) return false;
    this.socket.send(JSON.stringify(frame));
    return true;
  }

  // A fresh token for the same customer; on a socket that is open it only renews.
  renew(token) {
    this.token = token;
    if (this.ended) {
      this.ended = false;
      this.open();
    } else if (this.welcomed) {
      this.say({ type: "hello", v: 1, token });
    } else {
      this.now();
    }
  }

  // Do not wait for the pause to end.
  now() {
    if (this.again === null || this.again === undefined) return;
    this.pause = FIRST_PAUSE_MS;
    this.open();
  }

  // The socket is of no use any more, whatever it believes.
  drop() {
    const socket = this.socket;
    if (!socket || this.ended) return;
    this.socket = null;
    socket.onclose = null;
    socket.close();
    this.closed(1006);
  }

  hear(data) {
    let frame;
    try {
      frame = JSON.parse(data);
    } catch {
      return;
    }
    this.expect(PING_MS + SILENCE_MS);
    this.listen();
    if (frame.type === "welcome") {
      this.welcomed = true;
      this.pause = FIRST_PAUSE_MS;
    }
    if (frame.type === "refused" && !frame.client_id) this.refusal = frame;
    if (frame.type === "draining") this.refusal = frame;
    this.on.frame(frame);
  }

  // A dead connection says nothing: silence after a ping is how it shows.
  expect(ms) {
    clearTimeout(this.silence);
    this.silence = setTimeout(() => this.drop(), ms);
  }

  listen() {
    clearTimeout(this.pinging);
    this.pinging = setTimeout(() => this.say({ type: "ping" }), PING_MS);
  }

  closed(code) {
    clearTimeout(this.silence);
    clearTimeout(this.pinging);
    this.socket = null;
    this.welcomed = false;
    const refusal = this.refusal;
    if (code === STRANGER) {
      location.reload();
      return;
    }
    if (ENDS.has(code)) {
      this.ended = true;
      this.on.end(refusal || { code: ENDS.get(code), message: "" });
      return;
    }
    if (code === NOT_FOUND) this.on.lost();
    this.on.away();
    const asked = refusal && refusal.retry_after ? refusal.retry_after * 1000 : 0;
    const wait = Math.max(asked, this.pause) * (0.5 + Math.random());
    this.pause = Math.min(LONGEST_PAUSE_MS, this.pause * 2);
    clearTimeout(this.again);
    this.again = setTimeout(() => this.open(), wait);
  }
}
