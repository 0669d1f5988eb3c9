// The lanes. What is drawn depends on how many events a pixel has: single ones with their signs, or
// summaries of them. Nothing here goes through all events of the recording.

const scroller = document.getElementById("scroll"),
  canvas = document.getElementById("canvas");
let gutter = GUTTER;

const toX = (time, width) => gutter + ((time - app.from) / (app.to - app.from)) * (width - gutter);
const toTime = (x, width) => app.from + ((x - gutter) / (width - gutter)) * (app.to - app.from);

function drawLanes() {
  const width = scroller.clientWidth,
    height = scroller.clientHeight;
  if (width < 50 || height < 20) return;
  gutter = width > 700 ? GUTTER : 92;
  fitScroller();
  const context = contextOf(canvas, width, height);
  app.top = topOf(scroller.scrollTop, height);
  drawGrid(context, width, height);
  for (let index = firstLane(app.top + app.floor); index < app.lanes.length; index++) {
    const lane = app.lanes[index],
      y = lane.y - app.top;
    if (y > height) break;
    drawLane(context, lane, y, width);
  }
  context.fillStyle = colours.paper;
  context.fillRect(0, 0, width, app.floor);
  drawGrid(context, width, app.floor);
  for (const lane of app.pinned) drawLane(context, lane, lane.y, width);
  drawMarks(context, width, height);
  drawAxis(context, width);
}

function drawLane(context, lane, y, width) {
  context.save();
  context.beginPath();
  context.rect(gutter, y, width - gutter, lane.height);
  context.clip();
  DRAWERS[lane.kind](context, lane, y, width);
  context.restore();
  drawGutter(context, lane, y);
  context.fillStyle = colours.rule;
  context.fillRect(0, y + lane.height - 1, width, lane === app.pinned.at(-1) ? 1 : 0.5);
}

// The canvas is as high as its box, and what can be scrolled is as high as all lanes.
function fitScroller() {
  const height = scroller.clientHeight;
  document.getElementById("tall").style.height =
    `${Math.max(0, Math.min(app.tall, MOST_TALL) - height)}px`;
  canvas.style.height = `${height}px`;
}

// More lanes than a page can be tall are scrolled over in larger steps.
const topOf = (scrolled, height) =>
  app.tall <= MOST_TALL ? scrolled : (scrolled * (app.tall - height)) / (MOST_TALL - height);

const firstLane = (y) => Math.max(0, upperBound(app.lanesY, y) - 1);

function scrollToLane(source, number) {
  const index = app.lanes.findIndex(
    (lane) => lane.source === source && lane.connection?.number === number,
  );
  if (index < 0 || !number) return;
  const lane = app.lanes[index],
    height = scroller.clientHeight;
  if (lane.y >= app.top + app.floor && lane.y + lane.height <= app.top + height) return;
  const top = Math.max(0, lane.y - (height + app.floor - lane.height) / 2);
  scroller.scrollTop =
    app.tall <= MOST_TALL ? top : (top * (MOST_TALL - height)) / (app.tall - height);
  app.top = topOf(scroller.scrollTop, height);
}

function drawGrid(context, width, height) {
  context.fillStyle = colours.rule;
  for (const { time } of marksOf(app.from, app.to, width - gutter)) {
    context.fillRect(Math.round(toX(time, width)), AXIS_HEIGHT, 0.5, height);
  }
}

function drawAxis(context, width) {
  context.fillStyle = colours.paper;
  context.fillRect(0, 0, width, AXIS_HEIGHT);
  context.fillStyle = colours.rule;
  context.fillRect(0, AXIS_HEIGHT - 0.5, width, 0.5);
  write(
    context,
    `${duration(app.to - app.from)}${gutter < GUTTER ? "" : " in sight"}`,
    12,
    AXIS_HEIGHT / 2,
    { colour: colours.faint },
  );
  for (const { time, text } of marksOf(app.from, app.to, width - gutter)) {
    const x = toX(time, width);
    if (x > gutter + 22 && x < width - 34)
      write(context, text, x, AXIS_HEIGHT / 2, { colour: colours.faint, align: "center" });
  }
}

