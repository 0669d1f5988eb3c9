"use strict";
// From the embedded text to typed arrays, and the indexes over them that everything else asks.
// No event is ever an object: a row is a number, and its fields are looked up in the columns.

// The kinds of rows: docs/trace-format.md has their numbers. 0 stands for missing events.
const GAP = 0,
  TURN_BEGAN = 1,
  READY = 2,
  LISTENER_READY = 3,
  WOKEN = 4,
  VISIT = 5,
  RECEIVED = 6,
  SERVED = 7,
  SENT = 8,
  SETTLED = 9,
  STALLED = 10,
  RESUMED = 11,
  TIMER_ARMED = 12,
  TIMER_FIRED = 13,
  TIMERS_MOVED = 14,
  ACCEPTED = 15,
  NOT_ACCEPTED = 16,
  REFUSED = 17,
  SHED = 18,
  FIN_SENT = 19,
  CLOSED = 20,
  TABLE_REPLACED = 21,
  TABLE_KEPT = 22,
  ZONE_REPLACED = 23,
  DRAIN = 24,
  TURN_ENDED = 25,
  RECORDING = 26,
  PROXY_HEADER = 27,
  // No row has it: payload is the text of the call before.
  PAYLOAD = 28;

// The state of a connection: the input in bits 0 and 1, the output from bit 2 on. Two more:
const UNKNOWN = 255,
  GONE = 254;
const INPUT = { OPEN: 0, STALLED: 1, LINGER: 2, ENDED: 3 };
const OUTPUT = { OPEN: 0, PRODUCING: 1, CLOSING: 2, FIN_SENT: 3, ABORTING: 4, FAILED: 5 };

