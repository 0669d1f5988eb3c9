// Questions about a part of the rows, answered without going through them: searches by halves, and
// summaries of 64 and 4,096 rows each. A frame costs as much as it has pixels, however long the
// recording is.

const FEW = 64,
  MANY = FEW * FEW;

// The first index in [from, to) whose value is not below `value`; `to` if there is none.
function lowerBound(values, value, from = 0, to = values.length) {
  while (from < to) {
    const middle = (from + to) >>> 1;
    if (values[middle] < value) from = middle + 1;
    else to = middle;
  }
  return from;
}

const upperBound = (values, value, from, to) => lowerBound(values, value + 0.5, from, to);

// The largest of each 64, and of each 4,096 values.
function pyramidOfMax(values) {
  const raise = (below, count) => {
    const level = new Float64Array(Math.ceil(count / FEW));
    for (let index = 0; index < count; index++) {
      const at = index >> 6;
      if (below[index] > level[at]) level[at] = below[index];
    }
    return level;
  };
  const few = raise(values, values.length);
  return { values, few, many: raise(few, few.length) };
}

// Where a pixel has hundreds of rows, its edges are moved by less than 64 of them to whole blocks: no
// eye sees that, and a frame takes half as long.
const ROUGH = 8 * FEW;
const blockOf = (index, count) => (count > ROUGH ? index - (index % FEW) : index);

// The largest value in [from, to), or nearly there.
function maxIn({ values, few, many }, from, to) {
  const count = to - from;
  from = blockOf(from, count);
  to = blockOf(to, count);
  let most = 0;
  while (from < to) {
    let value, step;
    if (from % MANY === 0 && from + MANY <= to) {
      value = many[from / MANY];
      step = MANY;
    } else if (from % FEW === 0 && from + FEW <= to) {
      value = few[from / FEW];
      step = FEW;
    } else {
      value = values[from];
      step = 1;
    }
    if (value > most) most = value;
    from += step;
  }
  return most;
}

// Bits that tell what happened to a connection among some rows.
const HAD_VISIT = 1,
  HAD_STALL = 2,
  HAD_BLOCK = 4,
  HAD_FIRED = 8,
  HAD_CLOSE = 16,
  HAD_ERROR = 32;

function flagOf({ kind, x }, row) {
  switch (kind[row]) {
    case VISIT:
      return HAD_VISIT;
    case STALLED:
      return HAD_STALL;
    case SETTLED:
      return (x[row] & 3) === INPUT.STALLED ? HAD_STALL : 0;
    case SENT:
      return x[row] === 1 ? HAD_BLOCK : x[row] === 4 ? HAD_ERROR : 0;
    case RECEIVED:
      return x[row] === 5 ? HAD_ERROR : 0;
    case TIMER_FIRED:
      return HAD_FIRED;
    case CLOSED:
      return HAD_CLOSE | (x[row] ? HAD_ERROR : 0);
    default:
      return 0;
  }
}

function pyramidOfFlags(trace) {
  const { order } = trace;
  const flags = new Uint8Array(order.length),
    few = new Uint8Array(Math.ceil(order.length / FEW));
  for (let place = 0; place < order.length; place++) {
    flags[place] = flagOf(trace, order[place]);
    few[place >> 6] |= flags[place];
  }
  return { flags, few };
}

function flagsIn({ flags, few }, from, to) {
  const count = to - from;
  from = blockOf(from, count);
  to = blockOf(to, count);
  let found = 0;
  while (from < to) {
    if (from % FEW === 0 && from + FEW <= to) {
      found |= few[from / FEW];
      from += FEW;
    } else {
      found |= flags[from];
      from += 1;
    }
  }
  return found;
}

function aggregate(trace) {
  trace.maxUnsent = pyramidOfMax(trace.unsent);
  trace.maxUnparsed = pyramidOfMax(trace.unparsed);
  trace.flags = pyramidOfFlags(trace);
  trace.maxTook = pyramidOfMax(trace.turns.took);
  trace.maxQueued = pyramidOfMax(trace.turns.queued);
}

// How many nanoseconds of [from, to) the loop was in a turn.
function busyIn({ turns }, from, to) {
  let first = lowerBound(turns.begin, from);
  const last = lowerBound(turns.begin, to);
  let sum = turns.busy[last] - turns.busy[first];
  // The turn before may reach into the part, and the last may reach out of it.
  if (first > 0) sum += Math.max(0, Math.min(turns.end[first - 1], to) - from);
  if (last > first) sum -= Math.max(0, turns.end[last - 1] - to);
  return sum;
}

// Each turn takes less than one of these limits: 2 us, 4 us, 8 us and so on.
const CLASSES = 20;
const classOf = (nanos) =>
  Math.max(0, Math.min(CLASSES - 1, Math.floor(Math.log2(nanos / 1000 + 1e-9))));

// A heat map: how many turns of each class began in each of `width` parts of the time.
function heat({ turns }, from, to, width) {
  const counts = new Uint32Array(width * CLASSES);
  let most = 0;
  for (let turn = 0; turn < turns.count; turn++) {
    const at = Math.floor(((turns.begin[turn] - from) / (to - from)) * width);
    if (at < 0 || at >= width) continue;
    const index = at * CLASSES + classOf(turns.took[turn]);
    if (++counts[index] > most) most = counts[index];
  }
  return { counts, most, width };
}
