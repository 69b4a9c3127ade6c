// Places the nodes of a graph in columns, so that most edges go from left to right.

// Returns the column and the line of each node.
export function layout(count, edges) {
  const outgoing = Array.from({ length: count }, () => []);
  const incoming = Array.from({ length: count }, () => []);
  for (const { from, to } of edges) {
    if (from === to) continue;
    outgoing[from].push(to);
    incoming[to].push(from);
  }
  const columns = columnsOf(count, outgoing, incoming);
  const width = Math.max(0, ...columns) + 1;
  const lines = Array.from({ length: width }, () => []);
  columns.forEach((column, node) => lines[column].push(node));
  const line = new Float64Array(count);
  const settle = () => lines.forEach((nodes) => nodes.forEach((node, at) => (line[node] = at - (nodes.length - 1) / 2)));
  settle();
  // Each node goes to the middle of its neighbours, back and forth, so that fewer edges cross.
  for (let turn = 0; turn < 8; turn++) {
    const neighbours = turn % 2 === 0 ? incoming : outgoing;
    for (const nodes of turn % 2 === 0 ? lines : lines.toReversed()) {
      const middle = (node) => {
        const all = neighbours[node];
        return all.length === 0 ? line[node] : all.reduce((sum, it) => sum + line[it], 0) / all.length;
      };
      const middles = new Map(nodes.map((node) => [node, middle(node)]));
      nodes.sort((a, b) => middles.get(a) - middles.get(b));
    }
    settle();
  }
  return { columns, line, width, height: Math.max(1, ...lines.map((nodes) => nodes.length)) };
}

// The longest way to each node. Edges that close a circle do not count.
function columnsOf(count, outgoing, incoming) {
  const state = new Uint8Array(count);
  const order = [];
  const isBack = new Set();
  const starts = [...Array(count).keys()].sort((a, b) => incoming[a].length - incoming[b].length);
  for (const start of starts) {
    const path = state[start] ? [] : [[start, 0]];
    if (path.length) state[start] = 1;
    while (path.length > 0) {
      const top = path.at(-1);
      const next = outgoing[top[0]][top[1]++];
      if (next === undefined) {
        state[top[0]] = 2;
        order.push(path.pop()[0]);
      } else if (state[next] === 0) {
        state[next] = 1;
        path.push([next, 0]);
      } else if (state[next] === 1) {
        isBack.add(`${top[0]} ${next}`);
      }
    }
  }
  const columns = new Int32Array(count);
  for (const node of order.reverse()) {
    for (const next of outgoing[node]) {
      if (!isBack.has(`${node} ${next}`)) columns[next] = Math.max(columns[next], columns[node] + 1);
    }
  }
  return [...columns];
}
