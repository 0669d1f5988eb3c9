// What is printed: a summary that stands for itself, without anything to click.

function fillPaper() {
  const paper = document.getElementById("paper"),
    picture = el("canvas");
  // On paper the map is dark on light, also when the screen is not.
  document.documentElement.classList.add("paper");
  readColours();
  const [width, height] = [680, 150 * app.traces.length];
  const context = contextOf(picture, width, height);
  paintHeat(context, width, height);
  heatKey = mapKey = "";
  document.documentElement.classList.remove("paper");
  readColours();
  const parts = [
    el("h2", {}, "How long turns took"),
    picture,
    el(
      "p",
      {},
      "To the right is time, upwards how long a turn took; darker: more of them. A red line above: accepting paused.",
    ),
  ];
  parts.push(...worstTurns(app.traces[0]));
  if (app.chosen) {
    const { source, row } = app.chosen,
      trace = app.traces[source];
    const around = [];
    for (let at = Math.max(0, row - 12); at < Math.min(trace.n, row + 13); at++) {
      around.push(
        el(
          "tr",
          { "aria-selected": String(at === row) },
          el("th", { scope: "row" }, grouped(numberOf(trace, at))),
          el("td", {}, seconds(trace, at)),
          el("td", {}, trace.connection[at] ? `#${trace.connection[at]}` : ""),
          el("td", {}, sentence(trace, at)),
        ),
      );
    }
    parts.push(
      el("h2", {}, `The chosen event: ${sentence(trace, row)}`),
      el("p", {}, why(trace, row)),
      table("Events around it", ["Event", "Time, s", "Connection", "What happened"], around),
    );
  }
  parts.push(el("h2", {}, "Six words"), glossary());
  paper.replaceChildren(...parts);
}

const table = (caption, heads, lines) =>
  el(
    "table",
    {},
    el("caption", { class: "hidden" }, caption),
    el("thead", {}, el("tr", {}, ...heads.map((head) => el("th", { scope: "col" }, head)))),
    el("tbody", {}, ...lines),
  );

function factsOf(trace) {
  const { turns, connections, n, span, pauses } = trace;
  const count = (number, noun) => counted(number, noun).replace(number, grouped(number));
  const facts = [
    count(n, "event"),
    duration(span),
    `${count(turns.count, "turn")}, ${duration(turns.busy[turns.count])} at work`,
    count(connections.length, "connection"),
  ];
  if (pauses.length) facts.push(`accepting paused ${counted(pauses.length, "time")}`);
  return app.traces.length > 1 ? [trace.about.name, ...facts] : facts;
}

function worstTurns(trace) {
  const { turns } = trace;
  if (!turns.count) return [];
  const order = Array.from(turns.took.keys())
    .sort((a, b) => turns.took[b] - turns.took[a])
    .slice(0, 10);
  const lines = order.map((turn) =>
    el(
      "tr",
      {},
      el("th", { scope: "row" }, duration(turns.took[turn])),
      el("td", {}, seconds(trace, turns.first[turn])),
      el("td", {}, grouped(turns.visits[turn + 1] - turns.visits[turn])),
      el("td", {}, grouped(turns.queued[turn])),
    ),
  );
  return [
    el("h2", {}, "The longest turns"),
    table("The longest turns", ["Took", "Began at, s", "Visits", "Queued behind it"], lines),
  ];
}

addEventListener("beforeprint", fillPaper);
addEventListener("afterprint", touch);
