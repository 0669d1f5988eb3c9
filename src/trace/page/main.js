// The beginning: read the data, make the indexes, draw, listen.

const said = document.getElementById("said");
function say(text) {
  said.textContent = text;
}

let laidFor = "";
function draw() {
  const sight = `${app.from} ${app.to}`;
  if (app.order === "sight" && laidFor !== sight) layLanes();
  laidFor = sight;
  drawOverview();
  drawLanes();
}

function makeLegend() {
  const legend = document.getElementById("legend");
  const seen = new Set();
  for (const trace of app.traces) for (const state of new Set(trace.state)) seen.add(lookOf(state));
  for (const [name, words] of Object.entries(LOOKS)) {
    if (!seen.has(name)) continue;
    const [look, meaning] = words.split(": ");
    const long = el("span", { class: "long" }, meaning ? `: ${meaning}` : "");
    const patch = el("i", { style: { background: `var(--${name})` } });
    legend.append(el("span", { title: words }, patch, el("span", {}, look, long)));
  }
  const sign = (words, ...shapes) =>
    el("span", {}, svg("svg", { viewBox: "-8 -6 16 12", "aria-hidden": "true" }, ...shapes), words);
  const circle = (colour, isHollow) =>
    svg("circle", {
      r: 4,
      fill: isHollow ? "none" : `var(--${colour})`,
      stroke: `var(--${colour})`,
      "stroke-width": 1.6,
    });
  const area = (words, colour) =>
    el("span", {}, el("i", { style: { background: `var(--${colour})`, opacity: "0.75" } }), words);
  legend.append(
    area("input that waits", "in"),
    area("output that waits", "out"),
    sign("readiness", svg("path", { d: "M0,5 L-5,-4 L5,-4 z", fill: "var(--good)" })),
    sign("recv", circle("in")),
    sign("send", circle("out")),
    sign("would block", circle("out", true)),
    sign("visit", svg("rect", { x: -7, y: -2, width: 14, height: 4, fill: "var(--visit)" })),
    sign("timer fired", svg("rect", { x: -4, y: -4, width: 8, height: 8, fill: "var(--bad)" })),
    sign(
      "from afar: would block",
      svg("rect", { x: -1, y: -6, width: 2.5, height: 12, fill: "var(--warn)" }),
    ),
    sign(
      "closed",
      svg("path", { d: "M-4,-4 L4,4 M4,-4 L-4,4", stroke: "var(--ink)", "stroke-width": 2 }),
    ),
  );
}

function tellWhatIsThere() {
  document.getElementById("lead").textContent = app.traces
    .map((trace) => factsOf(trace).join(" · "))
    .join(" — ");
  const notes = app.traces.flatMap((trace) => [
    ...(trace.about.dropped
      ? [
          `The page has the last ${grouped(trace.n)} of ${grouped(trace.n + trace.about.dropped)} events of ${trace.about.name}: more would be slow to show. readyc trace --between chooses others.`,
        ]
      : []),
    ...trace.about.notes,
  ]);
  const list = document.getElementById("notes");
  list.append(...notes.map((note) => el("li", {}, note)));
  list.hidden = !notes.length;
}

async function main() {
  about = JSON.parse(document.getElementById("about").textContent);
  const embedded = async (id) => {
    const element = document.getElementById(id),
      text = element.textContent;
    element.remove();
    return inflate(text);
  };
  about.hops = JSON.parse(new TextDecoder().decode(await embedded("hops")));
  const buffers = await Promise.all(about.sources.map((_, index) => embedded(`data${index}`)));
  performance.mark("inflated");
  const traces = about.sources.map((source, index) =>
    makeTrace(source, buffers[index], about.columns),
  );
  if (traces.every((trace) => trace.n === 0)) {
    document.querySelector("main").remove();
    document.getElementById("lead").textContent = "There are no events in it.";
    document.documentElement.dataset.ready = "0";
    return;
  }
  for (const trace of traces) {
    aggregate(trace);
    trace.mostQueued = trace.turns.queued.reduce((most, count) => Math.max(most, count), 0);
  }
  performance.mark("indexed");
  readColours();
  startView(traces);
  makeChoices();
  document.getElementById("other").hidden = traces.length < 2;
  makeLegend();
  tellWhatIsThere();
  showEvent();
  showRows();
  readAddress();
  const marked = traces.findIndex((trace) => trace.about.mark);
  if (!location.hash && marked >= 0) choose(marked, traces[marked].about.mark.row, { quiet: true });
  listen();
  draw();
  new ResizeObserver(touch).observe(scroller);
  new ResizeObserver(touch).observe(heatCanvas);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    readColours();
    touch();
  });
  addEventListener("hashchange", readAddress);
  document.documentElement.dataset.ready = String(Math.round(performance.now()));
}

main().catch((error) => {
  document.getElementById("lead").textContent = `The events cannot be read: ${error.message}`;
});
