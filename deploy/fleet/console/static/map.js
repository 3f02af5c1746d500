// A map of cracks: web Mercator, drawn as SVG, with the server's clusters. Tiles only where an address of some is set.
const SVG = "http://www.w3.org/2000/svg";
const TILE_PX = 256;
const CELL_PX = 44;
const MOST_ZOOM = 22;
const PERIOD_MS = 5000;
const METRES_PER_PX = 156543.03392;
const STEPS = ["#fcc96b", "#f49a3c", "#df5f2d", "#b52a3a", "#6b1145"];
const SCALES = {
  width: { bounds: [0.5, 1, 2, 4], unit: " mm", of: (cluster) => cluster.max_width_mm },
  confidence: { bounds: [0.6, 0.7, 0.8, 0.9], unit: "", of: (cluster) => cluster.confidence },
};
const UNKNOWN = "#8a94a0";

const map = document.getElementById("map");
if (map) start(map);

function start(box) {
  const svg = box.querySelector("svg");
  const colour = document.getElementById("colour");
  const chosen = document.getElementById("chosen");
  const view = { lon: 0, lat: 0, zoom: 2 };
  let clusters = [];
  let asked = 0;
  let picked = null;
  let choices = 0;
  let timer = 0;

  const size = () => 2 ** view.zoom * TILE_PX;
  const x = (lon) => ((lon + 180) / 360) * size();
  const y = (lat) => (0.5 - Math.asinh(Math.tan((clampLat(lat) * Math.PI) / 180)) / (2 * Math.PI)) * size();
  const lonAt = (px) => (px / size()) * 360 - 180;
  const latAt = (px) => (Math.atan(Math.sinh((0.5 - px / size()) * 2 * Math.PI)) * 180) / Math.PI;
  const left = () => x(view.lon) - box.clientWidth / 2;
  const top = () => y(view.lat) - box.clientHeight / 2;

  function showAll() {
    const { west, south, east, north } = Object.fromEntries(
      ["west", "south", "east", "north"].map((side) => [side, Number(box.dataset[side])]));
    view.lon = (west + east) / 2;
    view.zoom = 0;
    const width = Math.max(x(east) - x(west), 1e-9);
    const height = Math.max(y(south) - y(north), 1e-9);
    view.lat = latAt((y(south) + y(north)) / 2);
    const fit = Math.min((box.clientWidth - 80) / width, (box.clientHeight - 80) / height);
    view.zoom = Math.max(1, Math.min(18, Math.floor(Math.log2(fit) * 2) / 2));
    move();
  }

  function zoom(by, px = box.clientWidth / 2, py = box.clientHeight / 2) {
    const lon = lonAt(left() + px), lat = latAt(top() + py);
    view.zoom = Math.max(1, Math.min(MOST_ZOOM, view.zoom + by));
    view.lon = lonAt(x(lon) - px + box.clientWidth / 2);
    view.lat = latAt(y(lat) - py + box.clientHeight / 2);
    move();
  }

  function pan(dx, dy) {
    view.lon = lonAt(x(view.lon) - dx);
    view.lat = latAt(y(view.lat) - dy);
    move();
  }

  function move() {
    view.lat = clampLat(view.lat);
    view.lon = Math.max(-180, Math.min(180, view.lon));
    draw();
    clearTimeout(timer);
    timer = setTimeout(load, 120);
  }

  async function load() {
    if (document.hidden) return;
    const margin = CELL_PX;
    const edges = [lonAt(left() - margin), latAt(top() + box.clientHeight + margin),
      lonAt(left() + box.clientWidth + margin), latAt(top() - margin)];
    const [west, south, east, north] = [Math.max(-180, edges[0]), Math.max(-90, edges[1]),
      Math.min(180, edges[2]), Math.min(90, edges[3])].map((side) => side.toFixed(9));
    const cellLon = (CELL_PX / size()) * 360;
    const query = new URLSearchParams(box.dataset.query);
    query.set("bbox", [west, south, east, north]);
    query.set("cell_lon", cellLon);
    query.set("cell_lat", cellLon * Math.cos((clampLat(view.lat) * Math.PI) / 180));
    const number = ++asked;
    try {
      const answer = await fetch(`/cracks/clusters?${query}`);
      if (answer.status === 401) location.assign("/login");
      if (!answer.ok) throw new Error(answer.status);
      const found = (await answer.json()).clusters;
      if (number !== asked) return;
      clusters = merged(found, x, y);
      document.body.classList.remove("stale");
      draw();
      const count = clusters.reduce((sum, cluster) => sum + cluster.count, 0);
      document.getElementById("shown").textContent =
        `${count.toLocaleString("en")} on this part of the map, in ${clusters.length.toLocaleString("en")} points`;
      box.dataset.shown = count;
      box.dataset.points = clusters.length;
      if (picked) await follow();
    } catch {
      document.body.classList.add("stale");
    }
  }

  function draw() {
    const parts = [];
    if (box.dataset.tiles) drawTiles(parts);
    else drawGrid(parts);
    const scale = SCALES[colour.value];
    for (const cluster of clusters) drawCluster(parts, cluster, scale);
    svg.replaceChildren(...parts);
    drawScale();
    if (picked) putBeside(x(picked.lon) - left(), y(picked.lat) - top());
  }

  function drawTiles(parts) {
    const level = Math.max(0, Math.min(19, Math.round(view.zoom)));
    const px = size() / 2 ** level;
    for (let column = Math.floor(left() / px); column * px < left() + box.clientWidth; column++) {
      for (let row = Math.floor(top() / px); row * px < top() + box.clientHeight; row++) {
        if (column < 0 || row < 0 || column >= 2 ** level || row >= 2 ** level) continue;
        const href = box.dataset.tiles.replace("{z}", level).replace("{x}", column).replace("{y}", row);
        parts.push(element("image", { href, x: column * px - left(), y: row * px - top(), width: px + 0.5, height: px + 0.5 }));
      }
    }
  }

  function drawGrid(parts) {
    const step = [90, 45, 20, 10, 5, 2, 1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001, 5e-4, 2e-4, 1e-4, 5e-5, 2e-5, 1e-5]
      .find((degrees) => (degrees / 360) * size() < 260) ?? 1e-5;
    const digits = Math.max(0, Math.ceil(-Math.log10(step)));
    const west = lonAt(left()), east = lonAt(left() + box.clientWidth);
    for (let line = Math.ceil(west / step); line * step < east; line++) {
      const at = x(line * step) - left();
      parts.push(element("line", { class: "grid", x1: at, x2: at, y1: 0, y2: box.clientHeight }));
      parts.push(element("text", { class: "degree", x: at + 4, y: 14 }, degree(line * step, digits, "E", "W")));
    }
    const south = latAt(top() + box.clientHeight), north = latAt(top());
    for (let line = Math.ceil(south / step); line * step < north; line++) {
      const at = y(line * step) - top();
      parts.push(element("line", { class: "grid", y1: at, y2: at, x1: 0, x2: box.clientWidth }));
      if (at > 24) parts.push(element("text", { class: "degree", x: 6, y: at - 4 }, degree(line * step, digits, "N", "S")));
    }
  }

  function drawCluster(parts, cluster, scale) {
    const cx = x(cluster.longitude_deg) - left(), cy = y(cluster.latitude_deg) - top();
    const r = radius(cluster.count);
    const step = stepOf(scale, scale.of(cluster));
    const circle = element("circle", { cx, cy, r, fill: step === null ? UNKNOWN : STEPS[step] });
    circle.append(element("title", {}, cluster.count === 1 ? "1 crack" : `${cluster.count} cracks`));
    if (cluster.count === 1 && picked?.event_id === cluster.event_id) circle.classList.add("chosen");
    circle.addEventListener("click", () => (cluster.count === 1 ? choose(cluster.event_id) : open(cluster)));
    parts.push(circle);
    if (cluster.count > 1) {
      parts.push(element("text", { class: "count", x: cx, y: cy, fill: step === null || step > 1 ? "#fff" : "#1c2127" }, short(cluster.count)));
    }
  }

  function open(cluster) {
    view.lon = cluster.longitude_deg;
    view.lat = cluster.latitude_deg;
    if (view.zoom >= MOST_ZOOM) choose(cluster.event_id);
    zoom(2);
  }

  // A click; of several the last one counts.
  async function choose(event_id) {
    const number = ++choices;
    const crack = await ask(event_id).catch(() => null);
    if (crack && number === choices) tell(event_id, crack);
  }

  // What is told of the chosen crack, which may have been seen again, or turned out to be part of another.
  async function follow() {
    const before = picked;
    const crack = await ask(before.event_id);
    if (picked !== before) return;
    if (!crack) unchoose();
    else if (JSON.stringify(crack) !== before.said) tell(before.event_id, crack);
  }

  async function ask(event_id) {
    const answer = await fetch(`/cracks/${event_id}`);
    if (!answer.ok && answer.status !== 404) throw new Error(answer.status);
    return answer.ok ? answer.json() : null;
  }

  function tell(event_id, crack) {
    const [lon, lat] = crack.geometry.coordinates;
    const given = crack.properties;
    const size = (px, mm) => (mm === null ? `${px.toFixed(1)} px` : `${mm.toFixed(2)} mm (${px.toFixed(1)} px)`);
    const rows = [
      ["Device", given.serial, `/devices/${encodeURIComponent(given.serial)}`],
      ["Captured", `${given.captured_utc.slice(0, 19).replace("T", " ")} UTC`],
      ["Position", `${lat.toFixed(7)}, ${lon.toFixed(7)}${given.accuracy_m === null ? "" : ` ± ${given.accuracy_m} m`}`],
      ["Largest width", size(given.max_width_px, given.max_width_mm)],
      ["Mean width", size(given.mean_width_px, given.mean_width_mm)],
      ["Length", size(given.length_px, given.length_mm)],
      ["Confidence", given.confidence.toFixed(2)],
      ...(given.seen_frames === null ? [] : [["Seen in", seenIn(given.seen_frames, given.phase)]]),
      ["Camera", given.source],
      ["Mission", given.mission_id],
      ["Model", given.model],
    ];
    const list = document.createElement("dl");
    for (const [name, value, address] of rows) {
      const term = document.createElement("dt"), words = document.createElement("dd");
      term.textContent = name;
      const holder = address ? words.appendChild(document.createElement("a")) : words;
      if (address) holder.href = address;
      holder.textContent = value;
      list.append(term, words);
    }
    const close = document.createElement("button");
    close.type = "button";
    close.textContent = "×";
    close.setAttribute("aria-label", "Close");
    close.addEventListener("click", unchoose);
    chosen.replaceChildren(list, close);
    chosen.hidden = false;
    picked = { event_id, lon, lat, said: JSON.stringify(crack) };
    draw();
  }

  // Before the end of an event it may be seen again.
  function seenIn(frames, phase) {
    return `${frames} ${frames === 1 ? "frame" : "frames"}${phase === "end" ? "" : " so far"}`;
  }

  // Beside the point where there is room, else as near as the map's edges let it.
  function putBeside(px, py) {
    const gap = 16, edge = 8;
    const right = px + gap + chosen.offsetWidth + edge <= box.clientWidth;
    const within = (wish, most) => Math.max(edge, Math.min(wish, most - edge));
    chosen.style.left = `${within(right ? px + gap : px - gap - chosen.offsetWidth, box.clientWidth - chosen.offsetWidth)}px`;
    chosen.style.top = `${within(py - chosen.offsetHeight / 2, box.clientHeight - chosen.offsetHeight)}px`;
  }

  function unchoose() {
    choices += 1; // what is on its way comes too late
    chosen.hidden = true;
    picked = null;
    draw();
  }

  function drawScale() {
    const metres = (METRES_PER_PX * Math.cos((clampLat(view.lat) * Math.PI) / 180)) / 2 ** view.zoom;
    const power = 10 ** Math.floor(Math.log10(metres * 140));
    const length = [5, 2, 1].map((factor) => factor * power).find((nice) => nice <= metres * 140);
    const bar = box.querySelector(".scale i");
    bar.style.width = `${length / metres}px`;
    box.querySelector(".scale span").textContent =
      length >= 1000 ? `${length / 1000} km` : length >= 1 ? `${length} m` : `${+(length * 100).toFixed(1)} cm`;
  }

  function drawLegend() {
    const { bounds, unit } = SCALES[colour.value];
    const names = [`below ${bounds[0]}${unit}`, ...bounds.map((from, at) =>
      at + 1 < bounds.length ? `${from}–${bounds[at + 1]}${unit}` : `${from}${unit} and more`)];
    const entries = names.map((name, at) => [STEPS[at], name]);
    if (colour.value === "width") entries.push([UNKNOWN, "scale not known"]);
    document.getElementById("legend").replaceChildren(...entries.map(([fill, name]) => {
      const entry = document.createElement("span"), sign = element("svg", { viewBox: "0 0 10 10" });
      sign.append(element("circle", { cx: 5, cy: 5, r: 5, fill }));
      entry.append(sign, name);
      return entry;
    }));
  }

  const fingers = new Map();
  box.addEventListener("pointerdown", (event) => {
    if (event.target.closest("button, #chosen")) return;
    fingers.set(event.pointerId, event);
  });
  box.addEventListener("pointermove", (event) => {
    const before = fingers.get(event.pointerId);
    if (!before) return;
    const spread = distance(fingers);
    if (!box.classList.contains("dragged")) {
      if (Math.hypot(event.clientX - before.clientX, event.clientY - before.clientY) < 4) return;
      box.classList.add("dragged");
      box.setPointerCapture(event.pointerId); // not earlier: a click on a point must stay one
    }
    fingers.set(event.pointerId, event);
    pan((event.clientX - before.clientX) / fingers.size, (event.clientY - before.clientY) / fingers.size);
    if (spread) {
      const place = box.getBoundingClientRect(), all = [...fingers.values()];
      zoom(Math.log2(distance(fingers) / spread), (all[0].clientX + all[1].clientX) / 2 - place.left, (all[0].clientY + all[1].clientY) / 2 - place.top);
    }
  });
  for (const kind of ["pointerup", "pointercancel", "pointerleave"]) {
    box.addEventListener(kind, (event) => {
      if (fingers.delete(event.pointerId) && fingers.size === 0) box.classList.remove("dragged");
    });
  }
  box.addEventListener("wheel", (event) => {
    if (event.target.closest("#chosen")) return;
    event.preventDefault();
    const place = box.getBoundingClientRect();
    zoom(Math.max(-1, Math.min(1, -event.deltaY / 200)), event.clientX - place.left, event.clientY - place.top);
  }, { passive: false });
  box.addEventListener("keydown", (event) => {
    const steps = { ArrowLeft: [80, 0], ArrowRight: [-80, 0], ArrowUp: [0, 80], ArrowDown: [0, -80] };
    if (steps[event.key]) pan(...steps[event.key]);
    else if (event.key === "+" || event.key === "=") zoom(1);
    else if (event.key === "-") zoom(-1);
    else if (event.key === "Escape" && !chosen.hidden) unchoose();
    else return;
    event.preventDefault();
  });
  document.getElementById("in").addEventListener("click", () => zoom(1));
  document.getElementById("out").addEventListener("click", () => zoom(-1));
  document.getElementById("all").addEventListener("click", showAll);
  colour.addEventListener("change", () => { drawLegend(); draw(); });
  new ResizeObserver(move).observe(box);
  drawLegend();
  showAll();
  setInterval(load, PERIOD_MS);
}

