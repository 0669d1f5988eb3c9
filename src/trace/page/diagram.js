// The states of a connection as a picture: those of ARCHITECTURE.md, which a test compares. The
// state of the chosen event is lit, and the edge that led to it.

const STATES = {
  Stalled_Open: [46, 20],
  Open_Open: [196, 20],
  Open_Producing: [338, 20],
  LingerRead_Closing: [46, 96],
  Stalled_Producing: [338, 96],
  LingerRead_FinSent: [46, 172],
  Ended_Closing: [196, 172],
  Ended_Producing: [338, 172],
  Ended_FinSent: [46, 248],
  Ended_Aborting: [196, 248],
  Ended_Failed: [338, 248],
};

// From, event, to; then how far the line is moved aside, and where on it the label stands.
const EDGES = [
  ["Open_Open", "produce", "Open_Producing", 0, 0.5],
  ["Open_Open", "stall", "Stalled_Open", -6, 0.5],
  ["Open_Open", "finish", "LingerRead_Closing", 0, 0.4],
  ["Open_Open", "peer_fin", "Ended_Closing", 0, 0.62],
  ["Stalled_Open", "resume", "Open_Open", -6, 0.5],
  ["Stalled_Open", "finish", "LingerRead_Closing", 0, 0.5],
  ["Open_Producing", "stall", "Stalled_Producing", -14, 0.35],
  ["Open_Producing", "finish", "LingerRead_Closing", 0, 0.3],
  ["Open_Producing", "peer_fin", "Ended_Producing", 54, 0.5],
  ["Stalled_Producing", "resume", "Open_Producing", -14, 0.35],
  ["Stalled_Producing", "finish", "LingerRead_Closing", 0, 0.3],
  ["Ended_Producing", "finish", "Ended_Closing", 0, 0.5],
  ["LingerRead_Closing", "fin_sent", "LingerRead_FinSent", 0, 0.5],
  ["LingerRead_Closing", "peer_fin", "Ended_Closing", 0, 0.5],
  ["LingerRead_FinSent", "peer_fin", "Ended_FinSent", 22, 0.4],
  ["LingerRead_FinSent", "linger_over", "Ended_FinSent", -22, 0.6],
];

// Both lead to their state from everywhere.
const FAILURES = [
  ["abort", "Ended_Aborting"],
  ["socket_failed", "Ended_Failed"],
];

// The name of SVG is an address, and no address shall stand in this page: the parser knows it.
const SVG = document.getElementById("svg").namespaceURI,
  BOX = [80, 32];

function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

// A line between two boxes, moved aside; from border to border.
function edgePath(from, to, aside) {
  const [x1, y1] = STATES[from],
    [x2, y2] = STATES[to];
  const length = Math.hypot(x2 - x1, y2 - y1),
    nx = -(y2 - y1) / length,
    ny = (x2 - x1) / length;
  if (Math.abs(aside) > 40) {
    // Around the box that stands between them.
    const side = x1 + aside + 2;
    return {
      d: `M${x1 + BOX[0] / 2 - 12},${y1 + BOX[1] / 2} C${side},${y1 + 40} ${side},${y2 - 40} ${x2 + BOX[0] / 2 - 12},${y2 - BOX[1] / 2 - 2}`,
      point: () => [side - 20, y2 - 28],
    };
  }
  const dx = (x2 - x1) / length,
    dy = (y2 - y1) / length;
  const reach = Math.min(
    BOX[0] / 2 / Math.max(1e-6, Math.abs(dx)),
    BOX[1] / 2 / Math.max(1e-6, Math.abs(dy)),
  );
  const start = [x1 + dx * reach + nx * -aside, y1 + dy * reach + ny * -aside];
  const end = [x2 - dx * (reach + 3) + nx * -aside, y2 - dy * (reach + 3) + ny * -aside];
  return {
    d: `M${start.map(Math.round)} L${end.map(Math.round)}`,
    point: (part) => [start[0] + (end[0] - start[0]) * part, start[1] + (end[1] - start[1]) * part],
  };
}

// The picture is made once; later only classes change.
let picture = null;
function makeDiagram() {
  const head = (id) =>
    svg(
      "marker",
      {
        id,
        viewBox: "0 0 8 8",
        refX: 7,
        refY: 4,
        markerWidth: 7,
        markerHeight: 7,
        orient: "auto",
        markerUnits: "userSpaceOnUse",
      },
      svg("path", { d: "M0,0 L8,4 L0,8 z" }),
    );
  const root = svg(
    "svg",
    { viewBox: "0 0 398 268", class: "diagram", role: "img" },
    svg("defs", {}, head("head"), head("head-lit")),
  );
  const edges = EDGES.map(([from, event, to, aside, place]) => {
    const { d, point } = edgePath(from, to, aside),
      [x, y] = point(place);
    const path = svg("path", { d }),
      label = svg("text", { x, y: y - 3, class: "label" }, event.replace("_", " "));
    return { from, event, to, path, label };
  });
  root.append(...edges.map(({ path }) => path), ...edges.map(({ label }) => label));
  const nodes = new Map(
    Object.entries(STATES).map(([name, [x, y]]) => {
      const node = svg(
        "g",
        {},
        svg("rect", { x: x - BOX[0] / 2, y: y - BOX[1] / 2, width: BOX[0], height: BOX[1], rx: 5 }),
        ...name.split("_").map((part, line) => svg("text", { x, y: y - 2.5 + 12.5 * line }, part)),
      );
      root.append(node);
      return [name, node];
    }),
  );
  picture = { root, edges, nodes, title: svg("title") };
  root.prepend(picture.title);
  return picture;
}

// The event of the engine by which one state became another; empty if it is none, or several.
function transition(from, to, kind) {
  if (from === to) return "";
  const failure = FAILURES.find(([, state]) => state === to);
  if (failure) return failure[0];
  const found = EDGES.filter((edge) => edge[0] === from && edge[2] === to).map(
    ([, event]) => event,
  );
  return found.length > 1 ? (kind === TIMER_FIRED ? "linger_over" : "peer_fin") : (found[0] ?? "");
}

// Lights the state behind a row, and the edge to it. Returns the picture and what it says.
function diagramOf(trace, row) {
  const { root, edges, nodes, title } = picture ?? makeDiagram();
  const place = trace.place[row],
    { from } = trace.connections[trace.laneOf[row]];
  const to = stateName(trace.state[place]);
  const was =
    place > from
      ? stateName(trace.state[place - 1])
      : trace.kind[row] === ACCEPTED
        ? to
        : "unknown";
  const event = transition(was, to, trace.kind[row]);
  for (const edge of edges) {
    const isLit = edge.from === was && edge.to === to && edge.event === event;
    edge.path.classList.toggle("lit", isLit);
    edge.label.classList.toggle("lit", isLit);
  }
  const lit = to === "closed" ? was : to;
  for (const [name, node] of nodes) {
    node.classList.toggle("lit", name === lit);
    node.classList.toggle("was", name === was && was !== lit);
  }
  const shown = (name) => name.replace("_", " · ");
  const words =
    to === "closed"
      ? `Closed; before: ${shown(was)}.`
      : to === "unknown"
        ? "Not known yet: no event since the trace begins tells it."
        : was === to || was === "unknown"
          ? `${shown(to)}; this event does not change it.`
          : `${event ? `${event.replace("_", " ")}: ` : ""}${shown(was)} becomes ${shown(to)}.`;
  title.textContent = words;
  return { root, words };
}
