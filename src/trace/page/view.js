// What is shown: the part of the time, the chosen event, the lanes; and how an address names it.

const GUTTER = 148,
  LOOP_HEIGHT = 58,
  DOOR_HEIGHT = 26,
  LANE_HEIGHT = 46,
  AXIS_HEIGHT = 24;
const SHORTEST = 200; // nanoseconds: the clock tells no shorter time apart
const MOST_TALL = 8e6; // pixels of height that browsers can scroll over

let about = null;
const app = {
  traces: [],
  from: 0,
  to: 1,
  first: 0,
  last: 1,
  lanes: [],
  top: 0,
  chosen: null, // { source, row }
  filter: { kinds: null, connection: 0, troubles: false },
  order: "number",
  matched: [],
  changed: true,
};

// The time of a row on the axis that all sources share: that of their clock if they have one clock,
// such as the threads of a program. Others have their marks at 0, or their beginnings.
const at = (trace, row) => trace.time[row] + trace.shift;

function startView(traces) {
  app.traces = traces;
  app.isRelative = traces.length > 1 && !about.oneClock;
  const marked = app.isRelative && traces.every((trace) => trace.about.mark);
  for (const trace of traces) {
    trace.shift = marked
      ? -trace.time[trace.about.mark.row]
      : app.isRelative
        ? 0
        : trace.about.start;
  }
  app.first = Math.min(...traces.map((trace) => trace.shift));
  app.last = Math.max(app.first + 1000, ...traces.map((trace) => trace.shift + trace.span));
  [app.from, app.to] = [app.first, app.last];
  app.matched = traces.map(() => null);
  layLanes();
}

// The lanes from top to bottom: the loops, the doors, then the connections by their numbers. Those
// of several sources stand in pairs, so that they can be compared.
function layLanes() {
  const lanes = [];
  app.traces.forEach((trace, source) => {
    if (trace.turns.count) lanes.push({ kind: "loop", source, trace, height: LOOP_HEIGHT });
  });
  app.traces.forEach((trace, source) => {
    if (trace.special.length) lanes.push({ kind: "door", source, trace, height: DOOR_HEIGHT });
  });
  const connections = app.traces.flatMap((trace, source) =>
    trace.connections
      .filter((connection) =>
        app.filter.connection
          ? connection.number === app.filter.connection
          : app.order !== "sight" ||
            (connection.begin + trace.shift <= app.to && connection.end + trace.shift >= app.from),
      )
      .map((connection) => ({
        kind: "connection",
        source,
        trace,
        connection,
        height: LANE_HEIGHT,
      })),
  );
  const rank =
    {
      output: ({ unsent }) => -unsent,
      input: ({ unparsed }) => -unparsed,
      events: ({ from, to }) => from - to,
    }[app.order] ?? (() => 0);
  connections.sort(
    (a, b) =>
      rank(a.connection) - rank(b.connection) ||
      a.connection.number - b.connection.number ||
      a.source - b.source,
  );
  let y = AXIS_HEIGHT;
  for (const lane of [...lanes, ...connections]) {
    lane.y = y;
    y += lane.height;
  }
  // The loop stays in sight while the connections are scrolled.
  app.pinned = lanes;
  app.lanes = connections;
  app.floor = lanes.length ? lanes.at(-1).y + lanes.at(-1).height : AXIS_HEIGHT;
  app.lanesY = Float64Array.from(app.lanes, (lane) => lane.y);
  app.tall = y + 8;
  fitScroller();
}

// Shows a part of the time, as near as possible.
function show(from, to) {
  const longest = app.last - app.first,
    span = Math.max(SHORTEST, Math.min(longest * 1.05, to - from));
  const middle = (from + to) / 2,
    slack = span * 0.25;
  let begin = middle - span / 2;
  begin = Math.max(app.first - slack, Math.min(app.last + slack - span, begin));
  if (span >= longest) begin = app.first - (span - longest) / 2;
  [app.from, app.to] = [begin, begin + span];
  touch();
}

