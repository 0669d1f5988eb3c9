// The side panel: the chosen event, why it happened, what state it left, and the source beside it.

const panel = document.getElementById("panel");

// MOST_SHOWN of payload.rs.
const PAYLOAD_KEPT = 128;

function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "onclick") element.addEventListener("click", value);
    else if (name === "style") Object.assign(element.style, value);
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

const upper = (text) => text.charAt(0).toUpperCase() + text.slice(1);

function showEvent() {
  if (!app.chosen) return panel.replaceChildren(...welcome());
  const { source, row } = app.chosen,
    trace = app.traces[source];
  const parts = [
    el("h2", {}, upper(sentence(trace, row))),
    el("p", { class: "faint" }, placeOf(trace, source, row)),
  ];
  const call = callOf(trace, row),
    from = textOf(trace, row)
      .split("\n")
      .slice(trace.kind[row] === ACCEPTED || trace.kind[row] === REFUSED ? 1 : 0)
      .join("\n");
  // Of a readyd the text is payload; of another program it is the call as strace told it.
  const payload = trace.about.readyd ? from : "";
  if (call && (payload || !from)) parts.push(el("code", { class: "call" }, call));
  if (from && !payload) parts.push(el("code", { class: "call" }, from));
  parts.push(el("p", {}, why(trace, row)));
  if (payload) parts.push(...payloadOf(trace, row, payload));
  const mark = trace.about.mark;
  if (mark?.row === row) parts.push(el("p", {}, el("strong", {}, mark.words)));
  parts.push(...becauseOf(trace, source, row));
  if (trace.laneOf[row] >= 0) parts.push(...buffersOf(trace, row));
  if (trace.laneOf[row] >= 0 && trace.about.readyd) {
    const { root, words } = diagramOf(trace, row);
    parts.push(
      el("h3", {}, "State of the connection: its input, its output"),
      root,
      el("p", { class: "faint" }, words),
    );
  }
  if (trace.about.readyd) parts.push(...hopsOf(trace.kind[row]));
  const top = panel.scrollTop;
  panel.replaceChildren(...parts);
  panel.scrollTop = top;
  for (const [id, find] of [
    ["back", (t, r) => stepFrom(t, app.matched[source], r, -1)],
    ["forward", (t, r) => stepFrom(t, app.matched[source], r, 1)],
    ["same-back", (t, r) => sameConnection(t, r, -1)],
    ["same-forward", (t, r) => sameConnection(t, r, 1)],
    ["cause", causeOf],
  ]) {
    // A button that has the focus stays usable: it would lose the focus.
    const button = document.getElementById(id);
    button.disabled = find(trace, row) < 0 && document.activeElement !== button;
  }
}

function placeOf(trace, source, row) {
  const number = trace.connection[row],
    turn = turnOf(trace, row);
  const parts = [];
  if (app.traces.length > 1) parts.push(trace.about.name);
  if (number) parts.push(`connection ${number}`);
  parts.push(
    `event ${grouped(numberOf(trace, row))} of ${grouped(trace.about.dropped + trace.n)}`,
    `${seconds(trace, row)} s`,
  );
  if (turn >= 0)
    parts.push(
      `${duration(trace.time[row] - trace.turns.begin[turn])} into its turn, which took ${duration(trace.turns.took[turn])}`,
    );
  return parts.join(" · ");
}

// What a call moved. A replay keeps the first bytes of it.
function payloadOf(trace, row, payload) {
  const { what, bytes } =
    trace.kind[row] === SENT
      ? { what: "What was sent", bytes: trace.a[row] }
      : { what: "What was received", bytes: trace.b[row] };
  const part = bytes > PAYLOAD_KEPT ? `: the first ${PAYLOAD_KEPT} of ${counted(bytes, "byte")}` : "";
  // A line may end behind any byte, but not within an escape.
  const shown = payload.match(/\\x..|\\?./g).flatMap((byte) => [byte, el("wbr")]);
  return [el("h3", {}, what + part), el("code", { class: "payload" }, ...shown)];
}

function becauseOf(trace, source, row) {
  const chain = chainOf(trace, row);
  if (!chain.length) return [];
  const items = chain.map((cause) =>
    el(
      "li",
      {},
      el(
        "button",
        { type: "button", onclick: () => choose(source, cause) },
        sentence(trace, cause),
        " ",
        el(
          "small",
          {},
          trace.time[row] === trace.time[cause]
            ? ""
            : `${duration(trace.time[row] - trace.time[cause])} before`,
        ),
      ),
    ),
  );
  return [el("h3", {}, "Because"), el("ol", {}, ...items)];
}

