// A connection's lane: a band in the colour of its state, its input above and its output below as
// small areas, and the signs of single events where there is room for them.

const BAND = 11,
  AREA = 14;

function drawConnection(context, lane, y, width) {
  const { trace, connection } = lane,
    { placeTime, shift } = trace;
  const from = app.from - shift,
    to = app.to - shift,
    middle = y + LANE_HEIGHT / 2 - 0.5;
  const first = lowerBound(placeTime, from, connection.from, connection.to);
  const last = lowerBound(placeTime, to, first, connection.to);
  const scale = {
    input: AREA / Math.max(1024, connection.unparsed),
    output: AREA / Math.max(1024, connection.unsent),
    middle,
  };
  // The event before the first in sight tells the state at the left edge.
  const before = first > connection.from ? first - 1 : -1;
  if (last - first <= (width - gutter) / 4)
    drawEvents(context, trace, before, first, last, scale, width, connection);
  else drawSummaries(context, trace, before, first, last, scale, width, connection);
  const chosen = app.chosen;
  if (
    chosen &&
    app.traces[chosen.source] === trace &&
    trace.connection[chosen.row] === connection.number
  ) {
    const x = toX(at(trace, chosen.row), width);
    context.strokeStyle = colours.select;
    context.lineWidth = 2;
    context.beginPath();
    context.arc(x, middle, 7.5, 0, 2 * Math.PI);
    context.stroke();
  }
}

// Stretches from one x to the next, each with a value. Neighbours of one value are drawn as one: a
// browser takes as long for a rectangle of two pixels as for a wide one.
function makeRuns(paint) {
  let since = 0,
    until = 0,
    value = 0;
  const flush = () => {
    if (value && until > since) paint(since, until, value);
    value = 0;
  };
  return {
    add(from, to, next) {
      if (next === value && from <= until + 0.01) {
        until = to;
        return;
      }
      flush();
      [since, until, value] = [from, to, next];
    },
    flush,
  };
}

// The band in the colour of the state.
const makeBand = (context, middle) =>
  makeRuns((from, to, look) => {
    context.fillStyle = colours[look];
    context.fillRect(from, middle - BAND / 2, to - from, BAND);
  });

// Areas of both buffers, as steps: a level holds until the next event changes it.
function makeAreas(scale) {
  const input = new Path2D(),
    output = new Path2D();
  const inputs = makeRuns((from, to, high) =>
    input.rect(from, scale.middle - BAND / 2 - high, Math.max(0.75, to - from), high),
  );
  const outputs = makeRuns((from, to, high) =>
    output.rect(from, scale.middle + BAND / 2, Math.max(0.75, to - from), high),
  );
  // Half pixels are seen; anything at all is at least one.
  const level = (bytes, perByte) =>
    bytes && Math.max(1, Math.min(AREA, Math.round(bytes * perByte * 2) / 2));
  return {
    add(from, to, unparsed, unsent) {
      inputs.add(from, to, level(unparsed, scale.input));
      outputs.add(from, to, level(unsent, scale.output));
    },
    fill(context) {
      inputs.flush();
      outputs.flush();
      context.globalAlpha = 0.75;
      context.fillStyle = colours.in;
      context.fill(input);
      context.fillStyle = colours.out;
      context.fill(output);
      context.globalAlpha = 1;
    },
  };
}