function drawGutter(context, lane, y) {
  const { trace, connection } = lane,
    about = trace.about;
  const prefix = app.traces.length > 1 ? `${String.fromCharCode(65 + lane.source)} ` : "";
  const isChosen =
    connection &&
    app.chosen?.source === lane.source &&
    trace.connection[app.chosen.row] === connection.number;
  context.fillStyle = isChosen ? colours.panel : colours.paper;
  context.fillRect(0, y, gutter - 1, lane.height - 1);
  context.fillStyle = isChosen ? colours.select : colours.rule;
  context.fillRect(gutter - (isChosen ? 3 : 1), y, isChosen ? 3 : 0.5, lane.height - 1);
  const room = gutter - 18;
  if (lane.kind === "loop") {
    write(context, `${prefix}Loop`, 12, y + 14, { font: BOLD });
    write(context, "a bar is a turn", 12, y + 29, { colour: colours.faint, width: room });
    write(context, app.traces.length > 1 ? about.name : "line: queued", 12, y + 43, {
      colour: colours.faint,
      width: room,
    });
  } else if (lane.kind === "door") {
    write(context, `${prefix}${gutter < GUTTER ? "Accept" : "Accept, signals"}`, 12, y + 13, {
      font: BOLD,
      width: room,
    });
  } else {
    write(context, `${prefix}#${connection.number}`, 12, y + 12, { font: BOLD });
    const wide = context.measureText(`${prefix}#${connection.number}`).width;
    let name = connection.name.replace("127.0.0.1:", ":");
    // Where there is little room, the client is told, not the descriptor.
    context.font = FONT;
    if (context.measureText(name).width > room - wide - 6) name = name.replace(/^fd \d+, /, "");
    write(context, name, 18 + wide, y + 12, { colour: colours.faint, width: room - wide - 6 });
    write(context, `in ≤ ${size(connection.unparsed)}`, 12, y + 25, {
      colour: colours.in,
      width: room,
    });
    write(context, `out ≤ ${size(connection.unsent)}`, 12, y + 37, {
      colour: colours.out,
      width: room,
    });
  }
}

// The chosen moment, and the marks of the sources.
function drawMarks(context, width, height) {
  const stripe = (time, colour, text) => {
    const x = toX(time, width);
    if (x < gutter || x > width) return;
    context.fillStyle = colour;
    context.fillRect(x - 0.75, AXIS_HEIGHT, 1.5, height);
    if (text) write(context, text, x + 5, AXIS_HEIGHT + 8, { colour, font: BOLD });
  };
  app.traces.forEach((trace, source) => {
    const mark = trace.about.mark;
    if (mark && (source === 0 || !app.isRelative))
      stripe(at(trace, mark.row), colours.bad, mark.words);
  });
  if (app.chosen) stripe(at(app.traces[app.chosen.source], app.chosen.row), colours.select, "");
}

// Each drawer draws one lane. `trace.shift` leads from the recording's time to the axis.
const DRAWERS = { loop: drawLoop, door: drawDoor, connection: drawConnection };

const tookColour = (nanos) =>
  colours.heat[Math.max(18, Math.min(63, Math.floor(18 + (45 * Math.log2(nanos / 8e3 + 1)) / 10)))];

function drawLoop(context, { trace }, y, width) {
  const { turns, shift } = trace,
    floor = y + LOOP_HEIGHT - 4,
    full = LOOP_HEIGHT - 12;
  const from = app.from - shift,
    to = app.to - shift;
  const first = Math.max(0, lowerBound(turns.begin, from) - 1),
    last = lowerBound(turns.begin, to);
  if (last - first <= (width - gutter) / 3) {
    for (let turn = first; turn < last; turn++) {
      const x = toX(turns.begin[turn] + shift, width),
        wide = Math.max(1.5, toX(turns.end[turn] + shift, width) - x);
      context.fillStyle = tookColour(turns.took[turn]);
      context.fillRect(x, floor - full, wide, full);
      if (wide < 50) continue;
      const visits = turns.visits[turn + 1] - turns.visits[turn];
      const text =
        wide < 100
          ? duration(turns.took[turn])
          : `${counted(visits, "visit")}, ${duration(turns.took[turn])}`;
      const isDark = Math.log2(turns.took[turn] / 8e3 + 1) > 4;
      const left = Math.max(x, gutter) + 5;
      const room = Math.min(x + wide, width) - left - 4;
      if (room > 40)
        write(context, text, left, floor - full / 2, {
          colour: isDark ? colours.paper : colours.ink,
          width: room,
        });
    }
  } else {
    // How much of each two pixels the loop was at work, and the colour of the longest turn.
    for (let x = gutter; x < width; x += 2) {
      const begin = toTime(x, width) - shift,
        end = toTime(x + 2, width) - shift;
      const a = lowerBound(turns.begin, begin, first, last),
        b = lowerBound(turns.begin, end, a, last);
      const busy = busyIn(trace, begin, end) / (end - begin);
      if (busy <= 0) continue;
      context.fillStyle = tookColour(
        a < b ? maxIn(trace.maxTook, a, b) : turns.took[Math.max(0, a - 1)],
      );
      const high = Math.max(1.5, Math.min(1, busy) * full);
      context.fillRect(x, floor - high, 2, high);
    }
  }
  drawQueued(context, trace, floor, full, width, first, last);
}

