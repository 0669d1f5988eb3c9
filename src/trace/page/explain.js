// Why an event happened and what it leads to, for somebody who learns what an event loop does.

// The six words without which nothing here can be understood.
const GLOSSARY = [
  [
    "turn",
    "One round of the loop. epoll_wait returns events; the loop visits the connections that they name; then it asks again.",
  ],
  [
    "visit",
    "What the loop does for one connection in a turn: read, serve, send. A visit has a budget, so that no client keeps the others waiting.",
  ],
  [
    "readiness",
    "The kernel's word that a call would do something now: bytes wait (readable), or there is room to send (writable). It tells once, so the loop remembers it until a call shows that it is over.",
  ],
  [
    "would block",
    "The answer EAGAIN: there is nothing to read, or no room to send. The loop never waits there. It goes on to the next connection, and an event tells when there is more.",
  ],
  [
    "stalled",
    "Requests of a connection wait, and nothing more is read from it: it has had its share of the turn, or the peer does not take its replies. TCP then slows the peer down.",
  ],
  [
    "queue",
    "Connections that still have work when their visit ends. They wait for a visit in the next turn, which does not sleep until there is none.",
  ],
];

const RECV_WHY = [
  "Fewer bytes came than there was room for, so the kernel's queue is empty now. The loop need not ask again: an event will tell of more.",
  "The buffer was filled, so there may be more in the kernel. The connection keeps its readiness, and is visited again if its budget is used up.",
  "EAGAIN: nothing was there. The readiness is over; the connection waits for the next event.",
  "EINTR: a signal came first. Nothing is lost; the call is repeated in another visit.",
  "0 bytes: the peer sent FIN, and sends no more. What it asked before is still answered.",
  "The connection is broken: the kernel reports an error instead of bytes.",
];
const SEND_WHY = [
  "The kernel took all of it. Nothing waits for this peer any more.",
  "A short write: the kernel's send buffer is full, as the peer does not read fast enough. The rest waits in the connection, and an event of the kind writable tells when there is room.",
  "512 KiB were sent in this visit. There may be room for more, but other connections have their turn first.",
  "EINTR: a signal came first. The rest is sent in another visit.",
  "The connection is broken: no byte can be sent any more.",
];
const QUEUED_WHY = [
  "Nothing is left to do now. The connection waits for an event, or for its timer.",
  "It is queued: more bytes may wait in the kernel, but its share of this turn is used up.",
  "It is queued: output waits, and there is room in the kernel.",
  "It is queued: requests that were read wait to be served in the next turn.",
];

