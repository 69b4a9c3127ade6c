// Writes numbers, times and long texts for people.

export function count(number, noun, plural = noun + "s") {
  return `${number.toLocaleString("en")} ${number === 1 ? noun : plural}`;
}

export function duration(nanos) {
  if (nanos < 0) return "−" + duration(-nanos);
  if (nanos < 999.5) return `${Math.round(nanos)} ns`;
  if (nanos < 999.5e3) return `${three(nanos / 1e3)} µs`;
  if (nanos < 999.5e6) return `${three(nanos / 1e6)} ms`;
  if (nanos < 120e9) return `${three(nanos / 1e9)} s`;
  if (nanos < 7200e9) return `${three(nanos / 60e9)} min`;
  return `${three(nanos / 3600e9)} h`;
}

function three(number) {
  return number >= 100 ? number.toFixed(0) : number.toPrecision(3);
}

// The time, with microseconds, of a start after the file's first one. It is UTC: pages are shared.
export function clock(base, nanos) {
  const at = base + BigInt(Math.round(nanos));
  const seconds = new Date(Number(at / 1000000n)).toISOString().slice(0, 19);
  const micros = String((at / 1000n) % 1000000n).padStart(6, "0");
  return `${seconds.replace("T", " ")}.${micros} UTC`;
}

// Enough of a text for one line: a name can have a million characters.
export function clipped(text, most = 200) {
  return text.length > most ? text.slice(0, most) + "…" : text;
}

export const KINDS = [
  ["INT", "unspecified kind"],
  ["INT", "internal"],
  ["SRV", "server"],
  ["CLI", "client"],
  ["PRD", "producer"],
  ["CON", "consumer"],
];
