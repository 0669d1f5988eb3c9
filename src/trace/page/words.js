// An event in words. The sentences are those of `readyc trace`; its tables of words come from the
// same functions, so that a reason is called the same everywhere.

const counted = (count, noun) => `${count} ${noun}${count === 1 ? "" : "s"}`;

// A duration with a unit that fits, as in the text.
function duration(nanos) {
  if (nanos < 1000) return `${Math.round(nanos)} ns`;
  const [unit, name] = nanos < 1e6 ? [1e3, "us"] : nanos < 1e9 ? [1e6, "ms"] : [1e9, "s"];
  return `${Math.floor(nanos / unit)}.${Math.floor((nanos % unit) / (unit / 10))} ${name}`;
}

const SIZES = [
  ["MiB", 1048576],
  ["KiB", 1024],
];
function size(bytes) {
  for (const [name, unit] of SIZES) {
    if (bytes >= unit) return `${(bytes / unit).toFixed(bytes >= 10 * unit ? 0 : 1)} ${name}`;
  }
  return `${bytes} B`;
}

const grouped = (number) => String(number).replace(/\B(?=(\d{3})+$)/g, ",");

// Seconds of the recording's clock with nine decimals. Whole nanoseconds have to be split first: a
// double holds them, but not their quotient.
function seconds(trace, row) {
  const nanos = trace.about.start + trace.time[row];
  return `${Math.floor(nanos / 1e9)}.${String(Math.floor(nanos % 1e9)).padStart(9, "0")}`;
}

const numberOfCause = (trace, row) => whole(trace.cause[row], trace.about.causes);
const numberOfRequest = (trace, row) =>
  trace.request[row] === 0 ? 0 : whole(trace.request[row], trace.about.requests);
const causeNamed = (trace, row) => (trace.cause[row] === 0 ? 0 : numberOfCause(trace, row));
const wide = (low, high) => low + high * 4294967296;

// What happened, without the connection.
function sentence(trace, row) {
  const { kind, x, y, z, a, b, c } = trace;
  const words = about.words,
    peer = () => textOf(trace, row).split("\n")[0];
  switch (kind[row]) {
    case GAP:
      return "events are missing here: they were overwritten";
    case TURN_BEGAN:
      return `turn: ${counted(a[row], "event")} after ${duration(wide(b[row], c[row]))}`;
    case READY:
      return (
        (y[row]
          ? "stale event, for a connection that is gone: "
          : `event ${numberOfCause(trace, row)}: `) + words.bits[x[row]]
      );
    case LISTENER_READY:
      return `listener ${a[row]}: a client waits`;
    case WOKEN:
      return words.signal[x[row]];
    case VISIT:
      return `visit: ${words.visit[x[row]]}`;
    case RECEIVED:
      return `recv ${b[row]} of ${counted(a[row], "byte")}: ${words.recv[x[row]]}${x[row] === 5 ? c[row] : ""}`;
    case SERVED:
      return (
        `served ${counted(a[row], "request")}${a[row] ? ` (the last is ${numberOfRequest(trace, row)})` : ""}` +
        `, reply of ${counted(c[row], "byte")}, kept ${counted(b[row], "byte")}; of event ${causeNamed(trace, row)}`
      );
    case SENT:
      return (
        `send ${a[row]} of ${counted(a[row] + b[row], "byte")}: ${words.send[x[row]]}${x[row] === 4 ? c[row] : ""}` +
        named(numberOfRequest(trace, row), causeNamed(trace, row))
      );
    case SETTLED:
      return (
        `${words.queued[z[row] >> 3]}; input ${words.input[x[row] & 3]}, output ${words.output[x[row] >> 2]}` +
        `; kept ${a[row]} in, ${b[row]} out; work ${c[row]}`
      );
    case STALLED:
      return `stalled: ${words.stall[x[row]]}; ${counted(b[row], "byte")} to send`;
    case RESUMED:
      return `resumed; ${counted(b[row], "byte")} to send`;
    case TIMER_ARMED:
      return `timer for the ${words.deadline[x[row]]} in ${duration(wide(a[row], b[row]))}`;
    case TIMER_FIRED:
      return `event ${numberOfCause(trace, row)}: the ${words.deadline[x[row]]} has passed`;
    case TIMERS_MOVED:
      return `${counted(a[row], "timer")} set again: the deadline had moved`;
    case ACCEPTED:
      return `event ${numberOfCause(trace, row)}: accepted from listener ${a[row]}: ${peer()}, ${b[row]} open`;
    case NOT_ACCEPTED:
      return `listener ${a[row]}: ${words.notAccepted[x[row]]}`;
    case REFUSED:
      return `rejected: ${peer()}, ${words.refused[x[row]]}`;
    case PROXY_HEADER:
      return `PROXY header: the peer is ${peer()}`;
    case SHED:
      return `the memory limit is reached: ${counted(a[row], "connection")} shed`;
    case FIN_SENT:
      return "FIN sent";
    case CLOSED:
      return (
        `closed: ${words.reason[y[row]]}${x[row] ? ", with RST" : ""}` +
        (a[row] ? `, ${counted(a[row], "byte")} of output dropped` : "")
      );
    case TABLE_REPLACED:
      return `another table: ${counted(wide(a[row], b[row]), "key")}`;
    case TABLE_KEPT:
      return "the table could not be loaded; the old one stays";
    case ZONE_REPLACED:
      return "the time zone was read again";
    case DRAIN:
      return `drain: ${words.drain[x[row]]}`;
    case TURN_ENDED:
      return `turn ends: ${counted(a[row], "visit")}, ${b[row]} queued; next: ${nextWords(trace, row)}`;
    default:
      return "recording begins";
  }
}

