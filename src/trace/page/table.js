// The events around the chosen one as a table: for those who do not see the lanes, and for all who
// would rather read. Only some rows exist; more are made when one scrolls towards an end.

const REACH = 40;
const rowsBox = document.getElementById("rows"),
  body = rowsBox.querySelector("tbody");
let shownRows = { source: 0, first: 0, last: 0 };

// The place of a row among those that pass the filter, and back.
const indexOfRow = (matched, row) => (matched ? lowerBound(matched, row) : row);
const countOf = (source) => app.matched[source]?.length ?? app.traces[source].n;
const rowAt = (source, index) => (app.matched[source] ? app.matched[source][index] : index);

function showRows() {
  const source = app.chosen?.source ?? 0;
  const row = app.chosen?.row ?? nearTheMiddle(source);
  const index = indexOfRow(app.matched[source], row);
  const isNear =
    source === shownRows.source &&
    !app.changed &&
    index >= shownRows.first + 8 &&
    index < shownRows.last - 8;
  if (!isNear) fillRows(source, index - REACH, index + REACH);
  const chosen = app.chosen?.row ?? -1,
    connection = chosen >= 0 ? app.traces[source].connection[chosen] : 0;
  for (const line of body.rows) {
    const is = Number(line.dataset.row) === chosen;
    if (is !== (line.ariaSelected === "true")) line.setAttribute("aria-selected", String(is));
    line.classList.toggle("same", connection > 0 && Number(line.dataset.connection) === connection);
    if (is) keepInSight(line);
  }
  if (chosen < 0 && !isNear)
    rowsBox.scrollTop = Math.max(0, body.offsetHeight / 2 - rowsBox.clientHeight / 2);
}

function keepInSight(line) {
  const head = 28,
    top = line.offsetTop - head,
    bottom = line.offsetTop + line.offsetHeight;
  if (top < rowsBox.scrollTop) rowsBox.scrollTop = Math.max(0, top - 24);
  else if (bottom > rowsBox.scrollTop + rowsBox.clientHeight)
    rowsBox.scrollTop = bottom - rowsBox.clientHeight + 24;
}

function fillRows(source, first, last) {
  const count = countOf(source);
  first = Math.max(0, Math.min(first, count - 2 * REACH));
  last = Math.min(count, Math.max(last, 2 * REACH));
  const lines = [];
  for (let index = first; index < last; index++) lines.push(lineOf(source, index));
  body.replaceChildren(...lines);
  rowsBox.querySelector("table").setAttribute("aria-rowcount", String(count + 1));
  shownRows = { source, first, last };
  app.changed = false;
}

function lineOf(source, index) {
  const trace = app.traces[source],
    row = rowAt(source, index),
    number = trace.connection[row];
  const before = index > 0 ? rowAt(source, index - 1) : -1;
  const kind = trace.kind[row];
  const line = el(
    "tr",
    {
      "data-row": row,
      "data-connection": number,
      "aria-rowindex": index + 2,
      "aria-selected": "false",
    },
    el("th", { scope: "row" }, grouped(numberOf(trace, row))),
    el("td", {}, seconds(trace, row)),
    el(
      "td",
      {},
      before < 0 || trace.time[row] === trace.time[before]
        ? ""
        : `+${duration(trace.time[row] - trace.time[before])}`,
    ),
    el("td", {}, number ? `#${number}` : ""),
    el("td", {}, sentence(trace, row)),
  );
  if (kind === TURN_BEGAN) line.classList.add("edge");
  if (isTrouble(trace, row)) line.classList.add("trouble");
  return line;
}

body.addEventListener("click", (event) => {
  const line = event.target.closest("tr");
  if (line) choose(shownRows.source, Number(line.dataset.row));
});

// Near an end, further rows are made there and as many are dropped at the other end.
rowsBox.addEventListener(
  "scroll",
  () => {
    const { source, first, last } = shownRows,
      count = countOf(source);
    const isUp = rowsBox.scrollTop < 200 && first > 0;
    const isDown =
      rowsBox.scrollTop + rowsBox.clientHeight > rowsBox.scrollHeight - 200 && last < count;
    if (!isUp && !isDown) return;
    const line = body.rows[0]?.offsetHeight || 24,
      shift = isUp ? -Math.min(REACH, first) : Math.min(REACH, count - last);
    const top = rowsBox.scrollTop;
    fillRows(source, first + shift, last + shift);
    const chosen = app.chosen?.row ?? -1;
    for (const each of body.rows)
      if (Number(each.dataset.row) === chosen) each.setAttribute("aria-selected", "true");
    rowsBox.scrollTop = top - shift * line;
  },
  { passive: true },
);