function why(trace, row) {
  const { kind, x, y, a, b } = trace;
  switch (kind[row]) {
    case GAP:
      return "The ring was full, and newer events took the place of these. What is drawn here is what the events after them tell.";
    case TURN_BEGAN:
      return a[row] === 0
        ? "epoll_wait returned without an event: a timer was due, or work was left from the turn before."
        : "epoll_wait returned. The loop notes all events first, then visits the connections that they name.";
    case READY:
      return y[row]
        ? "The event was on its way when the connection closed. Its token has an old generation, so nobody gets it."
        : "The kernel reports readiness once. The loop adds it to what it knows of the socket, and queues the connection for a visit in this turn.";
    case LISTENER_READY:
      return "A client's handshake is complete, and it waits in the backlog. The loop accepts after it has served those who came before.";
    case WOKEN:
      return "A signal or a message of another thread woke the loop, not a socket.";
    case VISIT:
      return [
        "The connection was just accepted. Its first request may have come already.",
        "Its socket is ready for something that it wants, or work was left from the turn before.",
        "Its deadline has passed: the visit tells the connection so.",
      ][x[row]];
    case RECEIVED:
      return RECV_WHY[x[row]];
    case SERVED:
      return a[row] === 0
        ? "No request was complete. What came is kept, or a reply was made without one."
        : "The bytes were cut into requests, and each was answered into the output buffer. Nothing is sent yet: first the other connections of the batch are read.";
    case SENT:
      return x[row] === 1 && a[row] === 0
        ? "EAGAIN: the kernel's send buffer is full, as the peer does not read. All of it waits in the connection, and an event of the kind writable tells when there is room."
        : SEND_WHY[x[row]];
    case SETTLED:
      return QUEUED_WHY[trace.z[row] >> 3];
    case STALLED:
      return x[row] === 0
        ? "This visit has done its share of work. The requests that are left wait for the next turn, so that other connections have theirs."
        : "So much output waits that no more is made: memory stays bounded, however slowly the peer reads.";
    case RESUMED:
      return "The reason to wait is over: the connection reads and serves requests again.";
    case TIMER_ARMED:
      return "Every state has a deadline, so no silent client keeps its place for ever. The timer is set again only if the deadline came nearer.";
    case TIMER_FIRED:
      return "Nothing happened in time.";
    case TIMERS_MOVED:
      return "A timer is not moved each time a client does something: when it fires, the loop looks whether the deadline has passed.";
    case ACCEPTED:
      return "accept4 brought a connection. It takes a place in the table and is registered with epoll.";
    case NOT_ACCEPTED:
      return [
        "EAGAIN: the backlog is empty. This is how the loop learns that it has accepted all.",
        "The client gave up while it waited in the backlog.",
        "EINTR: a signal came first.",
        "All places are taken. Clients wait in the kernel's backlog until a connection closes.",
        "The process has no descriptor left, or the system no memory. The loop tries again in a second, or when a connection closes.",
      ][x[row]];
    case REFUSED:
      return "The client was accepted and closed at once with RST: a rule forbids it.";
    case PROXY_HEADER:
      return "The connection came from a proxy, whose header is complete: from now on the client's address counts. What came before was held back.";
    case SHED:
      return "Buffers have reached their common limit. The newest connections that hold memory are closed, so that the others can go on.";
    case FIN_SENT:
      return "All output was sent, and this side is closed. What the peer still sends is read and thrown away until its FIN comes: close with unread input would send RST, and RST can destroy the reply.";
    case CLOSED:
      return x[row]
        ? "Closed with RST: the peer must not take a part of a reply for the whole."
        : "The connection is over, and its place is free.";
    case DRAIN:
      return "The server stops: it serves what has come, and closes what is idle.";
    case TURN_ENDED:
      return x[row] === 0
        ? `${counted(b[row], "connection")} still had work, or clients may wait: the next epoll_wait does not sleep.`
        : x[row] === 3
          ? "The loop ends."
          : "Nothing is left to do: the next epoll_wait sleeps until an event comes or a timer is due.";
    case RECORDING:
      return "Recording was switched on. What happened before is not in the trace.";
    default:
      return "";
  }
}

// The system call of an event, as strace would print it; empty if there is none.
function callOf(trace, row) {
  const { kind, x, a, b, c } = trace;
  const failed = (errno) => `-1 (errno ${errno})`;
  switch (kind[row]) {
    case TURN_BEGAN:
      return `epoll_wait(…) = ${counted(a[row], "event")}`;
    case RECEIVED:
      return `recv(fd, buf, ${a[row]}) = ${[b[row], b[row], "-1 EAGAIN", "-1 EINTR", 0, failed(c[row])][x[row]]}`;
    case SENT:
      return `send(fd, buf, ${a[row] + b[row]}) = ${x[row] === 4 ? failed(c[row]) : a[row] || (x[row] === 3 ? "-1 EINTR" : x[row] === 1 ? "-1 EAGAIN" : 0)}`;
    case ACCEPTED:
      return "accept4(listener) = fd";
    case NOT_ACCEPTED:
      return `accept4(listener) = ${["-1 EAGAIN", "-1 ECONNABORTED", "-1 EINTR", "not called", "-1 EMFILE or alike"][x[row]]}`;
    case FIN_SENT:
      return "shutdown(fd, SHUT_WR) = 0";
    case CLOSED:
      return x[row] ? "close(fd) with SO_LINGER 0: RST" : "close(fd) = 0";
    default:
      return "";
  }
}
