// What is shown, in the part of the address after `#`, so that it can be shared.

const KEYS = ["span", "view", "edge", "q", "service", "destination", "failed", "linked"];

export function readAddress() {
  cancel();
  const parts = new URLSearchParams(location.hash.slice(1));
  return Object.fromEntries(KEYS.map((key) => [key, parts.get(key) ?? ""]));
}

export function addressOf(state) {
  const parts = KEYS.filter((key) => state[key]).map((key) => `${key}=${encodeURIComponent(state[key])}`);
  return "#" + parts.join("&");
}

// The states from which links were followed to what is shown, the last one last.
export function readTrail() {
  return history.state?.trail ?? [];
}

// Shows the state in the address.
export function writeAddress(state) {
  cancel();
  if (addressOf(state) !== location.hash) history.replaceState(history.state, "", urlOf(state));
}

// Shows the next state in the address, as a step that the browser can go back from.
export function stepTo(next, state) {
  writeAddress(state);
  history.pushState({ trail: [...readTrail(), state] }, "", urlOf(next));
}

// Shows the state in the address when nothing has changed for a moment: browsers refuse it where a
// key that is held down changes the address with every row.
export function writeAddressLater(state) {
  cancel();
  waiting = setTimeout(() => writeAddress(state), 150);
}

let waiting;

function cancel() {
  clearTimeout(waiting);
}

function urlOf(state) {
  const hash = addressOf(state);
  return hash === "#" ? location.pathname + location.search : hash;
}