// Of other programs, requests are not known, nor every cause.
function named(request, cause) {
  const known = [request ? `request ${request}` : "", cause ? `event ${cause}` : ""].filter(Boolean);
  return known.length ? `; ${known.join(", ")}` : "";
}

function nextWords({ x, c, request }, row) {
  switch (x[row]) {
    case 0:
      return "looks for events at once";
    case 1:
      return `waits, at most ${duration(wide(c[row], request[row]))}`;
    case 2:
      return "waits";
    default:
      return "stops";
  }
}

// The line of `readyc trace`, as a test compares it.
function line(trace, row) {
  const number = trace.connection[row],
    kind = trace.kind[row];
  if (kind === GAP) return `... ${sentence(trace, row).replace(" here", "")}`;
  const indent = number
    ? `   #${number} `
    : kind === TURN_BEGAN || kind === TURN_ENDED || kind === RECORDING
      ? " "
      : "   ";
  return seconds(trace, row) + indent + sentence(trace, row);
}

// The state of both directions, as ARCHITECTURE.md names it.
const INPUT_NAMES = ["Open", "Stalled", "LingerRead", "Ended"];
const OUTPUT_NAMES = ["Open", "Producing", "Closing", "FinSent", "Aborting", "Failed"];
function stateName(state) {
  if (state === UNKNOWN) return "unknown";
  if (state === GONE) return "closed";
  return `${INPUT_NAMES[state & 3]}_${OUTPUT_NAMES[state >> 2]}`;
}

// The states that lanes are coloured by, and what a legend says of them.
const LOOKS = {
  open: "open: reads requests, sends replies",
  producing: "producing: sends without being asked",
  stalled: "stalled: requests have to wait",
  closing: "closing: sends what waits, then FIN",
  fin: "FIN sent: waits for the peer's",
  broken: "failed or aborted",
  unknown: "not known yet",
};
function lookOf(state) {
  if (state === UNKNOWN) return "unknown";
  if (state === GONE) return "";
  if ((state & 3) === INPUT.STALLED) return "stalled";
  return ["open", "producing", "closing", "fin", "broken", "broken"][state >> 2];
}

const KIND_NAMES = [
  "missing events",
  "turn begins",
  "event",
  "listener ready",
  "signal",
  "visit",
  "recv",
  "served",
  "send",
  "visit ends",
  "stalled",
  "resumed",
  "timer set",
  "timer fired",
  "timers moved",
  "accepted",
  "not accepted",
  "rejected",
  "shed",
  "FIN sent",
  "closed",
  "table replaced",
  "table kept",
  "time zone",
  "drain",
  "turn ends",
  "recording",
];
