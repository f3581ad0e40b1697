// From bytes to atoms and bonds of a periodic cell; no drawing here. The layout is described in
// core/figures/crystal_payload.py.

const ELEMENTS = /*ELEMENTS*/null;            // rows by atomic number: [symbol, name, colour, covalent radius, metal]

const REACH = 1.2;                            // longest bond, as a multiple of the sum of covalent radii
const SHELL = 1.12;                           // and no longer than this multiple of either atom's shortest contact
const FACE = 0.12;                            // Å: an atom this near to a face of the cell is drawn on both faces

/** {header, body} -> movie with typed arrays per crystal. */
function decodeCrystals({ header, body }) {
  const block = (Type, at, count) => typed(Type, body.subarray(at, at + count * Type.BYTES_PER_ELEMENT));
  const crystals = header.crystals.map((spec) => ({
    ...spec,
    lattice: block(Float32Array, spec.lattice, spec.frames * 9),
    coords: block(Uint16Array, spec.coords, spec.frames * spec.n * 3),
    numbers: block(Uint8Array, spec.numbers, spec.numbers_frames * spec.n),
  }));
  return { ...header, clock: block(Float32Array, header.times, header.frames), crystals };
}

/**
 * The cell at a moment between two stored frames: coordinates take the shortest way round the torus, the lattice
 * changes evenly, species are those of the nearer frame.
 * Returns {lattice (9), frac (3n, in [0, 1)), numbers (n), n}.
 */
function cellAt(crystal, moment) {
  const { n, frames } = crystal;
  const now = Math.max(0, Math.min(frames - 1, moment));
  const low = Math.floor(now);
  const high = Math.min(frames - 1, low + 1);
  const part = now - low;
  const lattice = new Float64Array(9);
  for (let k = 0; k < 9; k++) {
    lattice[k] = (1 - part) * crystal.lattice[9 * low + k] + part * crystal.lattice[9 * high + k];
  }
  const frac = new Float64Array(3 * n);
  for (let k = 0; k < 3 * n; k++) {
    const from = crystal.coords[3 * n * low + k] / 65536;
    let step = crystal.coords[3 * n * high + k] / 65536 - from;
    step -= Math.round(step);
    const at = from + part * step;
    frac[k] = at - Math.floor(at);
  }
  const row = crystal.numbers_frames > 1 ? (part < 0.5 ? low : high) : 0;
  return { lattice, frac, numbers: crystal.numbers.subarray(row * n, row * n + n), n };
}