function clampLat(lat) {
  return Math.max(-85.05, Math.min(85.05, lat));
}

function stepOf(scale, value) {
  return value === null ? null : scale.bounds.filter((bound) => value >= bound).length;
}

function radius(count) {
  return count === 1 ? 6 : Math.min(20, 9 + 3.6 * Math.log10(count));
}

// The server's grid may cut a heap of cracks in two: points that would overlap become one, the fullest first.
function merged(clusters, x, y) {
  const kept = [];
  for (const cluster of [...clusters].sort((one, other) => other.count - one.count)) {
    const px = x(cluster.longitude_deg), py = y(cluster.latitude_deg), r = radius(cluster.count);
    const near = kept.find((one) => Math.hypot(one.px - px, one.py - py) < one.r + r);
    if (!near) {
      kept.push({ ...cluster, px, py, r });
      continue;
    }
    const count = near.count + cluster.count;
    for (const name of ["latitude_deg", "longitude_deg"]) near[name] += ((cluster[name] - near[name]) * cluster.count) / count;
    for (const name of ["confidence", "max_width_mm", "max_width_px"]) near[name] = larger(near[name], cluster[name]);
    near.count = count;
  }
  return kept;
}

function larger(one, other) {
  return one === null ? other : other === null ? one : Math.max(one, other);
}

function short(count) {
  return count < 1000 ? `${count}` : count < 1e6 ? `${+(count / 1e3).toPrecision(2)}k` : `${+(count / 1e6).toPrecision(2)}M`;
}

function degree(value, digits, positive, negative) {
  return `${Math.abs(value).toFixed(digits)}° ${value < 0 ? negative : positive}`;
}

function distance(fingers) {
  const [first, second] = [...fingers.values()];
  return second ? Math.hypot(first.clientX - second.clientX, first.clientY - second.clientY) : 0;
}

function element(name, attributes, text) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}
