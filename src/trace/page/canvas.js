// Canvases: their sizes in device pixels, the colours of the theme, the axis of time.

const colours = {};
function readColours() {
  const style = getComputedStyle(document.documentElement);
  for (const name of [
    "paper",
    "panel",
    "ink",
    "faint",
    "rule",
    "accent",
    "select",
    "turn",
    "visit",
    "open",
    "producing",
    "stalled",
    "closing",
    "fin",
    "broken",
    "unknown",
    "in",
    "out",
    "good",
    "bad",
    "warn",
    "heat0",
    "heat1",
  ]) {
    colours[name] = style.getPropertyValue(`--${name}`).trim();
  }
  colours.heat = rampOf(colours.heat0, colours.heat1);
}

// 64 colours from one to another.
function rampOf(from, to) {
  const parts = (colour) => [1, 3, 5].map((index) => parseInt(colour.slice(index, index + 2), 16));
  const [first, last] = [parts(from), parts(to)];
  return Array.from(
    { length: 64 },
    (_, index) =>
      `rgb(${first.map((value, part) => Math.round(value + ((last[part] - value) * index) / 63)).join(",")})`,
  );
}

// The drawing context of a canvas at the size that it has on the screen, in CSS pixels.
function contextOf(canvas, width, height) {
  const ratio = Math.min(2, devicePixelRatio || 1);
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  const context = canvas.getContext("2d", { alpha: false });
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.fillStyle = colours.paper;
  context.fillRect(0, 0, width, height);
  return context;
}

const FONT =
  '11px system-ui, -apple-system, "Segoe UI", "Liberation Sans", "DejaVu Sans", sans-serif';
const BOLD = `600 ${FONT}`;

function write(
  context,
  text,
  x,
  y,
  { colour = colours.ink, font = FONT, align = "left", width } = {},
) {
  context.font = font;
  context.fillStyle = colour;
  context.textAlign = align;
  context.textBaseline = "middle";
  context.fillText(width ? fitted(context, text, width) : text, x, y);
}

const measured = new Map();
function fitted(context, text, width) {
  const key = `${context.font}|${width}|${text}`;
  if (measured.size > 5000) measured.clear();
  let fit = measured.get(key);
  if (fit === undefined) {
    fit = text;
    while (fit.length > 1 && context.measureText(fit).width > width) fit = `${fit.slice(0, -2)}…`;
    measured.set(key, fit);
  }
  return fit;
}

// A step of 1, 2 or 5 times a power of ten, so that marks are about `apart` pixels apart.
function niceStep(span, width, apart) {
  const rough = span / Math.max(1, width / apart),
    power = 10 ** Math.floor(Math.log10(rough));
  return [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= rough);
}

// A moment on the axis, with as many decimals as marks of `step` nanoseconds need.
function moment(nanos, step) {
  const decimals = Math.max(0, Math.min(9, 9 - Math.floor(Math.log10(step) + 1e-9)));
  const text = (nanos / 1e9).toFixed(decimals);
  return app.isRelative && nanos > 0 ? `+${text} s` : `${text} s`;
}

// The marks of the axis between two moments, for `width` pixels.
function marksOf(from, to, width, apart = width > 500 ? 110 : 80) {
  const step = niceStep(to - from, width, apart),
    marks = [];
  for (let index = Math.ceil(from / step); index * step <= to && marks.length < 40; index++) {
    marks.push({ time: index * step, text: moment(index * step, step) });
  }
  return marks;
}
