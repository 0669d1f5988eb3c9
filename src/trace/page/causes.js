// From an event to the one that it follows from, and to its neighbours.

// The row of the same connection before or behind a row; -1 if there is none.
function sameConnection(trace, row, step) {
  const lane = trace.laneOf[row];
  if (lane < 0) return -1;
  const { from, to } = trace.connections[lane];
  const place = trace.place[row] + step;
  return place >= from && place < to ? trace.order[place] : -1;
}

// The last row of the same connection before `row` that is of one of these kinds.
function lastOf(trace, row, ...kinds) {
  let before = sameConnection(trace, row, -1);
  while (before >= 0 && !kinds.includes(trace.kind[before]))
    before = sameConnection(trace, before, -1);
  return before;
}

// The turn that a row belongs to; -1 if it is between two.
function turnOf({ turns }, row) {
  const turn = lowerBound(turns.first, row + 1) - 1;
  return turn >= 0 && row <= turns.last[turn] ? turn : -1;
}

// The row whose event has a number; -1 if it is not in this recording.
function rowOfCause(trace, number) {
  const index = lowerBound(trace.causeNumbers, number);
  return trace.causeNumbers[index] === number ? trace.causeRows[index] : -1;
}

// The event from which an event follows; -1 if that is not known.
function causeOf(trace, row) {
  const { kind, turns } = trace;
  const inTurn = () => {
    const turn = turnOf(trace, row);
    return turn >= 0 ? turns.first[turn] : -1;
  };
  switch (kind[row]) {
    case TURN_BEGAN: {
      const turn = turnOf(trace, row);
      return turn > 0 ? turns.last[turn - 1] : -1;
    }
    case READY:
    case LISTENER_READY:
    case TURN_ENDED:
    case NOT_ACCEPTED:
    case REFUSED:
    case SHED:
      return inTurn();
    case ACCEPTED: {
      const turn = turnOf(trace, row);
      for (let at = turn >= 0 ? turns.first[turn] : row; at < row; at++) {
        if (kind[at] === LISTENER_READY && trace.a[at] === trace.a[row]) return at;
      }
      return inTurn();
    }
    case TIMER_FIRED:
      return lastOf(trace, row, TIMER_ARMED);
    case VISIT: {
      // An event of this turn, or what the visit before left to do.
      const before = lastOf(trace, row, READY, ACCEPTED, TIMER_FIRED, SETTLED);
      return before;
    }
    case SERVED: {
      const received = lastOf(trace, row, RECEIVED, VISIT);
      return received >= 0 ? received : rowOfCause(trace, causeNamed(trace, row));
    }
    case SENT: {
      const served = lastOf(trace, row, SERVED, VISIT);
      return served >= 0 ? served : rowOfCause(trace, causeNamed(trace, row));
    }
    case SETTLED:
      return lastOf(trace, row, SENT, SERVED, RECEIVED, VISIT);
    case RECEIVED:
      return lastOf(trace, row, VISIT);
    default: {
      const before = sameConnection(trace, row, -1);
      return before >= 0 ? before : inTurn();
    }
  }
}

// The chain of causes, from the event back to what the kernel told.
function chainOf(trace, row, most = 8) {
  const chain = [];
  let at = row;
  while (chain.length < most) {
    const cause = causeOf(trace, at);
    if (cause < 0 || cause >= at) break;
    chain.push(cause);
    if (trace.kind[cause] === TURN_BEGAN) break;
    at = cause;
  }
  return chain;
}

// What an event leads to: the next of which it is the cause, for a reader who goes forward.
function effectOf(trace, row) {
  const limit = Math.min(trace.n, row + 4096);
  const next = sameConnection(trace, row, 1);
  if (next >= 0 && causeOf(trace, next) === row) return next;
  for (let at = row + 1; at < limit; at++) if (causeOf(trace, at) === row) return at;
  return -1;
}

// The row of another recording that is nearest in time, of the same connection if it has that.
function counterpart(trace, row, other) {
  const time = at(trace, row) - other.shift,
    lane = other.byNumber.get(trace.connection[row]);
  if (lane === undefined) return Math.min(other.n - 1, lowerBound(other.time, time));
  const { from, to } = other.connections[lane];
  return other.order[Math.min(to - 1, lowerBound(other.placeTime, time, from, to))];
}

// Rows that pass a filter, in order; null stands for all of them.
function matching(trace, { kinds, connection, troubles }) {
  if (!kinds && !connection && !troubles) return null;
  const wanted = new Uint8Array(64).fill(kinds ? 0 : 1);
  for (const kind of kinds ?? []) wanted[kind] = 1;
  return rowsWhere(
    trace,
    (row) =>
      wanted[trace.kind[row]] === 1 &&
      (!connection || trace.connection[row] === connection) &&
      (!troubles || isTrouble(trace, row)),
  );
}

// What one looks for when something is slow or lost.
function isTrouble({ kind, x, y, a }, row) {
  switch (kind[row]) {
    case GAP:
    case STALLED:
    case TIMER_FIRED:
    case REFUSED:
    case SHED:
      return true;
    case RECEIVED:
      return x[row] === 2 || x[row] === 5;
    case SENT:
      return x[row] === 1 || x[row] === 2 || x[row] === 4;
    case NOT_ACCEPTED:
      return x[row] === 1 || x[row] >= 3;
    case CLOSED:
      return x[row] === 1 || a[row] > 0 || (y[row] !== 0 && y[row] !== 9);
    case READY:
      return y[row] === 1;
    default:
      return false;
  }
}

// The next row in a direction among those that match.
function stepFrom(trace, matched, row, step) {
  if (!matched) {
    const next = row + step;
    return next >= 0 && next < trace.n ? next : -1;
  }
  const at = lowerBound(matched, row);
  const next = step > 0 ? (matched[at] === row ? at + 1 : at) : at - 1;
  return next >= 0 && next < matched.length ? matched[next] : -1;
}