const cross = (a, b) => [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
const norm = (a) => Math.sqrt(dot(a, a));

/** The shortest distance (Å) between two atoms of a crystal, an atom and its own image in a neighbouring cell among them. */
function shortestDistance({ frac, n }, rows) {
  let best = Infinity;
  for (let p = 0; p < n; p++) {
    for (let q = p; q < n; q++) {
      const step = [0, 1, 2].map((k) => frac[3 * q + k] - frac[3 * p + k]).map((v) => v - Math.round(v));
      for (let i = -1; i <= 1; i++) for (let j = -1; j <= 1; j++) for (let l = -1; l <= 1; l++) {
        if (p === q && !i && !j && !l) continue;
        const [u, v, w] = [step[0] + i, step[1] + j, step[2] + l];
        let square = 0;
        for (let k = 0; k < 3; k++) square += (u * rows[0][k] + v * rows[1][k] + w * rows[2][k]) ** 2;
        if (square < best) best = square;
      }
    }
  }
  return Math.sqrt(best);
}

/** Vectors a, b, c; heights of the cell above its faces (Å); volume (Å^3). */
function measureCell(lattice) {
  const rows = [0, 3, 6].map((k) => [lattice[k], lattice[k + 1], lattice[k + 2]]);
  const faces = [cross(rows[1], rows[2]), cross(rows[2], rows[0]), cross(rows[0], rows[1])];
  const volume = Math.max(1e-9, Math.abs(dot(rows[0], faces[0])));
  return { rows, volume, heights: faces.map((face) => volume / Math.max(1e-9, norm(face))) };
}

const radiusOf = (number) => ELEMENTS.rows[number][3];
const isMetal = (number) => Boolean(ELEMENTS.rows[number][4]);

/**
 * Bonds of the infinite crystal as [i, j, sa, sb, sc, length, ratio]: atom i to the image of atom j shifted by whole
 * lattice vectors, each bond once; ratio is the length over the sum of covalent radii. Two atoms bond when their distance, in units of the sum of their covalent
 * radii, is at most REACH and, for both of them, within SHELL of their shortest contact. Two metal atoms do not bond
 * when both have a non-metal within REACH: in a salt they only lie close. Undecided atoms have no bonds.
 */
function findBonds(cell) {
  const { lattice, frac, numbers, n } = cell;
  const { heights } = measureCell(lattice);
  let widest = 0;
  for (let i = 0; i < n; i++) if (numbers[i]) widest = Math.max(widest, radiusOf(numbers[i]));
  if (widest === 0) return [];
  const images = heights.map((height) => Math.min(4, Math.ceil((2 * widest * REACH) / height)));
  const found = [];
  for (let i = 0; i < n; i++) {
    if (!numbers[i]) continue;
    for (let j = i; j < n; j++) {
      if (!numbers[j]) continue;
      const sum = radiusOf(numbers[i]) + radiusOf(numbers[j]);
      const limit = (sum * REACH) ** 2;
      const d0 = frac[3 * j] - frac[3 * i];
      const d1 = frac[3 * j + 1] - frac[3 * i + 1];
      const d2 = frac[3 * j + 2] - frac[3 * i + 2];
      for (let a = -images[0]; a <= images[0]; a++) {
        for (let b = -images[1]; b <= images[1]; b++) {
          for (let c = -images[2]; c <= images[2]; c++) {
            if (i === j && !(a > 0 || (a === 0 && (b > 0 || (b === 0 && c > 0))))) continue;
            const u = d0 + a;
            const v = d1 + b;
            const w = d2 + c;
            const x = u * lattice[0] + v * lattice[3] + w * lattice[6];
            const y = u * lattice[1] + v * lattice[4] + w * lattice[7];
            const z = u * lattice[2] + v * lattice[5] + w * lattice[8];
            const square = x * x + y * y + z * z;
            if (square > limit) continue;
            const length = Math.sqrt(square);
            found.push([i, j, a, b, c, length, length / sum]);
          }
        }
      }
    }
  }
  const salted = new Uint8Array(n);
  for (const [i, j] of found) {
    if (!isMetal(numbers[i])) salted[j] = 1;
    if (!isMetal(numbers[j])) salted[i] = 1;
  }
  const contacts = found.filter(([i, j]) => !(isMetal(numbers[i]) && isMetal(numbers[j]) && salted[i] && salted[j]));
  const nearest = new Float64Array(n).fill(Infinity);
  for (const [i, j, , , , , ratio] of contacts) {
    const contact = Math.max(ratio, 0.8);                      // overlapping atoms do not forbid honest bonds
    nearest[i] = Math.min(nearest[i], contact);
    nearest[j] = Math.min(nearest[j], contact);
  }
  return contacts.filter(([i, j, , , , , ratio]) => ratio <= SHELL * Math.min(nearest[i], nearest[j]));
}

/**
 * What is drawn of a cell repeated `repeat` times along a, b, c, its centre at the origin.
 *
 * atoms: [{x, y, z, number, site, ghost}]: the atoms of the cells; those on a face also on the opposite face; and, as
 * ghosts, the neighbours outside to which an atom inside the cells is bonded. bonds: [[p, q]] between them: each ends
 * at the nearest image, none crosses the cell. corners: the 8 corners of the first cell.
 */
function buildScene(cell, repeat, { bonds: withBonds = true, ghosts: withGhosts = true } = {}) {
  const { lattice, frac, numbers, n } = cell;
  const { rows, heights, volume } = measureCell(lattice);
  const place = (u, v, w) => [0, 1, 2].map((k) => u * rows[0][k] + v * rows[1][k] + w * rows[2][k]);
  const centre = place(repeat[0] / 2, repeat[1] / 2, repeat[2] / 2);
  const margin = heights.map((height) => Math.min(0.2, FACE / height));
  const atoms = [];
  const shown = new Map();
  const keyOf = (site, a, b, c) => ((site * 16 + a + 8) * 16 + b + 8) * 16 + c + 8;
  const add = (site, shift, ghost, inside) => {
    const f = [0, 1, 2].map((k) => frac[3 * site + k] + shift[k]);
    const [x, y, z] = place(...f).map((value, k) => value - centre[k]);
    shown.set(keyOf(site, ...shift), atoms.length);
    atoms.push({ x, y, z, number: numbers[site], site, shift, ghost, inside, frac: f });
  };
  for (let site = 0; site < n; site++) {
    const shifts = [0, 1, 2].map((k) => {
      const at = frac[3 * site + k];
      const options = [];
      for (let s = -1; s <= repeat[k]; s++) {
        if (at + s >= -margin[k] && at + s <= repeat[k] + margin[k]) options.push(s);
      }
      return options;
    });
    for (const a of shifts[0]) {
      for (const b of shifts[1]) {
        for (const c of shifts[2]) {
          const inside = [a, b, c].every((s, k) => {
            const at = frac[3 * site + k] + s;
            return at > margin[k] && at < repeat[k] - margin[k];
          });
          add(site, [a, b, c], false, inside);
        }
      }
    }
  }
  const drawn = [];
  if (withBonds) {
    const around = Array.from({ length: n }, () => []);
    for (const [i, j, a, b, c] of findBonds(cell)) {
      around[i].push([j, a, b, c]);
      around[j].push([i, -a, -b, -c]);
    }
    const real = atoms.length;
    for (let p = 0; p < real; p++) {
      const { site, shift, inside } = atoms[p];
      for (const [j, a, b, c] of around[site]) {
        const target = [shift[0] + a, shift[1] + b, shift[2] + c];
        let q = shown.get(keyOf(j, ...target));
        if (q === undefined) {
          if (!withGhosts || !inside) continue;
          q = atoms.length;
          add(j, target, true, false);
        }
        if (q < real ? p < q : true) drawn.push([p, q]);
      }
    }
  }
  const corners = [];
  for (let k = 0; k < 8; k++) corners.push(place(k & 1, (k >> 1) & 1, (k >> 2) & 1).map((v, i) => v - centre[i]));
  const ends = [0, 1, 2].map((k) => place(...[0, 1, 2].map((m) => (m === k ? 1 : 0))).map((v, i) => v - centre[i]));
  let radius = 0;
  for (const atom of atoms) if (!atom.ghost) radius = Math.max(radius, Math.hypot(atom.x, atom.y, atom.z));
  const far = [0, 1, 2, 3].map((k) => place(repeat[0] * (k & 1), repeat[1] * ((k >> 1) & 1), repeat[2] * (k === 3 ? 0 : 1)));
  for (const point of far) radius = Math.max(radius, Math.hypot(...point.map((v, i) => v - centre[i])));
  return { atoms, bonds: drawn, corners, ends, radius, volume, lengths: rows.map(norm), rows };
}

/** Angles of the cell in degrees: alpha (between b and c), beta, gamma. */
function cellAngles(rows) {
  const angle = (u, v) => (Math.acos(Math.max(-1, Math.min(1, dot(u, v) / (norm(u) * norm(v))))) * 180) / Math.PI;
  return [angle(rows[1], rows[2]), angle(rows[0], rows[2]), angle(rows[0], rows[1])];
}

/** "SrTiO3"-like formula of a cell, reduced, as [symbol, count] pairs in order of appearance. */
function formulaOf(numbers) {
  const counts = new Map();
  for (const number of numbers) counts.set(number, (counts.get(number) || 0) + 1);
  return [...counts];
}