async function inflate(base64) {
  const deflated = Uint8Array.fromBase64
    ? Uint8Array.fromBase64(base64)
    : Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  const stream = new Blob([deflated]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  return new Response(stream).arrayBuffer();
}

// The columns of one recording by name, each an array over the inflated bytes themselves.
function columns(buffer, layout, rows) {
  const found = {};
  let offset = 0;
  for (const [name, size] of layout) {
    found[name] =
      size === 4 ? new Uint32Array(buffer, offset, rows) : new Uint8Array(buffer, offset, rows);
    offset += size * rows;
  }
  return found;
}

// Nanoseconds since the first row. 2^53 of them are a hundred days, so a double is exact.
function timesOf({ dt, dh }) {
  const time = new Float64Array(dt.length);
  let now = 0;
  for (let row = 0; row < dt.length; row++) {
    now += dt[row] + dh[row] * 4294967296;
    time[row] = now;
  }
  return time;
}

// A number that was embedded as its lower half: the one with that half that is nearest to `base`.
const whole = (low, base) => base + ((low - (base % 4294967296)) | 0);

// Everything that is known of a recording.
function makeTrace(about, buffer, layout) {
  const trace = { about, n: about.rows, ...columns(buffer, layout, about.rows) };
  trace.time = timesOf(trace);
  trace.span = trace.n ? trace.time[trace.n - 1] : 0;
  indexTurns(trace);
  indexConnections(trace);
  followConnections(trace);
  indexCauses(trace);
  const isSpecial = new Uint8Array(64);
  for (const kind of [
    ACCEPTED,
    NOT_ACCEPTED,
    REFUSED,
    SHED,
    WOKEN,
    DRAIN,
    GAP,
    RECORDING,
    TABLE_REPLACED,
    TABLE_KEPT,
    ZONE_REPLACED,
  ]) {
    isSpecial[kind] = 1;
  }
  trace.special = rowsWhere(trace, (row) => isSpecial[trace.kind[row]] === 1);
  trace.pauses = pausesOf(trace);
  return trace;
}

// The rows of which `is` holds. `from` with a function would walk an iterator: ten times as slow.
function rowsWhere({ n }, is) {
  const rows = new Int32Array(n);
  let count = 0;
  for (let row = 0; row < n; row++) if (is(row)) rows[count++] = row;
  return rows.slice(0, count);
}

// What a column has at each of some rows.
function gather(rows, values) {
  const found = new Float64Array(rows.length);
  for (let index = 0; index < rows.length; index++) found[index] = values[rows[index]];
  return found;
}

// The turns: where each begins and ends, and sums that tell how busy the loop was between two.
function indexTurns(trace) {
  const { n, kind, time } = trace;
  const first = rowsWhere(trace, (row) => kind[row] === TURN_BEGAN);
  const count = first.length;
  const last = new Int32Array(count),
    busy = new Float64Array(count + 1),
    visits = new Float64Array(count + 1);
  for (let turn = 0; turn < count; turn++) {
    const limit = turn + 1 < count ? first[turn + 1] : n;
    let row = limit - 1;
    // What comes between two turns, such as a signal, belongs to neither.
    while (row > first[turn] && kind[row] !== TURN_ENDED) row--;
    if (row === first[turn]) row = limit - 1;
    last[turn] = row;
    busy[turn + 1] = busy[turn] + time[row] - time[first[turn]];
    visits[turn + 1] = visits[turn] + (kind[row] === TURN_ENDED ? trace.a[row] : 0);
  }
  const begin = gather(first, time),
    end = gather(last, time);
  const took = new Float64Array(count),
    queued = new Float64Array(count);
  for (let turn = 0; turn < count; turn++) {
    took[turn] = end[turn] - begin[turn];
    queued[turn] = kind[last[turn]] === TURN_ENDED ? trace.b[last[turn]] : 0;
  }
  trace.turns = { count, first, last, begin, end, took, queued, busy, visits };
}

// Rows in the order of their connections: `order`, and where each connection has its part of it.
function indexConnections(trace) {
  const { n, connection } = trace;
  const known = new Map(),
    lane = new Int32Array(n).fill(-1),
    counts = [];
  let least = Infinity,
    most = 0;
  for (let row = 0; row < n; row++) {
    const number = connection[row];
    if (number > most) most = number;
    if (number > 0 && number < least) least = number;
  }
  // Numbers that are near each other, as they mostly are, are looked up in an array.
  const near = most >= least && most - least < 1 << 24 ? new Int32Array(most - least + 1) : null;
  for (let row = 0; row < n; row++) {
    const number = connection[row];
    if (number === 0) continue;
    let index = near ? near[number - least] - 1 : (known.get(number) ?? -1);
    if (index < 0) {
      index = counts.length;
      known.set(number, index);
      if (near) near[number - least] = index + 1;
      counts.push(0);
    }
    lane[row] = index;
    counts[index]++;
  }
  const from = new Int32Array(counts.length + 1);
  counts.forEach((count, index) => {
    from[index + 1] = from[index] + count;
  });
  const order = new Int32Array(from[counts.length]),
    place = new Int32Array(n).fill(-1),
    next = from.slice();
  for (let row = 0; row < n; row++) {
    if (lane[row] < 0) continue;
    place[row] = next[lane[row]]++;
    order[place[row]] = row;
  }
  trace.laneOf = lane;
  trace.order = order;
  trace.place = place;
  trace.placeTime = gather(order, trace.time);
  trace.connections = [...known].map(([number, index]) => ({
    number,
    from: from[index],
    to: from[index + 1],
    name: trace.about.names[number] ?? "",
    unsent: 0,
    unparsed: 0,
    begin: trace.placeTime[from[index]],
    end: trace.placeTime[from[index + 1] - 1],
  }));
  trace.byNumber = known;
}

// What each connection's state is behind each of its rows, and how much waits in its buffers.
function followConnections(trace) {
  const { order, kind, x, a, b, c } = trace;
  const state = new Uint8Array(order.length),
    unsent = new Uint32Array(order.length),
    unparsed = new Uint32Array(order.length);
  for (const connection of trace.connections) {
    let now = UNKNOWN,
      output = 0,
      input = 0;
    for (let place = connection.from; place < connection.to; place++) {
      const row = order[place];
      switch (kind[row]) {
        case ACCEPTED:
          now = 0;
          connection.name ||= textOf(trace, row).split("\n")[0];
          break;
        case RECEIVED:
          input += b[row];
          now = x[row] === 4 ? afterFin(now) : now;
          break;
        case SERVED:
          input = b[row];
          output += c[row];
          break;
        case SENT:
          output = b[row];
          break;
        case SETTLED:
          now = x[row];
          input = a[row];
          output = b[row];
          break;
        case STALLED:
          now = now === UNKNOWN ? INPUT.STALLED : (now & ~3) | INPUT.STALLED;
          output = b[row];
          break;
        case RESUMED:
          now = now === UNKNOWN ? INPUT.OPEN : (now & ~3) | INPUT.OPEN;
          output = b[row];
          break;
        case FIN_SENT:
          now = INPUT.LINGER | (OUTPUT.FIN_SENT << 2);
          break;
        case CLOSED:
          now = GONE;
          input = 0;
          output = 0;
          break;
      }
      state[place] = now;
      unsent[place] = output;
      unparsed[place] = input;
      if (output > connection.unsent) connection.unsent = output;
      if (input > connection.unparsed) connection.unparsed = input;
    }
  }
  Object.assign(trace, { state, unsent, unparsed });
}

// The state after the peer's FIN, as `State::peer_fin` has it.
function afterFin(state) {
  if (state === UNKNOWN || state === GONE) return state;
  if (state === 0) return INPUT.ENDED | (OUTPUT.CLOSING << 2);
  const input = state & 3;
  return input === INPUT.OPEN || input === INPUT.LINGER ? (state & ~3) | INPUT.ENDED : state;
}

// Where the event with a number is. Numbers only grow, so a search by halves finds them.
function indexCauses(trace) {
  const { kind, y, cause } = trace;
  const rows = rowsWhere(
    trace,
    (row) =>
      kind[row] === ACCEPTED || kind[row] === TIMER_FIRED || (kind[row] === READY && !y[row]),
  );
  trace.causeRows = rows;
  trace.causeNumbers = new Float64Array(rows.length);
  for (let index = 0; index < rows.length; index++)
    trace.causeNumbers[index] = whole(cause[rows[index]], trace.about.causes);
}

// From when to when no client was accepted, though some may have waited.
function pausesOf({ special, kind, x, time, n }) {
  const pauses = [];
  let since = -1;
  for (const row of special) {
    if (kind[row] === NOT_ACCEPTED && x[row] >= 3) {
      if (since < 0) since = row;
    } else if ((kind[row] === ACCEPTED || kind[row] === DRAIN) && since >= 0) {
      pauses.push({ row: since, from: time[since], to: time[row] });
      since = -1;
    }
  }
  if (since >= 0) pauses.push({ row: since, from: time[since], to: time[n - 1] });
  return pauses;
}

const textOf = (trace, row) => (trace.text[row] ? trace.about.texts[trace.text[row] - 1] : "");