function drawEvents(context, trace, before, first, last, scale, width, connection) {
  const { placeTime, state, unsent, unparsed, shift, order, kind } = trace;
  const band = makeBand(context, scale.middle),
    areas = makeAreas(scale),
    right = width;
  let x = gutter,
    place = before,
    visitFrom = -1;
  const visits = [];
  const stretch = (to) => {
    const now = place >= 0 ? state[place] : stateBefore(trace, connection);
    band.add(x, to, lookOf(now));
    if (place >= 0) areas.add(x, to, unparsed[place], unsent[place]);
    x = to;
  };
  if (before >= 0 && isInVisit(trace, before, connection)) visitFrom = gutter;
  for (let next = first; next < last; next++) {
    const to = toX(placeTime[next] + shift, right),
      which = kind[order[next]];
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
  for (const [from, to] of visits)
    context.fillRect(from - 0.5, scale.middle - 1.5, Math.max(2, to - from), 3);
  drawSigns(context, trace, first, last, scale.middle, width);
}

// Before its first event a connection is unknown, unless that is its accept.
const stateBefore = ({ kind, order }, { from }) =>
  kind[order[from]] === ACCEPTED ? GONE : UNKNOWN;

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
  const band = makeBand(context, scale.middle),
    areas = makeAreas(scale);
  const visits = makeRuns((from, to, high) => {
    context.fillStyle = colours.visit;
    context.fillRect(from, scale.middle - high / 2, to - from, high);
  });
  const stalls = makeRuns((from, to) => {
    context.fillStyle = colours.stalled;
    context.fillRect(from, scale.middle - BAND / 2, to - from, BAND);
  });
  const troubles = [];
  let place = first,
    shown = before;
  const unborn = stateBefore(trace, connection),
    columns = [];
  for (let x = gutter; x < width; x += 2) {
    const end = lowerBound(placeTime, toTime(x + 2, width) - shift, place, last);
    const now = end > place ? state[end - 1] : shown >= 0 ? state[shown] : unborn;
    band.add(x, x + 2, lookOf(now === GONE && end > place ? state[place] : now));
    let flags = 0,
      high = 0;
    if (end > place) {
      flags = flagsIn(trace.flags, place, end);
      if (flags & HAD_VISIT) high = Math.min(BAND - 2, 1 + Math.round(Math.log2(end - place) / 2));
      if (flags & (HAD_FIRED | HAD_ERROR)) troubles.push([x, colours.bad]);
      else if (flags & HAD_BLOCK) troubles.push([x, colours.warn]);
      areas.add(x, x + 2, maxIn(trace.maxUnparsed, place, end), maxIn(trace.maxUnsent, place, end));
      shown = end - 1;
    } else if (shown >= 0) {
      areas.add(x, x + 2, unparsed[shown], unsent[shown]);
    }
    columns.push(flags & HAD_STALL, high);
    place = end;
  }
  band.flush();
  // What stalled is over the band, and visits are over both.
  columns.forEach((value, index) => {
    if (index % 2 === 0) stalls.add(gutter + index, gutter + index + 2, value);
  });
  stalls.flush();
  areas.fill(context);
  columns.forEach((value, index) => {
    if (index % 2 === 1) visits.add(gutter + index - 1, gutter + index + 1, value);
  });
  visits.flush();
  for (const [x, colour] of troubles) {
    context.fillStyle = colour;
    context.fillRect(x, scale.middle - BAND / 2 - 4, 2, BAND + 8);
  }
}

// The signs: a triangle for readiness, dots for calls (hollow if they would block), a bell for a
// timer that fired, a cross for the end. Signs that would cover each other are left out.
function drawSigns(
  context,
  { placeTime, shift, order, kind, x: codes },
  first,
  last,
  middle,
  width,
) {
  const taken = {};
  for (let place = first; place < last; place++) {
    const row = order[place],
      which = kind[row],
      x = toX(placeTime[place] + shift, width);
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
  [RECEIVED]: (context, x, middle, code) =>
    dot(context, x, middle - 4.5, code === 5 ? colours.bad : colours.in, code === 2 || code === 3),
  [SENT]: (context, x, middle, code) =>
    dot(context, x, middle + 4.5, code === 4 ? colours.bad : colours.out, code === 1),
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
    context.moveTo(x - 4, middle - 4);
    context.lineTo(x + 4, middle + 4);
    context.moveTo(x + 4, middle - 4);
    context.lineTo(x - 4, middle + 4);
    context.stroke();
  },
};
