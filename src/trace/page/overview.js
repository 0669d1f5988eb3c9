// The overview: each turn of the whole recording is in this map of heat. To the right is time,
// upwards how long a turn took, and the colour tells how many there were.

const CELL = 4;
const heatCanvas = document.getElementById("heat");
let heatOf = [],
  heatKey = "";
// The map itself changes with its size and its colours alone; what is in sight is drawn over it.
let mapKey = "";
const map = document.createElement("canvas");

function drawOverview() {
  const width = heatCanvas.clientWidth,
    height = heatCanvas.clientHeight;
  const key = `${width} ${height} ${devicePixelRatio} ${colours.paper}`;
  if (mapKey !== key) {
    paintHeat(contextOf(map, width, height), width, height);
    mapKey = key;
  }
  const context = contextOf(heatCanvas, width, height);
  context.drawImage(map, 0, 0, width, height);
  paintBrush(context, width, height);
}

const heatLeft = (width) => (width > 700 ? GUTTER : 52);

function paintHeat(context, width, height) {
  const left = heatLeft(width),
    right = width - 1,
    bottom = height - 18,
    rows = app.traces.length;
  const cells = Math.max(1, Math.floor((right - left) / CELL)),
    key = `${cells}`;
  if (heatKey !== key) {
    heatOf = app.traces.map((trace) =>
      heat(trace, app.first - trace.shift, app.last - trace.shift, cells),
    );
    heatKey = key;
  }
  const toX = (time) => left + ((time - app.first) / (app.last - app.first)) * (right - left);
  context.fillStyle = colours.panel;
  context.fillRect(left, 4, right - left, bottom - 4);
  app.traces.forEach((trace, source) => {
    const share = (bottom - 4) / rows;
    paintTurns(
      context,
      heatOf[source],
      {
        left,
        top: 4 + share * source,
        bottom: 4 + share * (source + 1) - (source < rows - 1 ? 3 : 0),
      },
      trace,
    );
    context.fillStyle = colours.bad;
    for (const pause of trace.pauses) {
      const from = toX(pause.from + trace.shift);
      context.fillRect(
        from,
        4 + share * source,
        Math.max(2, toX(pause.to + trace.shift) - from),
        3,
      );
    }
  });
  for (const { time, text } of marksOf(app.first, app.last, right - left)) {
    const x = toX(time);
    context.fillStyle = colours.rule;
    context.fillRect(x, bottom, 1, 4);
    write(context, text, x, height - 7, {
      colour: colours.faint,
      align: x > right - 30 ? "right" : x < left + 20 ? "left" : "center",
    });
  }
}

function paintTurns(context, { counts, most, width }, { left, top, bottom }, trace) {
  // Classes without a turn, above and below, take no room.
  let low = CLASSES,
    high = -1;
  counts.forEach((count, index) => {
    if (!count) return;
    low = Math.min(low, index % CLASSES);
    high = Math.max(high, index % CLASSES);
  });
  if (high < 0) return;
  const room = (bottom - top) / (high - low + 1),
    scale = 63 / Math.max(1, Math.log2(most + 1));
  for (let cell = 0; cell < width; cell++) {
    for (let index = low; index <= high; index++) {
      const count = counts[cell * CLASSES + index];
      if (!count) continue;
      context.fillStyle = colours.heat[Math.max(10, Math.floor(Math.log2(count + 1) * scale))];
      context.fillRect(
        left + cell * CELL,
        Math.round(bottom - (index - low + 1) * room),
        CELL,
        Math.ceil(room) - (room > 5 ? 1 : 0),
      );
    }
  }
  const limit = (index) => {
    const [unit, name] = index < 10 ? [1, "us"] : index < 20 ? [1000, "ms"] : [1e6, "s"];
    return `${Math.round(2 ** index / unit)} ${name}`;
  };
  const isNarrow = left < GUTTER;
  if (app.traces.length > 1)
    write(context, trace.about.name, 8, (top + bottom) / 2, { font: BOLD, width: left - 60 });
  else if (!isNarrow) {
    write(context, "Turns", 12, top + 8, { font: BOLD });
    write(context, "up: how long", 12, top + 24, { colour: colours.faint });
    write(context, "dark: many", 12, top + 38, { colour: colours.faint });
  }
  for (let index = high + 1, next = top; index > low; index--) {
    const y = Math.max(top + 6, bottom - (index - low) * room);
    if (y < next) continue;
    write(context, limit(index), left - 5, y, { colour: colours.faint, align: "right" });
    next = y + 15;
  }
}

function paintBrush(context, width, height) {
  const left = heatLeft(width),
    right = width - 1,
    bottom = height - 18;
  const toX = (time) => left + ((time - app.first) / (app.last - app.first)) * (right - left);
  const from = Math.max(left, toX(app.from)),
    to = Math.min(right, toX(app.to));
  if (to - from < right - left - 1) {
    context.fillStyle = colours.paper;
    context.globalAlpha = 0.55;
    context.fillRect(left, 4, Math.max(0, from - left), bottom - 4);
    context.fillRect(to, 4, Math.max(0, right - to), bottom - 4);
    context.globalAlpha = 1;
    context.strokeStyle = colours.accent;
    context.lineWidth = 2;
    context.strokeRect(from - 1, 4, Math.max(3, to - from + 2), bottom - 4);
  }
  if (app.chosen) {
    const x = toX(at(app.traces[app.chosen.source], app.chosen.row));
    context.fillStyle = colours.select;
    context.fillRect(x - 0.75, 2, 1.5, bottom);
  }
}

// The moment at a place of the overview.
function overviewTime(x) {
  const width = heatCanvas.clientWidth,
    left = heatLeft(width),
    right = width - 1;
  return app.first + Math.max(0, Math.min(1, (x - left) / (right - left))) * (app.last - app.first);
}

heatCanvas.addEventListener("pointerdown", (event) => {
  if (event.button !== 0) return;
  const from = overviewTime(event.offsetX),
    span = app.to - app.from;
  heatCanvas.setPointerCapture(event.pointerId);
  let moved = false;
  const move = (event) => {
    const to = overviewTime(event.offsetX);
    moved ||= (Math.abs(to - from) / (app.last - app.first)) * heatCanvas.clientWidth > 4;
    if (moved) show(Math.min(from, to), Math.max(from, to));
  };
  heatCanvas.addEventListener("pointermove", move);
  heatCanvas.addEventListener(
    "lostpointercapture",
    () => {
      heatCanvas.removeEventListener("pointermove", move);
      // A click without a drag brings this moment into the middle.
      if (!moved) show(from - span / 2, from + span / 2);
      keepAddress();
    },
    { once: true },
  );
});