// A line over the bars: how many connections were queued when a turn ended.
function drawQueued(
  context,
  { turns, shift, maxQueued, mostQueued },
  floor,
  full,
  width,
  first,
  last,
) {
  if (!mostQueued) return;
  context.strokeStyle = colours.out;
  context.lineWidth = 1.5;
  context.beginPath();
  const level = (count) => floor - (count / Math.max(4, mostQueued)) * full;
  let turn = first,
    left = 0;
  for (let x = gutter; x < width && turn < last; x += 2) {
    const end = lowerBound(turns.end, toTime(x + 2, width) - shift, turn, last);
    if (end === turn) continue;
    const most = maxIn(maxQueued, turn, end);
    // Where nothing is queued there is no line, rather than one that is always there.
    if (most) {
      if (left) context.lineTo(x, level(left));
      else context.moveTo(x, floor);
      context.lineTo(x, level(most));
      context.lineTo(x + 2, level(turns.queued[end - 1]));
    } else if (left) {
      context.lineTo(x, level(left));
      context.lineTo(x, floor);
    }
    left = turns.queued[end - 1];
    turn = end;
  }
  context.stroke();
}

// Accepted, rejected, pauses, signals: all that is no connection's.
function drawDoor(context, { trace }, y, width) {
  const { special, kind, x: codes, shift, time } = trace,
    middle = y + DOOR_HEIGHT / 2;
  const labels = [],
    marks = [];
  for (const pause of trace.pauses) {
    const from = toX(pause.from + shift, width),
      to = toX(pause.to + shift, width);
    if (to < gutter || from > width) continue;
    context.fillStyle = colours.stalled;
    context.fillRect(from, y + 3, Math.max(3, to - from), DOOR_HEIGHT - 7);
    if (Math.min(to, width) - Math.max(from, gutter) > 100) labels.push(Math.max(from, gutter) + 6);
  }
  let filled = -1;
  let index = lowerBound(special, lowerBound(time, app.from - shift));
  const end = lowerBound(special, lowerBound(time, app.to - shift));
  while (index < end) {
    const row = special[index],
      x = toX(time[row] + shift, width);
    const look = doorLook(kind[row], codes[row]);
    if (look && Math.floor(x) > filled) {
      context.fillStyle = look[0];
      context.fillRect(x - 1, y + 4, 2, DOOR_HEIGHT - 9);
      filled = Math.floor(x);
      const text =
        kind[row] === DRAIN
          ? `drain ${about.words.drain[codes[row]]}`
          : kind[row] === WOKEN
            ? about.words.signal[codes[row]]
            : look[1];
      marks.push({ x, colour: look[0], text });
    }
    // Events that fall on a pixel that has its mark are skipped at once.
    const next = lowerBound(
      special,
      lowerBound(time, toTime(filled + 1, width) - shift),
      index + 1,
      end,
    );
    index = look?.[1] ? index + 1 : Math.max(index + 1, next);
  }
  // Words stand where they reach no other mark.
  const signals = [];
  marks.forEach(({ x, colour, text }, place) => {
    if (!text) return;
    context.font = FONT;
    const end = x + 8 + context.measureText(text).width;
    if (end > (marks[place + 1]?.x ?? Infinity)) return;
    // At the right edge they stand on the left of their mark.
    const isLast = end > width;
    if (isLast && 2 * x - end < (marks[place - 1]?.x ?? 0)) return;
    write(context, text, isLast ? x - 4 : x + 4, middle, {
      colour,
      align: isLast ? "right" : "left",
    });
    signals.push(isLast ? [x - (end - x), x] : [x, end + 4]);
  });
  // A pause says so where no signal has its words.
  for (const x of labels) {
    if (!signals.some(([from, to]) => from < x + 90 && to > x))
      write(context, "accepting pauses", x, middle);
  }
}

function doorLook(kind, code) {
  switch (kind) {
    case ACCEPTED:
      return [colours.good, ""];
    case REFUSED:
      return [colours.bad, ""];
    case SHED:
      return [colours.bad, "shed"];
    case NOT_ACCEPTED:
      return code >= 3 ? [colours.bad, ""] : null;
    case WOKEN:
    case DRAIN:
      return [colours.warn, "signal"];
    case GAP:
      return [colours.bad, "events are missing"];
    case RECORDING:
      return [colours.faint, ""];
    case TABLE_REPLACED:
    case TABLE_KEPT:
      return [colours.faint, "table"];
    case ZONE_REPLACED:
      return [colours.faint, "time zone"];
    default:
      return null;
  }
}
