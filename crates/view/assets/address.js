// What is shown, in the part of the address after `#`, so that it can be shared.

const KEYS = ["span", "view", "edge", "q", "service", "destination", "failed", "linked"];

export function readAddress() {
  const parts = new URLSearchParams(location.hash.slice(1));
  return Object.fromEntries(KEYS.map((key) => [key, parts.get(key) ?? ""]));
}

export function addressOf(state) {
  const parts = KEYS.filter((key) => state[key]).map((key) => `${key}=${encodeURIComponent(state[key])}`);
  return "#" + parts.join("&");
}

// The spans from which links were followed to what is shown, the last one last.
export function readTrail() {
  return history.state?.trail ?? [];
}

// Shows the state in the address. `trail` makes it a step, which the browser can go back.
export function writeAddress(state, trail) {
  const hash = addressOf(state);
  const url = hash === "#" ? location.pathname + location.search : hash;
  if (trail) history.pushState({ trail }, "", url);
  else if (hash !== location.hash) history.replaceState(history.state, "", url);
}
