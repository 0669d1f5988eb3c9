// A connection's lane: a band in the colour of its state, its input above and its output below as
// small areas, and the signs of single events where there is room for them.

const BAND = 11, AREA = 14;

function drawConnection(context, lane, y, width) {
  const { trace, connection } = lane, { placeTime, shift } = trace;
  const from = app.from - shift, to = app.to - shift, middle = y + LANE_HEIGHT / 2 - 0.5;
  const first = lowerBound(placeTime, from, connection.from, connection.to);
  const last = lowerBound(placeTime, to, first, connection.to);
  const scale = {
    input: AREA / Math.max(1024, connection.unparsed), output: AREA / Math.max(1024, connection.unsent), middle,
  };
  // The event before the first in sight tells the state at the left edge.
  const before = first > connection.from ? first - 1 : -1;
  if (last - first <= (width - gutter) / 4) drawEvents(context, trace, before, first, last, scale, width, connection);
  else drawSummaries(context, trace, before, first, last, scale, width, connection);
  const chosen = app.chosen;
  if (chosen && app.traces[chosen.source] === trace && trace.connection[chosen.row] === connection.number) {
    const x = toX(at(trace, chosen.row), width);
    context.strokeStyle = colours.select;
    context.lineWidth = 2;
    context.beginPath();
    context.arc(x, middle, 7.5, 0, 2 * Math.PI);
    context.stroke();
  }
}

// The band from one x to another. Neighbours of one colour are one rectangle.
function makeBand(context, middle) {
  let since = 0, until = 0, colour = "";
  const flush = () => {
    if (!colour || until <= since) return;
    context.fillStyle = colour;
    context.fillRect(since, middle - BAND / 2, until - since, BAND);
  };
  return {
    add(from, to, state) {
      const look = lookOf(state), next = look && colours[look];
      if (next === colour && from <= until + 0.01) { until = to; return; }
      flush();
      [since, until, colour] = [from, to, next];
    },
    flush,
  };
}

// Areas of both buffers, as steps: a level holds until the next event changes it.
function makeAreas(scale) {
  const paths = { input: new Path2D(), output: new Path2D() };
  const has = { input: false, output: false };
  return {
    add(from, to, unparsed, unsent) {
      if (unparsed) {
        has.input = true;
        const high = Math.max(1, Math.min(AREA, unparsed * scale.input));
        paths.input.rect(from, scale.middle - BAND / 2 - high, Math.max(0.75, to - from), high);
      }
      if (unsent) {
        has.output = true;
        paths.output.rect(from, scale.middle + BAND / 2, Math.max(0.75, to - from), Math.max(1, Math.min(AREA, unsent * scale.output)));
      }
    },
    fill(context) {
      context.globalAlpha = 0.75;
      for (const [name, colour] of [["input", colours.in], ["output", colours.out]]) {
        if (!has[name]) continue;
        context.fillStyle = colour;
        context.fill(paths[name]);
      }
      context.globalAlpha = 1;
    },
  };
}

function drawEvents(context, trace, before, first, last, scale, width, connection) {
  const { placeTime, state, unsent, unparsed, shift, order, kind } = trace;
  const band = makeBand(context, scale.middle), areas = makeAreas(scale), right = width;
  let x = gutter, place = before, visitFrom = -1;
  const visits = [];
  const stretch = (to) => {
    const now = place >= 0 ? state[place] : stateBefore(trace, connection);
    band.add(x, to, now);
    if (place >= 0) areas.add(x, to, unparsed[place], unsent[place]);
    x = to;
  };
  if (before >= 0 && isInVisit(trace, before, connection)) visitFrom = gutter;
  for (let next = first; next < last; next++) {
    const to = toX(placeTime[next] + shift, right), which = kind[order[next]];
    stretch(to);
    place = next;
    if (which === VISIT && visitFrom < 0) visitFrom = to;
    if ((which === SETTLED || which === CLOSED) && visitFrom >= 0) {
      visits.push([visitFrom, to]);
      visitFrom = -1;
    }
  }
  stretch(place >= connection.to - 1 && place >= 0 && state[place] === GONE ? x : right);
  if (visitFrom >= 0) visits.push([visitFrom, right]);
  band.flush();
  areas.fill(context);
  context.fillStyle = colours.visit;
  for (const [from, to] of visits) context.fillRect(from - 0.5, scale.middle - 1.5, Math.max(2, to - from), 3);
  drawSigns(context, trace, first, last, scale.middle, width);
}

// Before its first event a connection is unknown, unless that is its accept.
const stateBefore = ({ kind, order }, { from }) => kind[order[from]] === ACCEPTED ? GONE : UNKNOWN;

// Whether the visit to a connection had begun at a place and not ended.
function isInVisit({ order, kind }, place, { from }) {
  for (let at = place; at >= from && at > place - 64; at--) {
    const which = kind[order[at]];
    if (which === SETTLED || which === CLOSED) return false;
    if (which === VISIT) return true;
  }
  return false;
}