function buffersOf(trace, row) {
  const place = trace.place[row],
    lane = trace.connections[trace.laneOf[row]];
  const before = place > lane.from ? place - 1 : -1;
  const meter = (name, values, most, colour) => {
    const now = values[place],
      was = before >= 0 ? values[before] : 0;
    const words = was === now ? size(now) : `${size(was)} → ${size(now)}`;
    return [
      el("span", {}, name),
      el(
        "div",
        { class: "meter" },
        el("i", {
          style: { width: `${(now / Math.max(1, most)) * 100}%`, background: `var(--${colour})` },
        }),
      ),
      el("span", {}, words),
    ];
  };
  return [
    el("h3", {}, "What waits in the connection"),
    el(
      "div",
      { class: "buffers" },
      ...meter("Input", trace.unparsed, lane.unparsed, "in"),
      ...meter("Output", trace.unsent, lane.unsent, "out"),
    ),
  ];
}

// The functions in which events of a kind happen. The last one is unfolded at first: it makes the call.
function hopsOf(kind) {
  const numbers = about.hops.of[kind] ?? [];
  if (!numbers.length) return [];
  const hops = numbers.map((number, index) => {
    if (!madeHops.has(number)) madeHops.set(number, makeHop(number, index === numbers.length - 1));
    return madeHops.get(number);
  });
  return [el("h3", {}, "Where it happens"), ...hops];
}

// Made once: so they stay as folded as the reader left them, and a step costs nothing.
const madeHops = new Map();

function makeHop(number, isOpen) {
  const { file, line, name, code } = about.hops.functions[number];
  const lines = code
    .split("\n")
    .map((text) =>
      /^\s*\/\//.test(text) ? el("span", { class: "doc" }, `${text}\n`) : `${text}\n`,
    );
  const place = el("span", { class: "faint" }, ` ${file}:${line}`);
  const summary = el("summary", {}, el("code", {}, name), place);
  const hop = el("details", { class: "hop" }, summary, el("pre", { tabindex: "0" }, ...lines));
  hop.open = isOpen;
  return hop;
}

function welcome() {
  const isReadyd = about.sources.every((source) => source.readyd);
  const origin = isReadyd ? "from its own recording" : "from its system calls";
  return [
    el("h2", {}, "In one minute"),
    el(
      "p",
      {},
      `A server with one thread serves all its clients in a loop. This is what it did, ${origin}: nothing here is a model.`,
    ),
    el(
      "p",
      {},
      "The map above shows every turn of the loop. Drag over a part of it to look closer.",
    ),
    el(
      "p",
      {},
      "Below, the first lane has the turns, and each other lane is a connection: its colour tells the state, the blue area above is input that waits, the orange one below is output that the peer has not taken.",
    ),
    el(
      "p",
      {},
      "Choose an event with a click, or with the arrow keys, and go forward and back from there. Here you read what it was, why it happened, and which function did it.",
    ),
    el("h3", {}, "Six words"),
    glossary(),
    el("h3", {}, "Keys"),
    keysList(),
  ];
}

const glossary = () =>
  el(
    "dl",
    { class: "words" },
    ...GLOSSARY.map(([word, words]) => el("div", {}, el("dt", {}, word), el("dd", {}, words))),
  );

const KEYS = [
  ["← →", "one event back, forward"],
  ["Shift ← →", "of the same connection"],
  ["c, e", "to the cause, to the effect"],
  ["+ −, 0", "zoom in, out, all"],
  ["Ctrl wheel", "zoom at the mouse; a double click, too"],
  ["a, d", "move to the left, right; dragging, too"],
  ["f", "only the connection of the event"],
  ["x", "to the other recording, if there are two"],
  ["/", "search"],
  ["Esc", "choose nothing; drop the filter"],
  ["?", "this help"],
];
const keysList = () =>
  el(
    "dl",
    { class: "words" },
    ...KEYS.map(([keys, words]) =>
      el(
        "div",
        {},
        el(
          "dt",
          {},
          ...keys.split(", ").flatMap((key, index) => [index ? " " : "", el("kbd", {}, key)]),
        ),
        el("dd", {}, words),
      ),
    ),
  );