const zoom = (factor, around = (app.from + app.to) / 2) =>
  show(around - (around - app.from) * factor, around + (app.to - around) * factor);
const pan = (nanos) => show(app.from + nanos, app.to + nanos);

// Something has to be drawn again. Many changes between two frames are drawn once.
let frame = 0;
function touch() {
  if (!frame)
    frame = requestAnimationFrame(() => {
      frame = 0;
      draw();
    });
}

// Chooses an event, brings it into sight, and tells of it.
function choose(source, row, { centre = false, quiet = false, stay = false } = {}) {
  if (row < 0) return false;
  const trace = app.traces[source],
    time = at(trace, row),
    span = app.to - app.from;
  app.chosen = { source, row };
  const isOut = time < app.from + span * 0.04 || time > app.to - span * 0.04;
  if (!stay && (centre || isOut)) show(time - span / 2, time + span / 2);
  scrollToLane(source, trace.connection[row]);
  showEvent();
  showRows();
  if (!quiet)
    say(
      `${seconds(trace, row)} s${trace.connection[row] ? `, connection ${trace.connection[row]}` : ""}: ${sentence(trace, row)}`,
    );
  keepAddress();
  touch();
  return true;
}

// One event on or back, of those that pass the filter.
function step(direction) {
  const { source, row } = app.chosen ?? { source: 0, row: nearTheMiddle() - direction };
  return choose(source, stepFrom(app.traces[source], app.matched[source], row, direction));
}

function nearTheMiddle(source = 0) {
  const trace = app.traces[source];
  const row = lowerBound(trace.time, Math.max(0, (app.from + app.to) / 2 - trace.shift));
  return Math.min(row, trace.n - 1);
}

function goTo(find) {
  if (!app.chosen) return false;
  const { source, row } = app.chosen;
  return choose(source, find(app.traces[source], row));
}

// The number of an event counts from the beginning of the recording, also if only its end is here.
const numberOf = (trace, row) => trace.about.dropped + row + 1;

// #t=FROM-TO in seconds, c=CONNECTION, e=EVENT, s=SOURCE.
let addressTimer = 0;
function keepAddress() {
  clearTimeout(addressTimer);
  // Browsers refuse more than a hundred changes in ten seconds.
  addressTimer = setTimeout(() => {
    const decimals = Math.max(3, Math.min(9, 12 - Math.floor(Math.log10(app.to - app.from))));
    const parts = [
      `t=${[app.from, app.to].map((time) => (time / 1e9).toFixed(decimals)).join("..")}`,
    ];
    if (app.filter.connection) parts.push(`c=${app.filter.connection}`);
    if (app.chosen) {
      const { source, row } = app.chosen;
      parts.push(`e=${numberOf(app.traces[source], row)}`);
      if (source) parts.push(`s=${source + 1}`);
    }
    const address = `#${parts.join("&")}`;
    if (address !== location.hash) history.replaceState(null, "", address);
  }, 150);
}

function readAddress() {
  const parts = new Map(
    location.hash
      .slice(1)
      .split("&")
      .map((part) => part.split("=", 2)),
  );
  const source = Math.max(0, Math.min(app.traces.length - 1, (Number(parts.get("s")) || 1) - 1));
  const [from, to] = (parts.get("t") ?? "").split("..").map((time) => Number(time || NaN) * 1e9);
  const connection = Number(parts.get("c")) || 0;
  if (connection && app.traces.some((trace) => trace.byNumber.has(connection)))
    filterBy({ connection });
  if (to > from) show(from, to);
  else if (Number.isFinite(from))
    show(from - (app.to - app.from) / 200, from + (app.to - app.from) / 200);
  const row = Number(parts.get("e")) - 1 - app.traces[source].about.dropped;
  if (row >= 0 && row < app.traces[source].n) choose(source, row, { quiet: true, stay: to > from });
  else if (Number.isFinite(from)) choose(source, nearTheMiddle(source), { quiet: true });
}