function drawSummaries(context, trace, before, first, last, scale, width, connection) {
  const { placeTime, state, unsent, unparsed, shift } = trace;
  const band = makeBand(context, scale.middle), areas = makeAreas(scale);
  const visits = new Path2D(), troubles = new Path2D(), stalls = new Path2D();
  let place = first, shown = before;
  const unborn = stateBefore(trace, connection);
  for (let x = gutter; x < width; x += 2) {
    const end = lowerBound(placeTime, toTime(x + 2, width) - shift, place, last);
    const now = end > place ? state[end - 1] : shown >= 0 ? state[shown] : unborn;
    band.add(x, x + 2, now === GONE && end > place ? state[place] : now);
    if (end > place) {
      const flags = flagsIn(trace.flags, place, end);
      if (flags & HAD_VISIT) {
        const high = Math.min(BAND - 2, 1 + Math.log2(end - place) / 2);
        visits.rect(x, scale.middle - high / 2, 2, high);
      }
      if (flags & HAD_STALL) stalls.rect(x, scale.middle - BAND / 2, 2, BAND);
      if (flags & (HAD_BLOCK | HAD_FIRED | HAD_ERROR)) troubles.rect(x, scale.middle - BAND / 2 - 4, 2, BAND + 8);
      areas.add(x, x + 2, maxIn(trace.maxUnparsed, place, end), maxIn(trace.maxUnsent, place, end));
      shown = end - 1;
    } else if (shown >= 0) {
      areas.add(x, x + 2, unparsed[shown], unsent[shown]);
    }
    place = end;
  }
  band.flush();
  context.fillStyle = colours.stalled;
  context.fill(stalls);
  areas.fill(context);
  context.fillStyle = colours.visit;
  context.fill(visits);
  context.fillStyle = colours.bad;
  context.fill(troubles);
}

// The signs: a triangle for readiness, dots for calls (hollow if they would block), a bell for a
// timer that fired, a cross for the end. Signs that would cover each other are left out.
function drawSigns(context, { placeTime, shift, order, kind, x: codes }, first, last, middle, width) {
  const taken = {};
  for (let place = first; place < last; place++) {
    const row = order[place], which = kind[row], x = toX(placeTime[place] + shift, width);
    if (x - (taken[which] ?? -99) < 5) continue;
    const draw = SIGNS[which];
    if (!draw) continue;
    taken[which] = x;
    draw(context, x, middle, codes[row]);
  }
}

function dot(context, x, y, colour, isHollow) {
  context.beginPath();
  context.arc(x, y, 3.2, 0, 2 * Math.PI);
  context.fillStyle = isHollow ? colours.paper : colour;
  context.fill();
  context.strokeStyle = isHollow ? colour : colours.paper;
  context.lineWidth = isHollow ? 1.6 : 0.8;
  context.stroke();
}

function triangle(context, x, y, colour, high) {
  context.fillStyle = colour;
  context.beginPath();
  context.moveTo(x, y);
  context.lineTo(x - 3.6, y - high);
  context.lineTo(x + 3.6, y - high);
  context.fill();
}

const SIGNS = {
  [READY]: (context, x, middle) => triangle(context, x, middle - 10, colours.good, 7),
  [ACCEPTED]: (context, x, middle) => triangle(context, x, middle - 10, colours.good, 9),
  [RECEIVED]: (context, x, middle, code) => dot(context, x, middle - 4.5, code === 5 ? colours.bad : colours.in, code === 2 || code === 3),
  [SENT]: (context, x, middle, code) => dot(context, x, middle + 4.5, code === 4 ? colours.bad : colours.out, code === 1),
  [STALLED]: (context, x, middle) => {
    context.fillStyle = colours.warn;
    context.fillRect(x - 2.6, middle - 5, 2, 10);
    context.fillRect(x + 0.8, middle - 5, 2, 10);
  },
  [TIMER_ARMED]: (context, x, middle) => {
    context.strokeStyle = colours.faint;
    context.lineWidth = 1;
    context.strokeRect(x - 2, middle + 13, 4, 4);
  },
  [TIMER_FIRED]: (context, x, middle) => {
    context.fillStyle = colours.bad;
    context.fillRect(x - 3, middle + 12, 6, 6);
  },
  [FIN_SENT]: (context, x, middle) => {
    context.fillStyle = colours.out;
    context.fillRect(x - 1, middle - 8, 2, 16);
  },
  [CLOSED]: (context, x, middle, isReset) => {
    context.strokeStyle = isReset ? colours.bad : colours.ink;
    context.lineWidth = 2;
    context.beginPath();
    context.moveTo(x - 4, middle - 4); context.lineTo(x + 4, middle + 4);
    context.moveTo(x + 4, middle - 4); context.lineTo(x - 4, middle + 4);
    context.stroke();
  },
};
