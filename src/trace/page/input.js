// Mouse, fingers, wheel and keys.

const nanosPerPixel = () => (app.to - app.from) / Math.max(1, scroller.clientWidth - gutter);

// The lane and the event under a place of the canvas.
function under(x, y) {
  const lane =
    y < app.floor
      ? app.pinned.find((lane) => y < lane.y + lane.height)
      : app.lanes[firstLane(y + app.top)];
  if (!lane || x < gutter || y < AXIS_HEIGHT) return null;
  const time = toTime(x, scroller.clientWidth) - lane.trace.shift,
    { trace } = lane;
  const nearest = (values, from, to) => {
    const next = lowerBound(values, time, from, to);
    if (next > from && (next === to || time - values[next - 1] < values[next] - time)) {
      // Of events at one moment, the first.
      return lowerBound(values, values[next - 1], from, to);
    }
    return next < to ? next : -1;
  };
  if (lane.kind === "connection") {
    const { from, to } = lane.connection,
      place = nearest(trace.placeTime, from, to);
    return place < 0 ? null : { lane, row: trace.order[place] };
  }
  if (lane.kind === "loop") {
    const turn = Math.max(0, lowerBound(trace.turns.begin, time + 1) - 1);
    return { lane, row: trace.turns.first[turn] };
  }
  const times = gather(trace.special, trace.time);
  const found = nearest(times, 0, times.length);
  return found < 0 ? null : { lane, row: trace.special[found] };
}

canvas.addEventListener("pointerdown", (event) => {
  if (event.button !== 0) return;
  const start = {
    x: event.clientX,
    y: event.clientY,
    from: app.from,
    to: app.to,
    top: scroller.scrollTop,
  };
  let moved = false;
  canvas.setPointerCapture(event.pointerId);
  const move = (event) => {
    const dx = event.clientX - start.x,
      dy = event.clientY - start.y;
    moved ||= Math.abs(dx) + Math.abs(dy) > 4;
    if (!moved) return;
    canvas.classList.add("grabbed");
    const nanos = (dx * (start.to - start.from)) / (scroller.clientWidth - gutter);
    show(start.from - nanos, start.to - nanos);
    if (event.pointerType === "mouse") scroller.scrollTop = start.top - dy;
  };
  canvas.addEventListener("pointermove", move);
  canvas.addEventListener(
    "lostpointercapture",
    () => {
      canvas.removeEventListener("pointermove", move);
      canvas.classList.remove("grabbed");
      if (moved) return keepAddress();
      const box = canvas.getBoundingClientRect(),
        found = under(start.x - box.left, start.y - box.top);
      if (found) choose(found.lane.source, found.row);
    },
    { once: true },
  );
});

canvas.addEventListener("dblclick", (event) => {
  zoom(event.shiftKey ? 4 : 1 / 4, toTime(event.offsetX, scroller.clientWidth));
  keepAddress();
});

// With Ctrl, or over the map, the wheel zooms; sideways, or with Shift, it moves along time; else it
// scrolls the lanes, and where there is nothing to scroll it zooms.
function wheel(event, around, canScroll) {
  const line = event.deltaMode === 1 ? 16 : 1,
    dy = event.deltaY * line,
    dx = event.deltaX * line;
  const isZoom =
    event.ctrlKey ||
    event.metaKey ||
    (!canScroll && !event.shiftKey && Math.abs(dy) > Math.abs(dx));
  if (!isZoom && !event.shiftKey && Math.abs(dy) >= Math.abs(dx)) return;
  event.preventDefault();
  if (isZoom) zoom(1.0025 ** Math.max(-200, Math.min(200, dy)), around);
  else pan((event.shiftKey && !dx ? dy : dx) * nanosPerPixel());
  keepAddress();
}
canvas.addEventListener(
  "wheel",
  (event) =>
    wheel(
      event,
      toTime(Math.max(gutter, event.offsetX), scroller.clientWidth),
      app.tall > scroller.clientHeight + 1,
    ),
  { passive: false },
);
heatCanvas.addEventListener("wheel", (event) => wheel(event, overviewTime(event.offsetX), false), {
  passive: false,
});

scroller.addEventListener("scroll", touch, { passive: true });

function showHelp() {
  const help = document.getElementById("help"),
    button = document.getElementById("help-button");
  if (!help.childElementCount) {
    help.append(el("h2", {}, "What is this?"), ...welcome().slice(1));
  }
  help.hidden = !help.hidden;
  button.setAttribute("aria-expanded", String(!help.hidden));
  touch();
}

const ACTIONS = {
  back: () => step(-1),
  forward: () => step(1),
  "same-back": () => goTo((trace, row) => sameConnection(trace, row, -1)),
  "same-forward": () => goTo((trace, row) => sameConnection(trace, row, 1)),
  cause: () => goTo(causeOf),
  effect: () => goTo(effectOf),
  "zoom-in": () => {
    zoomAtChosen(1 / 2);
  },
  "zoom-out": () => {
    zoomAtChosen(2);
  },
  "zoom-all": () => {
    show(app.first, app.last);
    keepAddress();
  },
  "help-button": showHelp,
  only: () => filterBy({ connection: 0 }),
  other: () => {
    if (!app.chosen || app.traces.length < 2) return;
    const { source, row } = app.chosen,
      next = (source + 1) % app.traces.length;
    choose(next, counterpart(app.traces[source], row, app.traces[next]));
  },
};

function zoomAtChosen(factor) {
  const time = app.chosen ? at(app.traces[app.chosen.source], app.chosen.row) : NaN;
  zoom(factor, time >= app.from && time <= app.to ? time : undefined);
  keepAddress();
}

const KEYS_DO = {
  ArrowRight: "forward",
  ArrowLeft: "back",
  ".": "forward",
  ",": "back",
  c: "cause",
  x: "other",
  e: "effect",
  "+": "zoom-in",
  "=": "zoom-in",
  "-": "zoom-out",
  0: "zoom-all",
  w: "zoom-in",
  s: "zoom-out",
  "?": "help-button",
};

function key(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const tag = event.target.tagName;
  if (tag === "INPUT" || tag === "SELECT" || event.target.closest?.("#panel pre")) return;
  const isTable = event.target === rowsBox;
  let action = KEYS_DO[event.key];
  if (event.shiftKey && event.key === "ArrowRight") action = "same-forward";
  if (event.shiftKey && event.key === "ArrowLeft") action = "same-back";
  if (isTable && event.key === "ArrowDown") action = "forward";
  if (isTable && event.key === "ArrowUp") action = "back";
  if (action) ACTIONS[action]();
  else if (event.key === "a" || event.key === "d") {
    pan((app.to - app.from) * (event.key === "a" ? -0.15 : 0.15));
    keepAddress();
  } else if (event.key === "f" && app.chosen) toggleOnly();
  else if (event.key === "/") searchBox.focus();
  else if (event.key === "Home" && isTable) choose(0, rowAt(0, 0));
  else if (event.key === "End" && isTable) choose(0, rowAt(0, countOf(0) - 1));
  else if (event.key === "Escape") {
    app.chosen = null;
    showEvent();
    filterBy({ connection: 0 });
  } else return;
  event.preventDefault();
}

function toggleOnly() {
  const { source, row } = app.chosen,
    number = app.traces[source].connection[row];
  filterBy({ connection: app.filter.connection ? 0 : number });
}

function listen() {
  for (const [id, action] of Object.entries(ACTIONS))
    document.getElementById(id).addEventListener("click", action);
  document.addEventListener("keydown", key);
}
