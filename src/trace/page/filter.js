// Which events one steps through, and the search.

const kindsList = document.getElementById("kinds"),
  searchBox = document.getElementById("search");

const CHOICES = [
  ["All events", null],
  ["Trouble: stalls, would block, timeouts", "trouble"],
  ["Turns", [TURN_BEGAN, TURN_ENDED]],
  ["Readiness", [READY, LISTENER_READY]],
  ["Visits", [VISIT, SETTLED]],
  ["recv", [RECEIVED]],
  ["Requests served", [SERVED]],
  ["send", [SENT]],
  ["Stalled, resumed", [STALLED, RESUMED]],
  ["Timers", [TIMER_ARMED, TIMER_FIRED, TIMERS_MOVED]],
  ["Accepted, rejected", [ACCEPTED, NOT_ACCEPTED, REFUSED, PROXY_HEADER]],
  ["Closed", [FIN_SENT, CLOSED, SHED]],
  [
    "Signals, drain, tables",
    [WOKEN, DRAIN, TABLE_REPLACED, TABLE_KEPT, ZONE_REPLACED, RECORDING, GAP],
  ],
];

function makeChoices() {
  const has = new Uint8Array(28);
  for (const trace of app.traces) for (let row = 0; row < trace.n; row++) has[trace.kind[row]] = 1;
  CHOICES.forEach(([name, kinds], index) => {
    if (!Array.isArray(kinds) || kinds.some((kind) => has[kind]))
      kindsList.append(el("option", { value: index }, name));
  });
}

function filterBy(change) {
  Object.assign(app.filter, change);
  app.matched = app.traces.map((trace) => matching(trace, app.filter));
  app.changed = true;
  if ("connection" in change) {
    layLanes();
    document.getElementById("only").hidden = !app.filter.connection;
    document.getElementById("only").textContent = `Only #${app.filter.connection} ✕`;
  }
  showRows();
  if (app.chosen) showEvent();
  keepAddress();
  touch();
}

kindsList.addEventListener("change", () => {
  const [, kinds] = CHOICES[Number(kindsList.value)];
  filterBy({ kinds: Array.isArray(kinds) ? new Set(kinds) : null, troubles: kinds === "trouble" });
  const count = app.traces.reduce((sum, _, source) => sum + countOf(source), 0);
  say(`${grouped(count)} events pass`);
});

document.getElementById("order").addEventListener("change", (event) => {
  app.order = event.target.value;
  layLanes();
  scroller.scrollTop = 0;
  touch();
});

// A number with # is a connection; a number alone is an event; words are looked for in the
// sentences, from the chosen event on and round the end.
let searchRun = 0;
async function search(text, direction = 1) {
  const run = ++searchRun,
    wanted = text.trim().toLowerCase();
  if (!wanted) return;
  if (/^#\d+$/.test(wanted)) return searchConnection(Number(wanted.slice(1)));
  const source = app.chosen?.source ?? 0,
    trace = app.traces[source];
  if (/^\d+$/.test(wanted)) {
    const row = Number(wanted) - 1 - trace.about.dropped;
    if (!(row >= 0 && row < trace.n && choose(source, row, { centre: true })))
      say(`There is no event ${wanted}`);
    return;
  }
  const count = countOf(source);
  const start = app.chosen
    ? indexOfRow(app.matched[source], app.chosen.row)
    : direction > 0
      ? -1
      : count;
  let until = performance.now() + 12;
  for (let tried = 1; tried <= count; tried++) {
    const row = rowAt(source, (start + direction * tried + 2 * count) % count);
    if (sentence(trace, row).toLowerCase().includes(wanted))
      return choose(source, row, { centre: false });
    // Frames go on while a long recording is searched.
    if (performance.now() > until) {
      say(`Searching: ${Math.round((tried / count) * 100)} %`);
      await new Promise((resolve) => setTimeout(resolve));
      if (run !== searchRun) return;
      until = performance.now() + 12;
    }
  }
  say(`Nothing says “${text.trim()}”`);
}

function searchConnection(number) {
  const source = app.traces.findIndex((trace) => trace.byNumber.has(number));
  if (source < 0) return say(`There is no connection ${number}`);
  const trace = app.traces[source];
  choose(source, trace.order[trace.connections[trace.byNumber.get(number)].from], { centre: true });
}

searchBox.addEventListener("keydown", (event) => {
  if (event.key === "Enter") search(searchBox.value, event.shiftKey ? -1 : 1);
  if (event.key === "Escape") {
    searchBox.value = "";
    scroller.focus();
  }
  event.stopPropagation();
});
